import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import type { Config, Rule } from "../config/config.js";
import { predicate } from "./match.js";
import type { Site } from "./site.js";

/**
 * The work tables of one evaluation:
 * - `work.<inst>`     every instance of every location that is not offline or retired; `loc` is the config order
 * - `work.facts`      the same as a view, with the values that matchers may ask for
 * - `work.decision`   per instance the first matching rule, the `continue` rules before it, the requirements it matches
 */
export async function observe(catalog: Catalog, sites: readonly Site[], table: string): Promise<void> {
  const seen = sites.filter((site) => site.location.status === "active" || site.location.status === "draining");
  const rows = seen.map((site) => sql`(${site.name}, ${site.order}, ${site.usable}, ${site.counted})`);
  const values =
    rows.length === 0
      ? raw("SELECT '' AS name, 0 AS loc, FALSE AS usable, FALSE AS counted WHERE FALSE")
      : sql`VALUES ${join(rows)}`;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.${name(table)} AS
    SELECT l.loc::INTEGER AS loc, f.location, f.key, f.norm_key, f.sha256, f.size, epoch_ns(f.mtime) AS mtime, f.accessed, f.version, f.physical,
      f.state, f.proof, f.archived, f.first_seen, f.last_verified, f.media_type, f.mime, f.project, f.attrs, f.tags, f.stars,
      l.usable AND f.state = 'present' AS usable,
      l.counted AND f.state = 'present' AND f.sha256 IS NOT NULL AND f.proof IS DISTINCT FROM 'claim' AS counted
    FROM file_locations f JOIN (${values}) l(name, loc, usable, counted) ON l.name = f.location
    WHERE f.state <> 'missing'`);
}

/**
 * The values that matchers see. Ages are milliseconds before `now`; `age` is that of the oldest instance of the content;
 * `copies` counts distinct locations, hard links across locations once.
 */
export async function prepareFacts(catalog: Catalog, table: string, now: number): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.per_content AS
    SELECT sha256, min(mtime) AS oldest, count(DISTINCT loc) FILTER (WHERE counted) AS locations,
      count(DISTINCT coalesce(physical, location || ':')) FILTER (WHERE counted) AS stored
    FROM work.${name(table)} WHERE sha256 IS NOT NULL AND state = 'present' GROUP BY sha256`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.clock AS SELECT ${now}::DOUBLE AS now`);
  await catalog.run(sql`CREATE OR REPLACE VIEW work.facts AS
    SELECT i.rowid AS iid, i.loc, i.location, i.key, i.norm_key, i.sha256, i.size, i.media_type, i.mime, i.project, i.attrs, i.tags, i.stars, i.proof, i.archived, i.usable,
      k.now - coalesce(c.oldest, i.mtime) / 1e6 AS age,
      k.now - epoch_ms(i.first_seen) AS age_here,
      k.now - epoch_ms(i.last_verified) AS verified,
      i.mtime / 1e6 AS modified, epoch_ms(i.accessed) AS accessed,
      least(c.locations, c.stored) AS copies
    FROM work.${name(table)} i CROSS JOIN work.clock k LEFT JOIN work.per_content c ON c.sha256 = i.sha256`);
}

/** Fills `work.decision` for all usable instances: S4, first match wins, `continue` adds. */
export async function decide(catalog: Catalog, config: Config): Promise<void> {
  const firsts = config.rules.map((rule, index) => ({ rule, index })).filter(({ rule }) => !rule.continue);
  const adds = config.rules.map((rule, index) => ({ rule, index })).filter(({ rule }) => rule.continue);
  const first = firsts.length === 0 ? raw("NULL::INTEGER") : sql`CASE ${join(firsts.map(whenMatch), " ")} END`;
  const flags = adds.map(({ rule, index }) => sql`, ${predicate(rule.match)} AS ${name(`add${index}`)}`);
  const needs = config.require.map((need, index) => sql`CASE WHEN ${predicate(need.match)} THEN ${index}::INTEGER END`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.decision AS
    SELECT iid, loc, sha256, "first", ${addsSql(adds)} AS more, needs FROM (
      SELECT iid, loc, sha256, ${first} AS "first"${join(flags, "")}, ${listOf(needs)} AS needs FROM work.facts WHERE usable
    )`);
}

const whenMatch = ({ rule, index }: { rule: Rule; index: number }): Sql =>
  sql`WHEN ${predicate(rule.match)} THEN ${index}::INTEGER`;

function addsSql(adds: { index: number }[]): Sql {
  return listOf(
    adds.map(
      ({ index }) =>
        sql`CASE WHEN ${name(`add${index}`)} AND coalesce("first" > ${index}, TRUE) THEN ${index}::INTEGER END`,
    ),
  );
}

const listOf = (items: Sql[]): Sql =>
  items.length === 0 ? raw("NULL::INTEGER[]") : sql`list_filter([${join(items)}], lambda x: x IS NOT NULL)`;
