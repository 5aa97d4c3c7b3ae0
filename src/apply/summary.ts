import { ExitCode } from "../lib/error.js";
import type { Action } from "../plan/plan.js";
import type { Over } from "./budget.js";
import type { Outcome, OutcomeKind, RunReport, RunStatus } from "./events.js";
import type { Run } from "./run.js";

/** What a run did, in figures. */
export function summarize(
  run: Run,
  facts: {
    started: number;
    finished: number;
    outcomes: Outcome[];
    remaining: Action[];
    stopped: boolean;
    over?: Over | undefined;
  },
): RunReport {
  const { started, finished, outcomes, remaining, stopped, over } = facts;
  const count = (kind: OutcomeKind) => outcomes.filter(({ outcome }) => outcome === kind).length;
  const [failed, skipped] = [count("failed"), count("skipped")];
  const rot = outcomes.some((outcome) => outcome.rot.length > 0);
  const status = statusOf({
    interrupted: (stopped && remaining.length > 0) || outcomes.some(({ code }) => code === "ABORTED"),
    budget: over !== undefined && remaining.length > 0,
    waiting: remaining.length > 0,
    rot,
    incomplete: failed + skipped > 0,
  });
  return {
    run: run.id,
    plan_id: run.plan.header.plan_id,
    status,
    started,
    finished,
    copied: count("copied"),
    moved: count("moved"),
    deleted: count("deleted"),
    verified: count("verified"),
    failed,
    skipped,
    remaining: remaining.length,
    ...(remaining.length > 0 && { remaining_bytes: remaining.reduce((sum, action) => sum + action.bytes, 0) }),
    ...(status === "budget" && over && { budget: over }),
    ...(status === "waiting" && { opens: opensOf(run, remaining, finished) }),
    bytes: outcomes.reduce((sum, { bytes }) => sum + bytes, 0),
    exit: (status === "waiting" || status === "budget") && rot ? ExitCode.integrity : EXIT[status],
    outcomes,
    present: [...run.proven.values()],
  };
}

function statusOf(found: Record<"interrupted" | "budget" | "waiting" | "rot" | "incomplete", boolean>): RunStatus {
  if (found.interrupted) return "interrupted";
  if (found.budget) return "budget";
  if (found.waiting) return "waiting";
  if (found.rot) return "corrupt";
  return found.incomplete ? "incomplete" : "complete";
}

/** The closed locations for which actions wait, and when each opens. */
function opensOf(run: Run, remaining: readonly Action[], now: number): { location: string; at: number }[] {
  const opens = new Map<string, number>();
  for (const action of remaining) {
    const location = run.gate.heldBy(action);
    if (location === undefined || opens.has(location)) continue;
    const standing = run.gate.standing(location);
    if (standing.is === "closed") opens.set(location, now + standing.ms);
  }
  return [...opens].map(([location, at]) => ({ location, at }));
}

const EXIT: Record<RunStatus, number> = {
  complete: ExitCode.ok,
  incomplete: ExitCode.incomplete,
  corrupt: ExitCode.integrity,
  interrupted: ExitCode.interrupted,
  waiting: ExitCode.incomplete,
  budget: ExitCode.budget,
};
