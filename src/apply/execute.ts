import { codeOf, StowageError } from "../lib/error.js";
import type { Action, Target } from "../plan/plan.js";
import type { Outcome, OutcomeKind } from "./events.js";
import { assertInvariant } from "./invariant.js";
import { at, expected, holdsContent, noteRot, source } from "./observe.js";
import { whyOf } from "./redact.js";
import { removeInstance } from "./removal.js";
import { repair } from "./repair.js";
import { backendOf, type Run, sha256Of, type Task } from "./run.js";
import { ensureAt, ensureLooking, sentUnseen } from "./transfer.js";

/**
 * Executes one action. Goes on from what is true of the world, so an action that was done before, in
 * part or whole, comes out the same. Never throws but for a journal that can not be written: what went wrong is the outcome.
 */
export async function execute(run: Run, action: Action): Promise<Outcome> {
  const outcome: Outcome = {
    action: action.id,
    kind: action.kind,
    outcome: "skipped",
    present: [],
    removed: [],
    rot: [],
    bytes: 0,
  };
  const task: Task = { run, action, sha256: sha256Of(action), outcome, closed: closedFor(run, action) };
  try {
    outcome.outcome = await perform(task);
  } catch (error) {
    if (codeOf(error) === "JOURNAL_FAILED") throw error;
    const why = whyOf(error);
    Object.assign(outcome, why);
    outcome.outcome = SKIPS.has(why.code) ? "skipped" : "failed";
  }
  return outcome;
}

function closedFor({ gate }: Run, { from, witnesses }: Action): ReadonlySet<string> {
  if (gate.free()) return NONE;
  const locations = [from, ...witnesses].map(({ location }) => location);
  return new Set(locations.filter((location) => gate.standing(location).is === "closed"));
}

const NONE: ReadonlySet<string> = new Set();

/** The world is not as the plan expects it; nothing went wrong. */
const SKIPS = new Set([
  "PRECONDITION",
  "NOT_FOUND",
  "LOCATION_SUSPECT",
  "TOO_FEW_COPIES",
  "NO_TRASH",
  "SAME_STORAGE",
  "ARCHIVED",
  "APPEND_ONLY",
  "LOCK_LOST",
  "ABORTED",
]);

async function perform(task: Task): Promise<OutcomeKind> {
  const { action, run } = task;
  switch (action.kind) {
    case "copy":
      if (action.reason === "repair") await repair(task, target(action));
      else await ensureAt(task, target(action));
      return "copied";
    case "move":
      await move(task, target(action));
      return "moved";
    case "delete":
      await remove(task);
      return "deleted";
    case "verify":
      await run.health.require(action.from.location);
      await verify(task);
      return "verified";
  }
}

function target(action: Action): Target {
  if (action.to) return action.to;
  throw new StowageError("PLAN_INVALID", `${action.id} has no destination`);
}

/** Copy, prove, and only then let the source go. A source that is gone already was moved before, if the target proves it. */
async function move(task: Task, to: Target): Promise<void> {
  const { run, action } = task;
  assertInvariant(action.required >= 1, "I1", `the move of ${at(action.from)} asks for no other copy`);
  await run.health.require(action.from.location);
  if (!(await sentUnseen(task, to))) {
    if (await source(task)) await ensureLooking(task, to);
    else await requireAt(task, to);
  }
  await removeInstance(task, { trash: false });
}

async function requireAt(task: Task, to: Target): Promise<void> {
  const { run, action } = task;
  await run.health.require(to.location);
  const there = await backendOf(run, to.location).stat(to.key);
  if (there && (await holdsContent(task, to.location, there, "checksum"))) return;
  throw new StowageError("NOT_FOUND", `${at(action.from)} is gone, and ${at(to)} does not hold its content`, {
    hint: "Run `stowage scan`; `stowage history` shows what earlier runs did.",
  });
}

async function remove(task: Task): Promise<void> {
  const { run, action } = task;
  const trash = run.plan.header.safety.trash > 0;
  if (action.reason === "conflict" && !trash) {
    throw new StowageError("NO_TRASH", `${at(action.from)} lost a conflict, but there is no trash to keep it`, {
      hint: "Set `safety.trash` to more than 0, or resolve the conflict by hand.",
    });
  }
  await removeInstance(task, { trash });
}

async function verify(task: Task): Promise<void> {
  const { action } = task;
  const entry = await expected(task, action.from);
  if (!entry) {
    throw new StowageError("NOT_FOUND", `${at(action.from)} is gone`, { hint: "Run `stowage scan` and plan again." });
  }
  if (!(await holdsContent(task, action.from.location, entry, "content"))) throw noteRot(task, action.from);
}
