import type { Catalog } from "../catalog/catalog.js";
import type { Config } from "../config/config.js";
import { address } from "../lib/key.js";
import { type Alike, NO_ALIKE, rulesOf } from "./alike.js";
import { findDrift, findDue, findLeftThere, findUnidentified, findWaiting } from "./attend.js";
import { type Evaluation, evaluate } from "./evaluate.js";
import { checkDeletes, proofOf, proveFloor, toCheck } from "./guard.js";
import { imagine, LATER } from "./imagine.js";
import { leadWith } from "./lead.js";
import { observe, PRESENT } from "./observe.js";
import type { Step } from "./order.js";
import type { Action, Blocked, Check, Plan, PlanFooter, PlanHeader } from "./plan.js";
import { recordDecisions } from "./record.js";
import { seal } from "./seal.js";
import { loadSites, type Site } from "./site.js";
import { selectActions } from "./target.js";

export interface PlanOptions {
  /** The one clock of the plan; milliseconds since the epoch. */
  now: number;
  /** stowage's own version. */
  version: string;
  /** The git commit of storage.yaml, for the reader. */
  commit?: string;
  /** Only actions of these rules, locations or `location:glob`s, and what they depend on. */
  target?: string[];
  exclude?: string[];
  /** The plan will be written to a file: see `seal`. */
  keepText?: boolean;
}

/**
 * Computes what to do so that the catalog's files are where the rules want them. Pure but for the catalog's work tables: the
 * same config, catalog and clock give the same plan, byte for byte. Never reads or writes a location.
 */
export async function plan(config: Config, catalog: Catalog, options: PlanOptions): Promise<Plan> {
  const sites = await loadSites(config, catalog);
  await observe(catalog, sites);
  const { target = [], exclude = [] } = options;
  const inSql = target.length + exclude.length === 0;
  const evaluation = await evaluate(catalog, config, sites, PRESENT, options.now, { inSql });
  const { alike, context } = evaluation;
  const { lead, steps } = await leadWith(catalog, evaluation);
  const blocked = [
    ...suspects(sites),
    ...(await findWaiting(catalog, config, sites)),
    ...(await findUnidentified(catalog, config)),
    ...evaluation.settlement.blocked,
  ];
  const kept = [...evaluation.settlement.kept, ...(await findLeftThere(catalog, config, sites))];
  const made = steps.map((step) => step.action);
  const due = await findDue(catalog, sites, options.now, made, alike);
  const converged = await converges(catalog, config, sites, evaluation, options.now);
  // After all that looks at instances: a catalog that is written may give its rows other numbers.
  await recordDecisions(catalog, config, { ...evaluation, steps }, blocked, sites);
  const { check, floor } = proveFloor(steps, context, alike.floor);
  const actions = selectActions([...made, ...due], config, { target, exclude });
  const checks = [check, checkDeletes(steps, alike, context), converged, capacityCheck(evaluation)];
  const footer: Omit<PlanFooter, "digest"> = {
    type: "end",
    summary: { ...count(actions, alike), blocked: blocked.length, kept: kept.length, ...totals(sites) },
    blocked: sorted(blocked),
    kept: sorted(kept),
    conflicts: evaluation.settlement.conflicts,
    drift: await findDrift(catalog, sites),
    checks,
    capacity: evaluation.forecast.capacity,
    proof: proofOf(context, floor, converged.status === "pass"),
  };
  const applyable = checks.every((each) => each.status !== "fail");
  return seal(headerOf(config, sites, options, applyable), actions, footer, { ...options, lead });
}

export function headerOf(
  config: Config,
  sites: readonly Site[],
  options: PlanOptions,
  applyable: boolean,
): Omit<PlanHeader, "plan_id"> {
  const at = new Date(options.now).toISOString();
  return {
    type: "plan",
    format_version: "1.0",
    stowage_version: options.version,
    config: { digest: config.digest, commit: options.commit ?? null },
    created_at: at,
    evaluated_at: at,
    plan_ttl: config.settings.planTtl,
    applyable,
    safety: { min_copies: config.safety.minCopies, verify: config.safety.verify, trash: config.safety.trash },
    scans: sites.map((site) => site.scan),
  };
}

