import type { Catalog } from "../catalog/catalog.js";
import { instant, join, type Sql, sql } from "../catalog/sql.js";
import type { Config } from "../config/config.js";
import { address } from "../lib/key.js";
import { type Alike, goneSql } from "./alike.js";
import type { Action, Blocked, Drift, Kept } from "./plan.js";
import { isHome, isSource } from "./select.js";
import type { Site } from "./site.js";

/** What is at hand besides the rules: reads that are due, drift, files that can not be planned for. */

/**
 * One `verify` action for every instance whose last full read is older than its location's cadence. What this plan takes
 * away is not read, nor what would have to be restored.
 * @param alike what else comes before these
 */
export async function findDue(
  catalog: Catalog,
  sites: readonly Site[],
  now: number,
  actions: readonly Action[],
  alike: Alike,
): Promise<Action[]> {
  const cadences = sites.flatMap(({ usable, order, location: { verify } }) =>
    usable && verify ? [sql`(${order}::INTEGER, ${instant(now - verify.every)})`] : [],
  );
  if (cadences.length === 0) return [];
  const going = new Set(
    actions.filter((action) => action.kind !== "copy").map((action) => address(action.from.location, action.from.key)),
  );
  const rows = await catalog.rows(sql<{
    loc: number;
    key: string;
    sha256: string;
    size: number;
    version: string;
    copies: number;
  }>`
    SELECT i.loc, i.key, i.sha256, i.size, i.version, c.copies
    FROM work.inst i JOIN (VALUES ${join(cadences)}) v(loc, before) ON v.loc = i.loc JOIN work.per_content c ON c.cid = i.cid
    WHERE i.usable AND i.archived IS NULL AND (i.last_verified IS NULL OR i.last_verified <= v.before) AND i.iid NOT IN (${goneSql(alike)}) ORDER BY i.loc, i.key`);
  const before = actions.length + alike.steps;
  const due = rows.filter((row) => !going.has(address(sites[row.loc]!.name, row.key)));
  return due.map((row, index) => {
    const site = sites[row.loc]!;
    return {
      type: "action",
      id: `a${before + index + 1}`,
      kind: "verify",
      rule: { name: "verify", line: site.location.line },
      reason: "due",
      content: `sha256:${row.sha256}`,
      size: row.size,
      from: { location: site.name, key: row.key, version: row.version },
      to: null,
      witnesses: [],
      depends_on: [],
      copies: { before: row.copies, after: row.copies },
      required: 0,
      bytes: 0,
    };
  });
}

/** Files that went or rotted without stowage's doing: reported, never mirrored (S10). */
export async function findDrift(catalog: Catalog, sites: readonly Site[]): Promise<Drift[]> {
  const names = sites.filter((site) => site.usable).map((site) => sql`${site.name}`);
  if (names.length === 0) return [];
  const rows = await catalog.rows(sql<{ location: string; key: string; state: string; last_seen: number }>`
    SELECT location, key, state, last_seen FROM file_locations
    WHERE state IN ('missing', 'rot') AND location IN (${join(names)}) ORDER BY location, key`);
  return rows.map((row) => ({
    address: address(row.location, row.key),
    kind: row.state === "rot" ? "rot" : "missing",
    detail:
      row.state === "rot"
        ? "its bytes have changed although its version has not: run `stowage verify --repair -o FILE`"
        : `gone since it was seen at ${new Date(row.last_seen).toISOString()}`,
  }));
}

/** S1: a file whose content is not known can not be planned for. */
export async function findUnidentified(catalog: Catalog, config: Config): Promise<Blocked[]> {
  const active = config.rules.flatMap((rule, index) => (rule.action === "keep" ? [] : [index]));
  const rows = await catalog.rows(sql<{ location: string; key: string; first: number | null; more: number[] | null }>`
    SELECT i.location, i.key, d."first", d.more FROM work.decision d JOIN work.inst i ON i.iid = d.iid
    WHERE d.cid IS NULL ORDER BY i.loc, i.key`);
  return rows.flatMap((row) => {
    const index = [...(row.more ?? []), ...(row.first === null ? [] : [row.first])].find((each) =>
      active.includes(each),
    );
    const byDefault = row.first === null && config.default !== undefined && config.default.location !== row.location;
    const rule = index === undefined ? (byDefault ? "default" : undefined) : config.rules[index]?.name;
    if (rule === undefined) return [];
    const reason = "its content is not known: run `stowage scan --hash all` and look at what it reports";
    return [{ address: address(row.location, row.key), rule, code: "unidentified", reason }];
  });
}

/**
 * Rules that want something of a location which can not be had now: one item for each rule and location, however many
 * files wait.
 */
