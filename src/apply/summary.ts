import { ExitCode } from "../lib/error.js";
import type { Action } from "../plan/plan.js";
import type { Outcome, OutcomeKind, RunReport, RunStatus } from "./events.js";
import type { Run } from "./run.js";

/** What a run did, in figures. */
export function summarize(
  run: Run,
  facts: { started: number; finished: number; outcomes: Outcome[]; remaining: Action[]; stopped: boolean },
): RunReport {
  const { started, finished, outcomes, remaining, stopped } = facts;
  const count = (kind: OutcomeKind) => outcomes.filter(({ outcome }) => outcome === kind).length;
  const [failed, skipped] = [count("failed"), count("skipped")];
  const rot = outcomes.some((outcome) => outcome.rot.length > 0);
  const status = statusOf({
    interrupted: (stopped && remaining.length > 0) || outcomes.some(({ code }) => code === "ABORTED"),
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
    ...(status === "waiting" && { opens: opensOf(run, remaining, finished) }),
    bytes: outcomes.reduce((sum, { bytes }) => sum + bytes, 0),
    exit: status === "waiting" && rot ? ExitCode.integrity : EXIT[status],
    outcomes,
    present: [...run.proven.values()],
  };
}

function statusOf(found: { interrupted: boolean; waiting: boolean; rot: boolean; incomplete: boolean }): RunStatus {
  if (found.interrupted) return "interrupted";
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
};
