import { createHash } from "node:crypto";

/**
 * The one thread of time of an interleaving: every call to a storage that others may change or watch waits here until the explorer says that its turn
 * has come, and is then done at once. Between two turns all code that waits for no call has run.
 */
export interface Machine {
  name: string;
  alive: boolean;
  /** What it waits for. */
  turns: Turn[];
  /** All that it was told so far: what it will do follows from that alone. */
  seen: string;
  /** Since when it watches the lock. */
  began?: number;
  /** Since it has the lock: when it was last renewed. */
  renewed?: number;
  /** How many random numbers it drew. */
  drawn: number;
}

export interface Turn {
  what: string;
  /** Not before this time. */
  due: number;
  go: () => void;
  /** It only looks at this, and changes nothing. */
  reads?: string;
  /** The time that it says of itself. */
  at?: number;
}

interface Stage {
  /** In quarters of a lease's time; for all machines the same, who may be as late as they like. */
  now: number;
  machines: Machine[];
  /** Whose code is running. */
  current: Machine | undefined;
  /** Nobody waits for turns any more. */
  free: boolean;
}

export const stage: Stage = { now: 0, machines: [], current: undefined, free: false };

export function openStage(): void {
  Object.assign(stage, { now: 0, machines: [], current: undefined, free: false });
}

export function enter(name: string): Machine {
  const machine: Machine = { name, alive: true, turns: [], seen: "", drawn: 0 };
  stage.machines.push(machine);
  return machine;
}

/** Its turns never come: no handler and no `finally` runs. */
export function crash(machine: Machine): void {
  machine.alive = false;
  machine.turns = [];
}

/** Runs when it is the machine's turn. */
export function call<T>(
  machine: Machine,
  what: string,
  effect: () => Promise<T>,
  more: Pick<Turn, "reads" | "at"> = {},
): Promise<T> {
  if (stage.free) return effect();
  return new Promise((resolve, reject) => {
    const go = (): void => {
      effect().then(
        (value) => {
          learn(machine, `${what}=${told(value)}`);
          resolve(value);
        },
        (error: unknown) => {
          learn(machine, `${what}!${error instanceof Error && "code" in error ? error.code : String(error)}`);
          reject(error);
        },
      );
    };
    machine.turns.push({ what, due: 0, go, ...more });
  });
}

/** A moment in which others may come. */
export const pass = (machine: Machine, what: string): Promise<void> => call(machine, what, async () => undefined);

export async function sleep(machine: Machine | undefined, ms: number): Promise<void> {
  if (stage.free || !machine) return;
  await new Promise<void>((go) => machine.turns.push({ what: "sleep", due: stage.now + ms, go }));
}

const PATIENCE = "patience";

/** The product waits no longer than this for the answer to a heartbeat. */
export async function patience(machine: Machine | undefined, ms: number): Promise<void> {
  if (stage.free || !machine) return;
  await new Promise<void>((go) => machine.turns.push({ what: PATIENCE, due: stage.now + ms, go }));
}

/** What a machine still waits for: the end of a patience matters only while there is no answer. */
export const waits = ({ turns }: Machine): Turn[] =>
  turns.some(({ what }) => what.includes("lock")) ? turns : turns.filter(({ what }) => what !== PATIENCE);

const immediate = setImmediate;

/** All that waits for no turn has run. */
export const quiet = (): Promise<void> => new Promise((resolve) => immediate(resolve));

/** In place of `setInterval`; `most` times. */
export function every(machine: Machine | undefined, body: () => void, ms: number, most: number): Turn | undefined {
  if (stage.free || !machine) return undefined;
  let left = most;
  const turn: Turn = {
    what: "beat",
    due: stage.now + ms,
    go: () => {
      left -= 1;
      turn.due = stage.now + ms;
      if (left > 0 && !stopped.has(turn)) machine.turns.push(turn);
      body();
    },
  };
  machine.turns.push(turn);
  return turn;
}

const stopped = new WeakSet<Turn>();

export function stop(turn: Turn | undefined): void {
  if (!turn) return;
  stopped.add(turn);
  for (const machine of stage.machines) machine.turns = machine.turns.filter((other) => other !== turn);
}

export function learn(machine: Machine, what: string): void {
  machine.seen = hash(`${machine.seen}\n${what}`);
}

/**
 * What the machine's clock says. All that it remembers of that is since when it watches the lock, or when it was last renewed: the rest is compared and forgotten.
 */
export function clock(machine: Machine): number {
  if (machine.renewed === undefined) machine.began ??= stage.now;
  return stage.now;
}

/** Random for the product, the same in each repetition, and never twice. */
export function draw(size: number): Buffer {
  const machine = stage.current ?? { name: "nobody", drawn: ++strangers };
  machine.drawn += 1;
  const bytes = createHash("sha512").update(`${machine.name} ${machine.drawn}`).digest();
  return bytes.subarray(0, size);
}
let strangers = 0;

export const hash = (text: string): string => createHash("md5").update(text).digest("base64");

/** What an answer tells. */
function told(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Buffer.isBuffer(value)) return hash(value.toString("latin1"));
  const { version, token, size, text } = value as Record<string, unknown>;
  return [version, token, size, typeof text === "string" ? timeless(text) : ""].join(" ");
}

/** Nobody goes by the times in another's note. */
export const timeless = (note: string): string => note.replaceAll(/"(since|at)":[\d.]+,/g, "");
