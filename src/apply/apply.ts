import type { Backend } from "../backend/backend.js";
import { retrying } from "../backend/retry.js";
import { ExitCode } from "../lib/error.js";
import type { Action, Plan } from "../plan/plan.js";
import { checkPlan, type Earlier } from "./check.js";
import type { ApplyEvent, Outcome, OutcomeKind, RunReport, RunStatus } from "./events.js";
import { execute } from "./execute.js";
import { checkHealth } from "./health.js";
import { type Journal, newRunId, openJournal } from "./journal.js";
import { acquireLock } from "./lock.js";
import { relinkedKey } from "./observe.js";
import { addressOf, exclusively, type Relinked, type Run, sha256Of } from "./run.js";
import { schedule } from "./schedule.js";

export interface ApplyOptions {
  /** Absolute path of the state directory. */
  state: string;
  /** Digest of the configuration as it is now. */
  configDigest: string;
  now: () => number;
  concurrency: number;
  /** Attempts after the first, for transient errors. */
  retries: number;
  /** Longest pause before the second attempt, in milliseconds. */
  pause?: number;
  /** Finish what is running, start nothing more. */
  signal?: AbortSignal;
  /** Break off what is running too; its temporaries are removed. */
  abort?: AbortSignal;
  onEvent?: (event: ApplyEvent) => void;
}

/**
 * Executes a plan. Decides nothing: what the world does not allow is skipped and said so. An error of one action is an
 * outcome, not an exception.
 * @throws `PLAN_BLOCKED` (exit 3), `PLAN_STALE`, `PLAN_EXPIRED`, `PLAN_APPLIED` (5), `LOCKED` (7), `JOURNAL_FAILED`
 */
export async function apply(
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
): Promise<RunReport> {
  const lock = await acquireLock(options.state, options.now());
  try {
    const earlier = await checkPlan(plan, { ...options, now: options.now() });
    return await runPlan(plan, backends, options, earlier);
  } finally {
    await lock.release();
  }
}

async function runPlan(
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
  earlier: Earlier,
): Promise<RunReport> {
  const { header, actions } = plan;
  const [started, emit] = [options.now(), options.onEvent ?? (() => undefined)];
  const id = newRunId(started);
  const locations = header.scans.map(({ location, uuid }) => ({ location, uuid }));
  const journal = await openJournal(options.state, {
    type: "run",
    run: id,
    plan_id: header.plan_id,
    config: header.config.digest,
    pid: process.pid,
    started,
    locations,
  });
  try {
    const run = await prepare(id, plan, backends, options, journal, earlier);
    const bytes = actions.reduce((sum, action) => sum + action.bytes, 0);
    emit({ type: "run-start", run: id, plan_id: header.plan_id, actions: actions.length, bytes, started });
    const { outcomes, remaining } = await perform(run, options);
    const report = summarize(run, { started, finished: options.now(), outcomes, remaining });
    const { outcomes: _, present: __, ...summary } = report;
    await journal.commit({ type: "end", at: report.finished, report: summary });
    emit({ type: "run-end", report });
    return report;
  } finally {
    for (const backend of backends.values()) await backend.tidy?.(id);
    await journal.close();
  }
}

async function prepare(
  id: string,
  plan: Plan,
  backends: ReadonlyMap<string, Backend>,
  options: ApplyOptions,
  journal: Journal,
  earlier: Earlier,
): Promise<Run> {
  const emit = options.onEvent ?? (() => undefined);
  const abort = options.abort ?? new AbortController().signal;
  const retries = {
    retries: options.retries,
    ...(options.pause !== undefined && { base: options.pause }),
    signal: abort,
    onRetry: (retry: Omit<Extract<ApplyEvent, { type: "retry" }>, "type">) => emit({ type: "retry", ...retry }),
  };
  const wrapped = new Map([...backends].map(([name, backend]) => [name, retrying(backend, retries)]));
  return {
    id,
    plan,
    backends: wrapped,
    journal,
    health: await checkHealth(plan.header.scans, wrapped),
    retries,
    now: options.now,
    emit,
    abort,
    proven: new Map(),
    relinked: relinkedBefore(earlier),
    arrivals: new Map(plan.actions.flatMap((action) => (action.to ? [[addressOf(action.to), sha256Of(action)]] : []))),
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

async function perform(run: Run, options: ApplyOptions): Promise<{ outcomes: Outcome[]; remaining: Action[] }> {
  const outcomes: Outcome[] = [];
  const stopped = () => (options.signal?.aborted ?? false) || run.abort.aborted;
  const remaining = await schedule(
    run.plan.actions,
    { concurrency: options.concurrency, stopped },
    async (action, unmet) => {
      run.emit({ type: "action-start", action });
      const outcome = unmet.length > 0 ? unmetOutcome(action, unmet) : await execute(run, action);
      run.journal.append({ type: "done", at: run.now(), outcome });
      outcomes.push(outcome);
      run.emit({ type: "action-done", action, outcome });
      return outcome.outcome !== "failed" && outcome.outcome !== "skipped";
    },
  );
  return { outcomes, remaining };
}

const unmetOutcome = ({ id, kind }: Action, unmet: readonly string[]): Outcome => ({
  action: id,
  kind,
  outcome: "skipped",
  code: "DEPENDENCY",
  message: `it needs ${unmet.join(", ")}, which did not succeed`,
  present: [],
  removed: [],
  rot: [],
  bytes: 0,
});

function summarize(
  run: Run,
  facts: { started: number; finished: number; outcomes: Outcome[]; remaining: Action[] },
): RunReport {
  const { started, finished, outcomes, remaining } = facts;
  const count = (kind: OutcomeKind) => outcomes.filter(({ outcome }) => outcome === kind).length;
  const [failed, skipped] = [count("failed"), count("skipped")];
  const broken = outcomes.some(({ code }) => code === "ABORTED");
  const status = statusOf({
    interrupted: remaining.length > 0 || broken,
    rot: outcomes.some(({ rot }) => rot.length > 0),
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
    bytes: outcomes.reduce((sum, { bytes }) => sum + bytes, 0),
    exit: EXIT[status],
    outcomes,
    present: [...run.proven.values()],
  };
}

function statusOf(found: { interrupted: boolean; rot: boolean; incomplete: boolean }): RunStatus {
  if (found.interrupted) return "interrupted";
  if (found.rot) return "corrupt";
  return found.incomplete ? "incomplete" : "complete";
}

const EXIT: Record<RunStatus, number> = {
  complete: ExitCode.ok,
  incomplete: ExitCode.incomplete,
  corrupt: ExitCode.integrity,
  interrupted: ExitCode.interrupted,
};