/** One item for every location that can not be relied on (S14). */
function suspects(sites: readonly Site[]): Blocked[] {
  return sites.flatMap((site) =>
    site.suspect === undefined
      ? []
      : [{ address: address(site.name, ""), rule: "", code: "suspect", reason: site.suspect }],
  );
}

export function count(actions: readonly Action[], more: Pick<Alike, "kinds" | "bytes"> = NO_ALIKE) {
  const of = (kind: Action["kind"]) => actions.filter((action) => action.kind === kind).length + more.kinds[kind];
  return {
    copy: of("copy"),
    move: of("move"),
    delete: of("delete"),
    verify: of("verify"),
    bytes: actions.reduce((sum, action) => sum + action.bytes, more.bytes),
  };
}

export function totals(sites: readonly Site[]) {
  const used = sites.filter((site) => site.usable);
  return { files: used.reduce((sum, site) => sum + site.scan.files, 0), locations: used.length };
}

const sorted = <T extends { address: string; rule: string }>(entries: readonly T[]): T[] =>
  [...entries].sort((a, b) => compare(a.rule, b.rule) || compare(a.address, b.address));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * S12: planning again after the plan must give nothing to do. What this plan blocks and its own effects set free is left to
 * the next plan; that is said, and is no fight.
 */
async function converges(
  catalog: Catalog,
  config: Config,
  sites: readonly Site[],
  first: Evaluation,
  now: number,
): Promise<Check> {
  if (first.steps.length + first.alike.steps === 0) return toCheck("converges", []);
  await imagine(catalog, first, now);
  const used = new Map(first.forecast.capacity.map((each) => [each.location, each.after]));
  const later = sites.map((site) => ({ ...site, used: used.get(site.name) ?? site.used }));
  const again = await evaluate(catalog, config, later, LATER, now);
  const freed = freedSteps(again.steps, first.settlement.blockedContents);
  const fights = again.steps.filter((step) => !freed.has(step.action.id));
  if (fights.length === 0 && freed.size > 0) {
    const what = freed.size === 1 ? "1 action that is blocked now" : `${freed.size} actions that are blocked now`;
    return { name: "converges", status: "warn", problems: [`the next plan can do ${what}`] };
  }
  const problems: string[] = [];
  for (const { action } of fights.slice(0, 20)) problems.push(await describeFight(catalog, action, first));
  if (fights.length > problems.length) problems.push(`and ${fights.length - problems.length} more`);
  return toCheck("converges", problems);
}

/** The actions about contents that were blocked, and what they depend on. */
function freedSteps(steps: readonly Step[], blocked: ReadonlyMap<string, string>): Set<string> {
  const byId = new Map(steps.map((step) => [step.action.id, step]));
  const freed = new Set<string>();
  const queue = steps.filter((step) => blocked.has(step.content.sha256));
  for (const { action } of queue) {
    if (freed.has(action.id)) continue;
    freed.add(action.id);
    queue.push(...action.depends_on.map((id) => byId.get(id)!));
  }
  return freed;
}

async function describeFight(catalog: Catalog, action: Action, { steps, alike }: Evaluation): Promise<string> {
  const before = steps.filter((step) => step.action.content === action.content).map((step) => step.action.rule.name);
  if (alike.steps > 0) before.push(...(await rulesOf(catalog, action.content)));
  const names = [...new Set([...before, action.rule.name])].join(" and ");
  const to = action.to ? ` to ${address(action.to.location, action.to.key)}` : "";
  return `after this plan ${action.rule.name} would ${action.kind} ${address(action.from.location, action.from.key)}${to}: ${names} fight`;
}

function capacityCheck(evaluation: Evaluation): Check {
  const full = evaluation.settlement.blocked.filter((entry) => entry.code === "capacity");
  const over = evaluation.forecast.capacity.filter((each) => each.limit !== null && each.before > each.limit);
  const problems = over.map(
    (each) => `${each.location} holds ${each.before} bytes, more than its limit of ${each.limit}`,
  );
  if (full.length > 0)
    problems.unshift(
      `${full.length === 1 ? "1 file does" : `${full.length} files do`} not fit and stay where they are`,
    );
  return { name: "capacity", status: problems.length === 0 ? "pass" : "warn", problems };
}
