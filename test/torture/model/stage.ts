import { type Random, randomOf } from "./random.js";

/**
 * The one thread of time of a schedule. Every call to a disk, a store or a timer waits here until its turn comes; whose turn it is follows
 * from the seed. Between two turns all that can run without another call has run.
 */
export interface Stage {
  step: number;
  /** Nanoseconds since the epoch, in the true world. */
  clock: bigint;
  random: Random;
  actors: Actor[];
  /** How often the machine was started. */
  boot: number;
  /** Whose code is running. */
  current: Actor | undefined;
  /** What was done, for people; only of a schedule that is told. */
  trace: string[] | undefined;
}

/** One process. */
export interface Actor {
  name: string;
  pid: number;
  /** Differs after the machine was started anew. */
  boot: number;
  alive: boolean;
  /** It is not continued before this step. */
  pausedUntil: number;
  /** Milliseconds by which its clock is wrong. */
  skew: number;
  waiting: Turn[];
}

interface Turn {
  what: string;
  go: () => void;
  /** Not before, on the true clock. */
  due: bigint;
}

export const stage: Stage = {
  step: 0,
  clock: 0n,
  random: randomOf(0),
  actors: [],
  boot: 1,
  current: undefined,
  trace: undefined,
};

const EPOCH = 1_760_000_000_000_000_000n;

export function openStage(seed: number, traced: boolean): void {
  Object.assign(stage, {
    ...{ step: 0, clock: EPOCH, random: randomOf(seed), actors: [], boot: 1, current: undefined },
    trace: traced ? [] : undefined,
  });
}

export function enter(name: string): Actor {
  const { boot, actors } = stage;
  const actor: Actor = { name, pid: 100 + actors.length, boot, alive: true, pausedUntil: 0, skew: 0, waiting: [] };
  stage.actors.push(actor);
  return actor;
}

/** Its next turn never comes: no handler and no `finally` runs. */
export function kill(actor: Actor): void {
  actor.alive = false;
  actor.waiting = [];
}

export function note(text: string): void {
  stage.trace?.push(`${String(stage.step).padStart(4)} ${(stage.current?.name ?? "world").padEnd(9)} ${text}`);
}

/** Returns when it is the caller's turn. */
export function turn(what: string, delay = 0): Promise<void> {
  return new Promise((go) => later(what, go, delay));
}

/** Returns at once, but never to a process that is dead. */
export const alive = (): Promise<void> | undefined => (stage.current?.alive ? undefined : new Promise(() => undefined));

export function later(what: string, go: () => void, delay = 0): Turn | undefined {
  const actor = stage.current;
  // A finished schedule has left something behind.
  if (!actor?.alive) return undefined;
  const waiting: Turn = { what, go, due: delay > 0 ? stage.clock + BigInt(Math.ceil(delay * 1e6)) : 0n };
  actor.waiting.push(waiting);
  return waiting;
}

export function withdraw(waiting: Turn): void {
  for (const actor of stage.actors) {
    const index = actor.waiting.indexOf(waiting);
    if (index >= 0) actor.waiting.splice(index, 1);
  }
}

/** Starts an actor's work; it goes on with its turns. */
export function begin(actor: Actor, work: () => Promise<void>): void {
  actor.waiting.push({ what: "start", due: 0n, go: () => void work() });
}

const LIMIT = 20_000;

/** Plays until nobody has anything to do. `between` runs before each step. */
export async function play(between: () => void): Promise<void> {
  for (;;) {
    between();
    const next = choose();
    if (!next) return;
    stage.step += 1;
    // Nothing in a world is as quick as its clock is fine.
    stage.clock += 1_000n + BigInt(stage.random.below(1_000_000));
    stage.current = next.actor;
    next.turn.go();
    // All promises that are settled run before the next tick.
    await new Promise<void>(process.nextTick);
    stage.current = undefined;
    if (stage.step > LIMIT) throw new Error("the schedule does not end");
  }
}

function choose(): { actor: Actor; turn: Turn } | undefined {
  const waiting = stage.actors.filter((actor) => actor.alive && actor.waiting.length > 0);
  if (waiting.length === 0) return undefined;
  const awake = waiting.filter((actor) => actor.pausedUntil <= stage.step);
  const able = awake.length > 0 ? awake : waiting;
  const ready = able.filter((actor) => actor.waiting.some(isDue));
  if (ready.length > 0) {
    const actor = one(ready);
    return take(actor, one(actor.waiting.filter(isDue)));
  }
  // All wait for the time to pass.
  const actor = able.reduce((a, b) => (earliest(b).due < earliest(a).due ? b : a));
  const turn = earliest(actor);
  stage.clock = turn.due;
  return take(actor, turn);
}

const one = <T>(items: readonly T[]): T => (items.length === 1 ? items[0]! : stage.random.pick(items));

const isDue = ({ due }: Turn): boolean => due <= stage.clock;
const earliest = ({ waiting }: Actor): Turn => waiting.reduce((a, b) => (b.due < a.due ? b : a));

function take(actor: Actor, turn: Turn): { actor: Actor; turn: Turn } {
  actor.waiting.splice(actor.waiting.indexOf(turn), 1);
  return { actor, turn };
}
