import type { Backend } from "../backend/backend.js";
import { openBandwidth } from "../backend/bandwidth.js";
import { retrying } from "../backend/retry.js";
import type { Bandwidth, Window } from "../config/config.js";
import { requireHeap } from "../lib/heap.js";
import type { Action, Plan } from "../plan/plan.js";
import { countOf } from "../plan/seal.js";
import { type BudgetOptions, openBudget } from "./budget.js";
import { checkPlan, type Earlier } from "./check.js";
import type { ApplyEvent, RunReport } from "./events.js";
import { openGate } from "./gate.js";
import { checkHealth } from "./health.js";
import { type Journal, newRunId, openJournal } from "./journal.js";
import type { Damage } from "./journal-lines.js";
import type { MirrorOptions } from "./journal-mirror.js";
import { runIds } from "./journal-read.js";
import { newestJournal } from "./journal-verify.js";
import { acquireLock } from "./lock.js";
import type { Lease } from "./lock-lease.js";
import type { SharedLockOptions } from "./lock-shared.js";
import { relinkedKey } from "./observe.js";
import { movingClock } from "./pace.js";
import { perform } from "./perform.js";
import { restoreRecent } from "./recover.js";
import { redacted } from "./redact.js";
import { arrivalsOf, exclusively, type Relinked, type Run } from "./run.js";
import { damagedJournal, leftLock, shareJournal, shareLock } from "./share.js";
import { summarize } from "./summary.js";

export interface ApplyOptions {
  /** Absolute path of the state directory. */
  state: string;
  /** Digest of the configuration as it is now. */
  configDigest: string;
  /** `safety` of the configuration: a plan that says another is refused. Not looked at where unset. */
  safety?: Plan["header"]["safety"];
  /** The rules with `allow_last_copy`: a plan in which another deletes a last copy is refused. Not looked at where unset. */
  mayEndContents?: ReadonlySet<string>;
  now: () => number;
  concurrency: number;
  /** Attempts after the first, for transient errors. */
  retries: number;
  /** Longest pause before the second attempt, in milliseconds. */
  pause?: number;
  /** When each location may be worked with; one that is not named, or has none, always. */
  windows?: ReadonlyMap<string, readonly Window[]>;
  /** Of the windows and of `bandwidth`; UTC where unset. */
  timezone?: string;
  /** For all that goes to or from locations that are not local, together. */
  bandwidth?: Bandwidth;
  /** Milliseconds for which a location that does not answer is waited for, when nothing else is left to do. */
  patience?: number;
  /** The location whose lock is taken too, for one apply at a time on all machines that share it. */
  lock?: { location: string } & Pick<SharedLockOptions, "ttl" | "steady" | "wall">;
  /** The location in which the run leaves a copy of its journal. */
  mirror?: { location: string } & Pick<MirrorOptions, "every" | "patience">;
  /** How much this run may do; the plan of a run that was stopped by it can be applied again. */
  budget?: BudgetOptions;
  /** Finish what is running, start nothing more. */
  signal?: AbortSignal;
  /** Break off what is running too; its temporaries are removed. */
  abort?: AbortSignal;
  onEvent?: (event: ApplyEvent) => void;
}

/** What is held of each action beside the plan, until the catalog knows of it: the least that was measured. */
const BYTES_EACH = 1_000;

/**
 * Executes a plan. Decides nothing: what the world does not allow is skipped and said so. An error of one action is an
 * outcome, not an exception.
 * @throws `PLAN_BLOCKED` (exit 3), `PLAN_STALE`, `PLAN_EDITED`, `PLAN_EXPIRED`, `PLAN_APPLIED` (5), `LOCKED` (7), `JOURNAL_FAILED`,
 * `OUT_OF_MEMORY`
 */
export async function apply(
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
): Promise<RunReport> {
  const count = countOf(plan);
  requireHeap(count * BYTES_EACH, `${count.toLocaleString("en")} actions`);
  const lock = await acquireLock(options.state, options.now());
  try {
    const onDamage = (run: string, damage: Damage) => options.onEvent?.(damagedJournal(run, damage));
    const earlier = await checkPlan(plan, { ...options, now: options.now(), onDamage });
    const id = newRunId(options.now());
    const lease = await shareLock(id, plan, backends, options);
    try {
      await restoreRecent(options.state, backends, (event) => options.onEvent?.(event));
      return await runPlan(id, plan, backends, options, { earlier, lease });
    } finally {
      await lease?.release();
    }
  } finally {
    // What was done is done: whoever comes next takes the lock over.
    await lock.release().catch((error: unknown) => options.onEvent?.(leftLock(error)));
  }
}

/** What a run has beside its plan. */
interface Standing {
  earlier: Earlier;
  lease: Lease | undefined;
}