export async function findWaiting(catalog: Catalog, config: Config, sites: readonly Site[]): Promise<Blocked[]> {
  const blocked: Blocked[] = [];
  for (const site of sites.filter((each) => each.suspect === undefined)) {
    if (site.unavailable) blocked.push(...(await waitingFor(catalog, config, site, site.unavailable)));
    if (site.usable && !site.removable) blocked.push(...(await stuckIn(catalog, config, site)));
  }
  return blocked;
}

/** A file of known content, and which rules decide on it. */
export interface Decided {
  at: string;
  sha256: string;
  first: number | null;
  more: readonly number[];
}

/**
 * Destinations of one file that can not be had now, and where it is not known to be. What was there before a location went
 * away holds nothing: it may be gone by now.
 */
export async function findAwaited(
  catalog: Catalog,
  config: Config,
  sites: readonly Site[],
  { at, sha256, first, more }: Decided,
): Promise<Blocked[]> {
  const rows = await catalog.rows(sql<{ location: string }>`
    SELECT DISTINCT location FROM file_locations WHERE sha256 = ${sha256} AND state = 'present'`);
  const seen = sites.filter((site) => rows.some(({ location }) => location === site.name));
  const rules = [...more, ...(first === null ? [] : [first])].map((index) => config.rules[index]!);
  const wants = rules.map(({ name, destination }) => ({ name, destination }));
  const housed = seen.some((site) => site.counted && isHome(site));
  if (first === null && config.default && !housed)
    wants.push({ name: "default", destination: [config.default.location] });
  return wants.flatMap(({ name, destination }) =>
    sites.flatMap((site) => {
      if (!destination.includes(site.name) || !site.unavailable) return [];
      if (site.usable && seen.includes(site)) return [];
      const where = seen.includes(site) ? `${site.name}, where it was when that was last scanned` : site.name;
      const { code, reason } = site.unavailable;
      return [{ address: at, rule: name, code, reason: `it waits for ${where}: ${reason}` }];
    }),
  );
}

async function waitingFor(
  catalog: Catalog,
  config: Config,
  site: Site,
  why: { code: string; reason: string },
): Promise<Blocked[]> {
  const blocked: Blocked[] = [];
  for (const [index, rule] of config.rules.entries()) {
    if (!rule.destination.includes(site.name)) continue;
    const files = await countWaiting(catalog, site, sql`d."first" = ${index} OR list_contains(d.more, ${index})`);
    if (files > 0) blocked.push(waiting(site, rule.name, why, `${files} files wait for it`));
  }
  if (config.default?.location !== site.name) return blocked;
  const files = await countWaiting(catalog, site, sql`d."first" IS NULL`);
  return files > 0 ? [...blocked, waiting(site, "default", why, `${files} files may wait for it`)] : blocked;
}

async function stuckIn(catalog: Catalog, config: Config, site: Site): Promise<Blocked[]> {
  const blocked: Blocked[] = [];
  for (const [index, rule] of config.rules.entries()) {
    if (!rule.from?.includes(site.name)) continue;
    const files = await countStuck(catalog, site, index);
    const why = site.stuck ?? { code: "source-read-only", reason: `${site.name} is read_only` };
    if (files > 0) blocked.push(waiting(site, rule.name, why, `${files} files stay there`));
  }
  return blocked;
}

/** Locations that would be emptied by default and let nothing go: said once for each rule. */
export async function findLeftThere(catalog: Catalog, config: Config, sites: readonly Site[]): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const site of sites) {
    if (!site.usable || site.location.readOnly || !site.stuck) continue;
    for (const [index, rule] of config.rules.entries()) {
      const files = rule.from || !isSource(rule, site) ? 0 : await countStuck(catalog, site, index);
      if (files > 0) kept.push(waiting(site, rule.name, site.stuck, `${files} files stay there`));
    }
  }
  return kept;
}

const waiting = (site: Site, rule: string, why: { code: string; reason: string }, files: string): Blocked => ({
  address: address(site.name, ""),
  rule,
  code: why.code,
  reason: `${why.reason}; ${files}`,
});

async function countWaiting(catalog: Catalog, site: Site, condition: Sql): Promise<number> {
  const row = await catalog.row(sql<{ files: number }>`
    SELECT count(DISTINCT d.cid) AS files FROM work.decision d
    WHERE d.cid IS NOT NULL AND (${condition})
      AND NOT EXISTS (SELECT 1 FROM work.decision i WHERE i.cid = d.cid AND i.loc = ${site.order})`);
  return row?.files ?? 0;
}

async function countStuck(catalog: Catalog, site: Site, index: number): Promise<number> {
  const row = await catalog.row(sql<{ files: number }>`
    SELECT count(*) AS files FROM work.decision d WHERE d.loc = ${site.order} AND d."first" = ${index}`);
  return row?.files ?? 0;
}
