import type { Backend, Entry } from "../backend/backend.js";
import type { RetryOptions } from "../backend/retry.js";
import { StowageError } from "../lib/error.js";
import type { Action, Plan, Ref } from "../plan/plan.js";
import type { ApplyEvent, Outcome, Present } from "./events.js";
import type { Gate } from "./gate.js";
import type { Health } from "./health.js";
import type { Journal } from "./journal.js";
import type { Lease } from "./lock-lease.js";

/** What the parts of one apply share. */
export interface Run {
  readonly id: string;
  /** The runs of this state directory that are over. */
  readonly over: ReadonlySet<string>;
  readonly plan: Plan;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly journal: Journal;
  readonly health: Health;
  readonly gate: Gate;
  /** The lock that is shared with other machines, where there is one: nothing is removed after it was lost. */
  readonly lease?: Pick<Lease, "lost" | "require"> | undefined;
  readonly retries: RetryOptions;
  /** The same bytes, as slowly as `settings.transfer.bandwidth` wants it. */
  limit(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  now(): number;
  emit(event: ApplyEvent): void;
  /** Breaks off what is being copied. */
  readonly abort: AbortSignal;
  /** Instances that were proven in this run, by `addressOf`. */
  readonly proven: Map<string, Present>;
  /** Versions that a loss of power can not take, by `addressOf` and version. */
  readonly lasting: Set<string>;
  /** Files that got or lost a name through what we did: their names have a new version for that reason only. */
  readonly relinked: Map<string, Relinked>;
  /** An earlier run has begun to apply this plan, and may have been killed at any moment. */
  readonly continued: boolean;
  /** What this plan puts where: lower-case hex by `addressOf` of the target. Made when it is first asked for, which most runs never do. */
  arrivals(): ReadonlyMap<string, string>;
  /** Runs bodies with the same key one after the other. */
  exclusively<T>(key: string, body: () => Promise<T>): Promise<T>;
}

export interface Relinked {
  /** Undefined where it was not looked at. */
  physical?: string | undefined;
  size: number;
  mtime: bigint;
}

/** One action being executed: what it has found out and done so far. */
export interface Task {
  readonly run: Run;
  readonly action: Action;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly outcome: Outcome;
  /** Locations that were outside their window when it was started: nothing is read from them. */
  readonly closed: ReadonlySet<string>;
  /** The time that the copy gets; nanoseconds since the epoch. */
  mtime?: bigint;
  /** What it has just put at its target, proven; and its source, where that is a second name of it. */
  published?: Entry;
  second?: Entry;
}

export const addressOf = ({ location, key }: Ref): string => `${location}\0${key}`;

/** Lower-case hex of an action's content. */
export const sha256Of = ({ content }: Action): string => content.replace(/^sha256:/, "");

/** See `Run.arrivals`. */
export function arrivalsOf({ actions }: Plan): Run["arrivals"] {
  let arrivals: Map<string, string> | undefined;
  return () => {
    arrivals ??= new Map(actions.flatMap((action) => (action.to ? [[addressOf(action.to), sha256Of(action)]] : [])));
    return arrivals;
  };
}

/** @throws `LOCATION_SUSPECT` for a location that is not opened (offline, retired, or not in the configuration) */
export function backendOf(run: Run, location: string): Backend {
  const backend = run.backends.get(location);
  if (backend) return backend;
  throw new StowageError("LOCATION_SUSPECT", `${location} is not available`, {
    hint: "Run `stowage location check`.",
  });
}

/** Lets bodies with one key run one after the other. */
export function exclusively(): Run["exclusively"] {
  const tails = new Map<string, Promise<unknown>>();
  return async (key, body) => {
    const before = tails.get(key) ?? Promise.resolve();
    const result = before.then(body, body);
    const tail = result.catch(() => undefined);
    tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (tails.get(key) === tail) tails.delete(key);
    }
  };
}
