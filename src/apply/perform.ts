import type { Action, Ref } from "../plan/plan.js";
import type { Budget } from "./budget.js";
import type { Outcome } from "./events.js";
import { execute } from "./execute.js";
import { isLocal } from "./pace.js";
import { addressOf, type Run } from "./run.js";
import { type Ended, schedule } from "./schedule.js";

export interface PerformOptions {
  concurrency: number;
  stopped: () => boolean;
  /** See `ScheduleOptions`. */
  abandon?: () => void;
  budget?: Budget | undefined;
  /** Actions that earlier runs of the plan have done. Under a budget they come last, and are not missed when it ends before. */
  done?: ReadonlySet<string>;
}

/** Executes what the gate lets through and the budget has room for; `remaining` was not started, or is to be started again. */
export async function perform(
  run: Run,
  options: PerformOptions,
): Promise<{ outcomes: Outcome[]; remaining: Action[] }> {
  const outcomes: Outcome[] = [];
  /** Started before, when a location stopped answering; with the damage that was found then. */
  const putOff = new Map<string, Ref[]>();

  async function once(action: Action, unmet: readonly string[]): Promise<Ended> {
    if (!putOff.has(action.id)) run.emit({ type: "action-start", action });
    const outcome = await outcomeOf(run, action, unmet);
    options.budget?.ended(action, outcome.bytes);
    const before = putOff.get(action.id) ?? [];
    if (outcome.rot.length + before.length > 0)
      outcome.rot = [...new Map([...before, ...outcome.rot].map((ref) => [addressOf(ref), ref])).values()];
    if (outcome.code !== "UNAVAILABLE") run.gate.answered(action);
    const location = restingFor(run, action, outcome);
    if (location !== undefined && !options.stopped()) {
      putOff.set(action.id, outcome.rot);
      return "again";
    }
    run.journal.append({ type: "done", at: run.now(), outcome });
    outcomes.push(outcome);
    run.emit({ type: "action-done", action, outcome });
    return outcome.outcome !== "failed" && outcome.outcome !== "skipped";
  }

  const { actions } = run.plan;
  const { budget, done = new Set() } = options;
  const isDone = ({ id }: Action) => done.has(id);
  const order = budget ? [...actions.filter((action) => !isDone(action)), ...actions.filter(isDone)] : actions;
  const share = (action: Action) => shareOf(run, action);
  const left = await schedule(order, { ...options, share, gate: run.gate }, once);
  return { outcomes, remaining: budget?.over() ? left.filter((action) => !isDone(action)) : left };
}

async function outcomeOf(run: Run, action: Action, unmet: readonly string[]): Promise<Outcome> {
  if (unmet.length > 0) {
    return nothingDone(action, "skipped", "DEPENDENCY", `it needs ${unmet.join(", ")}, which did not succeed`);
  }
  const lost = isDestructive(action) ? run.lease?.lost() : undefined;
  if (lost !== undefined) return nothingDone(action, "skipped", "LOCK_LOST", `the shared lock was lost: ${lost}`);
  const dead = run.gate.givenUp(action);
  if (dead !== undefined)
    return nothingDone(action, "failed", "UNAVAILABLE", `${dead} does not answer, and was given up`);
  return await execute(run, action);
}

/** The largest file that is soon moved: the disk takes longer to make it durable. */
const SMALL = 1 << 20;
/** The largest of which many may be held in memory. */
const TINY = 1 << 18;

/**
 * Small files mostly wait: on this machine for the disk, many of them together; with a store, which bounds its requests by itself, until they are
 * read, or noted, while others are on their way.
 */
function shareOf(run: Run, { size, from, to, witnesses }: Action): number {
  const places = [from, ...(to ? [to] : []), ...witnesses].map(({ location }) => location);
  const here = (location: string) => isLocal(run, location);
  if (size <= SMALL && places.every(here)) return 1 / 64;
  const bounded = (location: string) => here(location) || run.backends.get(location)?.resilient === true;
  return size <= TINY && places.every(bounded) ? 1 / 8 : 1;
}

/** It removes something in the end, so without the lock it is not begun. */
const isDestructive = ({ kind, reason }: Action): boolean =>
  kind === "move" || kind === "delete" || reason === "repair";

/** The location that failed the action, when it only rests: the action finds what it has done, and goes on from there. */
function restingFor(run: Run, action: Action, { code }: Outcome): string | undefined {
  if (code !== "UNAVAILABLE" && code !== "TOO_FEW_COPIES") return undefined;
  const location = run.gate.heldBy(action);
  return location !== undefined && run.gate.standing(location).is === "rests" ? location : undefined;
}

const nothingDone = ({ id, kind }: Action, outcome: Outcome["outcome"], code: string, message: string): Outcome => ({
  action: id,
  kind,
  outcome,
  code,
  message,
  present: [],
  removed: [],
  rot: [],
  bytes: 0,
});
