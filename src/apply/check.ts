import { ExitCode, StowageError } from "../lib/error.js";
import { canonicalJson } from "../lib/json.js";
import type { Action, Plan } from "../plan/plan.js";
import { leavesOpen } from "./events.js";
import type { RemovalIntent } from "./journal.js";
import { untouched } from "./journal-lines.js";
import { type OnDamage, readHeader, readRemovals, runIds } from "./journal-read.js";

/** What earlier runs of the same plan left open: their removals, so that the versions they changed are known. */
export interface Earlier {
  removals: RemovalIntent[];
  /** Ids of the actions that succeeded. */
  done: Set<string>;
  /** There were any. */
  begun: boolean;
}

export interface CheckOptions {
  state: string;
  configDigest: string;
  safety?: Plan["header"]["safety"];
  mayEndContents?: ReadonlySet<string>;
  now: number;
  onDamage?: OnDamage;
}

/** S17, but for the world itself. @throws `PLAN_BLOCKED` (3), `PLAN_STALE`, `PLAN_EDITED`, `PLAN_EXPIRED`, `PLAN_APPLIED` (5) */
export async function checkPlan(plan: Plan, options: CheckOptions): Promise<Earlier> {
  requireCurrent(plan, options);
  return await requireOpen(plan.header, options);
}

const again = "Run `stowage plan` again.";

function requireCurrent({ header, actions }: Plan, options: CheckOptions): void {
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
    throw edited("this plan has another idea of safety than storage.yaml");
  }
  const wrong = actions.find((action) => !isOwnersWord(action, options));
  if (wrong) throw edited(`${wrong.id} removes without a witness, and nothing in storage.yaml allows that`);
  if (options.now - Date.parse(header.created_at) > header.plan_ttl) {
    throw new StowageError("PLAN_EXPIRED", `this plan is of ${header.created_at} and too old to be applied`, {
      hint: again,
      exit: ExitCode.stale,
    });
  }
}

const edited = (fact: string): StowageError =>
  new StowageError("PLAN_EDITED", fact, {
    hint: "Somebody has changed the plan. Make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });

/** The two exceptions to I1 are the owner's word: `allow_last_copy` on the rule, and a conflict loser, which needs a trash to lie in. */
function isOwnersWord({ kind, reason, rule, required }: Action, { safety, mayEndContents }: CheckOptions): boolean {
  if (kind !== "delete" || required > 0) return true;
  if (reason === "conflict") return safety === undefined || safety.trash > 0;
  return mayEndContents === undefined || mayEndContents.has(rule.name);
}

async function requireOpen(header: Plan["header"], options: CheckOptions): Promise<Earlier> {
  const removals: RemovalIntent[] = [];
  const done = new Set<string>();
  let begun = false;
  for (const run of await runIds(options.state)) {
    const found = untouched();
    const known = await readHeader(options.state, run, found);
    if (found.damage) options.onDamage?.(run, found.damage);
    if (known?.plan_id !== header.plan_id) continue;
    begun = true;
    const before = await readRemovals(options.state, run);
    if (before.damage) options.onDamage?.(run, before.damage);
    removals.push(...before.removals);
    for (const id of before.done) done.add(id);
    if (before.end === undefined || leavesOpen(before.end.report.status)) continue;
    throw new StowageError("PLAN_APPLIED", `this plan was applied before, by run ${run}`, {
      hint: again,
      exit: ExitCode.stale,
    });
  }
  return { removals, done, begun };
}
