import { ExitCode, StowageError } from "../lib/error.js";
import { canonicalJson } from "../lib/json.js";
import type { Plan, PlanHeader } from "../plan/plan.js";
import type { RunStatus } from "./events.js";
import type { RemovalIntent } from "./journal.js";
import { untouched } from "./journal-lines.js";
import { type OnDamage, readHeader, readRemovals, runIds } from "./journal-read.js";

/** What earlier runs of the same plan left open: their removals, so that the versions they changed are known. */
export interface Earlier {
  removals: RemovalIntent[];
  /** Ids of the actions that succeeded. */
  done: Set<string>;
}

/** A run that ended so left its plan open. */
const OPEN: ReadonlySet<RunStatus> = new Set<RunStatus>(["interrupted", "waiting", "budget"]);

export interface CheckOptions {
  state: string;
  configDigest: string;
  safety?: Plan["header"]["safety"];
  now: number;
  onDamage?: OnDamage;
}

/** S17, but for the world itself. @throws `PLAN_BLOCKED` (3), `PLAN_STALE`, `PLAN_EDITED`, `PLAN_EXPIRED`, `PLAN_APPLIED` (5) */
export async function checkPlan(plan: Plan, options: CheckOptions): Promise<Earlier> {
  const { header } = plan;
  requireCurrent(header, options);
  return await requireOpen(header, options);
}

const again = "Run `stowage plan` again.";

function requireCurrent(header: PlanHeader, options: CheckOptions): void {
  if (!header.applyable) {
    throw new StowageError("PLAN_BLOCKED", "this plan is not to be applied: it is blocked or a preview", {
      hint: "`stowage show` tells why.",
      exit: ExitCode.blocked,
    });
  }
  if (header.config.digest !== options.configDigest) {
    throw new StowageError("PLAN_STALE", "storage.yaml means something else than when this plan was made", {
      hint: again,
      exit: ExitCode.stale,
    });
  }
  // The digest of the configuration covers it: a plan that differs was not made from that configuration.
  if (options.safety && canonicalJson(options.safety) !== canonicalJson(header.safety)) {
    throw new StowageError("PLAN_EDITED", "this plan has another idea of safety than storage.yaml", {
      hint: "Somebody has changed it. Make it again with `stowage plan -o FILE`.",
      exit: ExitCode.stale,
    });
  }
  if (options.now - Date.parse(header.created_at) > header.plan_ttl) {
    throw new StowageError("PLAN_EXPIRED", `this plan is of ${header.created_at} and too old to be applied`, {
      hint: again,
      exit: ExitCode.stale,
    });
  }
}

async function requireOpen(header: PlanHeader, options: CheckOptions): Promise<Earlier> {
  const removals: RemovalIntent[] = [];
  const done = new Set<string>();
  for (const run of await runIds(options.state)) {
    const found = untouched();
    const known = await readHeader(options.state, run, found);
    if (found.damage) options.onDamage?.(run, found.damage);
    if (known?.plan_id !== header.plan_id) continue;
    const before = await readRemovals(options.state, run);
    if (before.damage) options.onDamage?.(run, before.damage);
    removals.push(...before.removals);
    for (const id of before.done) done.add(id);
    if (before.end === undefined || OPEN.has(before.end.report.status)) continue;
    throw new StowageError("PLAN_APPLIED", `this plan was applied before, by run ${run}`, {
      hint: again,
      exit: ExitCode.stale,
    });
  }
  return { removals, done };
}
