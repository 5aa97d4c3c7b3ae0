import type { Catalog } from "../catalog/catalog.js";
import { sql } from "../catalog/sql.js";
import type { Config } from "../config/config.js";
import { address } from "../lib/key.js";
import { findDrift } from "./attend.js";
import { proofOf } from "./guard.js";
import { listAuthors } from "./model.js";
import { observe } from "./observe.js";
import type { Action, Blocked, Plan } from "./plan.js";
import { count, headerOf, type PlanOptions, totals } from "./planner.js";
import { seal } from "./seal.js";
import { loadSites, type Site } from "./site.js";

interface DamagedRow {
  loc: number;
  location: string;
  key: string;
  sha256: string;
  size: number;
  version: string;
  source: string | null;
  archived: string | null;
  source_key: string | null;
  source_version: string | null;
  good: number;
}

/**
 * A plan that puts a good copy in the place of every file that `verify` found damaged (S13). The damaged file is moved into
 * the trash of its location when the plan is applied. A file of which no good copy is known is blocked and left alone.
 */
export async function repairPlan(config: Config, catalog: Catalog, options: PlanOptions): Promise<Plan> {
  const sites = await loadSites(config, catalog);
  await observe(catalog, sites);
  const rows = await catalog.rows(sql<DamagedRow>`
    WITH good AS (
      SELECT i.*, l.priority FROM work.inst i JOIN storage_locations l ON l.name = i.location WHERE i.usable AND i.sha256 IS NOT NULL
    ), counts AS (
      SELECT sha256, count(DISTINCT loc) FILTER (WHERE counted) AS good FROM good GROUP BY sha256
    )
    SELECT d.loc, d.location, d.key, d.sha256, d.size, d.version, g.location AS source, g.key AS source_key, g.version AS source_version, g.archived,
      coalesce(c.good, 0) AS good
    FROM work.inst d LEFT JOIN counts c ON c.sha256 = d.sha256 LEFT JOIN good g ON g.sha256 = d.sha256
    WHERE d.state = 'rot'
    QUALIFY row_number() OVER (PARTITION BY d.loc, d.key ORDER BY g.archived IS NOT NULL, g.proof IS NOT DISTINCT FROM 'claim', g.priority DESC, g.key = d.key DESC, g.loc, g.key) = 1
    ORDER BY d.loc, d.key`);
  const blocked: Blocked[] = [];
  const actions: Action[] = [];
  for (const row of rows) {
    const site = sites[row.loc]!;
    const problem = site.unavailable ?? site.stuck ?? unreadable(row);
    if (problem) blocked.push({ address: address(row.location, row.key), rule: "repair", ...problem });
    else actions.push(repairAction(row, site, `a${actions.length + 1}`));
  }
  const context = { config, sites, authors: listAuthors(config), full: new Set<string>(), failed: new Set<string>() };
  return seal(headerOf(config, sites, options, true), actions, {
    type: "end",
    summary: { ...count(actions), blocked: blocked.length, kept: 0, ...totals(sites) },
    blocked,
    kept: [],
    conflicts: [],
    drift: await findDrift(catalog, sites),
    checks: [],
    capacity: [],
    proof: proofOf(context, null, true),
  });
}

function unreadable({ source, source_key, archived }: DamagedRow): { code: string; reason: string } | undefined {
  if (source === null)
    return { code: "no-good-copy", reason: "no other copy of what it should be is known; restore it from a backup" };
  if (archived === null) return undefined;
  return { code: "archived", reason: `no good copy can be read now. ${source}:${source_key}: ${archived}` };
}

function repairAction(row: DamagedRow, site: Site, id: string): Action {
  return {
    type: "action",
    id,
    kind: "copy",
    rule: { name: "repair", line: site.location.line },
    reason: "repair",
    content: `sha256:${row.sha256}`,
    size: row.size,
    from: { location: row.source!, key: row.source_key!, version: row.source_version! },
    to: { location: row.location, key: row.key, expect: row.version },
    witnesses: [],
    depends_on: [],
    copies: { before: row.good, after: row.good + 1 },
    required: 0,
    bytes: row.size,
  };
}