async function runPlan(
  id: string,
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
  { earlier, lease }: Standing,
): Promise<RunReport> {
  const { header, actions } = plan;
  const [started, emit] = [options.now(), options.onEvent ?? (() => undefined)];
  const locations = header.scans.map(({ location, uuid }) => ({ location, uuid }));
  const after = await newestJournal(options.state);
  const journal = await openJournal(options.state, {
    type: "run",
    run: id,
    plan_id: header.plan_id,
    config: header.config.digest,
    pid: process.pid,
    started,
    locations,
    ...(after && { after }),
    ...(options.lock && lease && { lock: { location: options.lock.location, fence: lease.fence } }),
  });
  const mirror = shareJournal(id, plan, backends, options);
  const touched = new Set<string>();
  const tell = (event: ApplyEvent): void => {
    // Only what was worked with is tidied up: another location may be outside its window, or away.
    if (event.type === "action-start") for (const location of locationsOf(event.action)) touched.add(location);
    emit(event);
  };
  try {
    // Who stops a run does not wait for a store that may never answer.
    const waiting = new AbortController();
    const abort = AbortSignal.any([waiting.signal, ...(options.abort ? [options.abort] : [])]);
    const run = {
      ...(await prepare(id, plan, backends, { ...options, abort, onEvent: tell }, journal, earlier)),
      lease,
    };
    const bytes = actions.reduce((sum, action) => sum + action.bytes, 0);
    emit({ type: "run-start", run: id, plan_id: header.plan_id, actions: actions.length, bytes, started });
    const stopped = () => (options.signal?.aborted ?? false) || run.abort.aborted;
    const budget =
      options.budget && openBudget(options.budget, earlier.done, (limit) => emit({ type: "budget", limit }));
    const abandon = () => {
      waiting.abort();
      for (const backend of backends.values()) if ((backend.pausedFor?.() ?? 0) > 0) backend.giveUp?.();
    };
    const done = await perform(run, { concurrency: options.concurrency, stopped, abandon, budget, done: earlier.done });
    const facts = { started, finished: options.now(), stopped: stopped(), over: budget?.over() };
    const report = summarize(run, { ...done, ...facts });
    const { outcomes: _, present: __, ...summary } = report;
    await journal.commit({ type: "end", at: report.finished, report: summary });
    emit({ type: "run-end", report });
    return report;
  } finally {
    await tidy(id, touched, backends);
    await journal.close();
    await mirror?.close();
  }
}

const TIDYING = 5_000;

/** What a store that is down does not let go of is a leftover: nobody waits for it. */
async function tidy(run: string, touched: ReadonlySet<string>, backends: ReadonlyMap<string, Backend>): Promise<void> {
  const late = new AbortController();
  const tidied = [...touched].map((location) => backends.get(location)?.tidy?.(run, late.signal));
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TIDYING);
  });
  await Promise.race([Promise.all(tidied), over]).finally(() => clearTimeout(timer));
  late.abort();
}

const locationsOf = ({ from, to }: Action): string[] => [from.location, ...(to ? [to.location] : [])];

const PATIENCE = 5 * 60_000;

async function prepare(
  id: string,
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
  journal: Journal,
  earlier: Earlier,
): Promise<Run> {
  const emit = options.onEvent ?? (() => undefined);
  const { now, windows = new Map(), timezone = "UTC", bandwidth = [], patience = PATIENCE } = options;
  const abort = options.abort ?? new AbortController().signal;
  const retries = {
    retries: options.retries,
    ...(options.pause !== undefined && { base: options.pause }),
    signal: abort,
    onRetry: (retry: Omit<Extract<ApplyEvent, { type: "retry" }>, "type">) =>
      emit({ type: "retry", ...retry, message: redacted(retry.message) }),
  };
  const wrapped = new Map([...backends].map(([name, backend]) => [name, retrying(backend, retries)]));
  const limiter = openBandwidth(bandwidth, { timezone, now: movingClock(now) });
  return {
    id,
    over: new Set((await runIds(options.state)).filter((run) => run !== id)),
    plan,
    backends: wrapped,
    journal,
    gate: openGate({ backends: wrapped, windows, timezone, now, patience }),
    limit: (bytes) => limiter.limit(bytes, abort),
    health: await checkHealth(plan.header.scans, wrapped),
    retries,
    now,
    emit,
    abort,
    proven: new Map(),
    lasting: new Set(),
    relinked: relinkedBefore(earlier),
    continued: earlier.begun,
    arrivals: arrivalsOf(plan),
    exclusively: exclusively(),
  };
}

/** Versions that an earlier run of the same plan changed by removing another name of the file. */
function relinkedBefore({ removals }: Earlier): Map<string, Relinked> {
  const relinked = new Map<string, Relinked>();
  for (const { location, planned, physical, size, mtime } of removals) {
    if (physical === undefined) continue;
    relinked.set(relinkedKey({ location, version: planned }), { physical, size, mtime: BigInt(mtime) });
  }
  return relinked;
}
