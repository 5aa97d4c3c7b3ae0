import type { Catalog } from "../catalog/catalog.js";
import { column, join, name, packed, raw, type Sql, sql } from "../catalog/sql.js";
import type { Config, Rule } from "../config/config.js";
import { groupBy } from "../lib/iter.js";
import { countCopies } from "./copies.js";
import { condition, predicate } from "./match.js";
import { type Answer, askOnce } from "./once.js";
import type { Site } from "./site.js";

/**
 * The work tables of one evaluation. `iid` is an instance's number; `cid` its content's: half of the hash, which no two contents share unless somebody
 * spends 2^64 tries on it, and who does gains nothing: what goes and what vouches is decided over whole hashes.
 */
export interface World {
  /** Every instance of every location that is not offline or retired; `loc` is the config order. */
  instances: string;
  /** Those that are evaluated: all of them, or the instances of contents that are not as they were in another world. */
  evaluated: string;
  /** Per content what matchers ask of all its instances. */
  contents: string;
  /** The evaluated instances with the values that matchers may ask for. */
  facts: string;
  /** Per evaluated instance the first matching rule, the `continue` rules before it, the requirements it matches. */
  judged: string;
  /** The same for every usable instance. */
  decision: string;
  /** The instances of the contents that were looked at one by one. */
  loaded: string;
}

/** As the catalog has it. */
export const PRESENT: World = {
  ...{ instances: "inst", evaluated: "inst", contents: "per_content", facts: "facts" },
  ...{ judged: "decision", decision: "decision", loaded: "loaded" },
};

/** The content's number. Short texts are no hashes, and only tests have them. */
export const contentId = (sha256: Sql): Sql => sql`CAST(left(${sha256}, 32) AS UUID)`;

/**
 * Makes `work.inst`: a view of the catalog's instances, so that nothing is copied. `iid` is where a row lies: once anything is written into the catalog,
 * DuckDB may have put its rows elsewhere, and what was made from the view belongs to other files.
 */
export async function observe(catalog: Catalog, sites: readonly Site[]): Promise<void> {
  const seen = sites.filter((site) => site.location.status === "active" || site.location.status === "draining");
  const rows = seen.map((site) => sql`(${site.name}, ${site.order}, ${site.usable}, ${site.counted})`);
  const values =
    rows.length === 0
      ? raw("SELECT '' AS name, 0 AS loc, FALSE AS usable, FALSE AS counted WHERE FALSE")
      : sql`VALUES ${join(rows)}`;
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.sites AS SELECT name, loc::INTEGER AS loc, usable, counted FROM (${values}) s(name, loc, usable, counted)`,
  );
  const main = await catalog.row(sql<{ name: string }>`SELECT current_database() AS name`);
  await catalog.run(sql`CREATE OR REPLACE VIEW work.inst AS
    SELECT f.rowid AS iid, l.loc, f.location, f.key, f.norm_key, f.sha256, ${contentId(raw("f.sha256"))} AS cid, f.size, epoch_ns(f.mtime) AS mtime,
      f.accessed, f.version, f.physical, f.state, f.proof, f.archived, f.first_seen, f.last_verified, f.media_type, f.mime, f.project, f.attrs, f.tags, f.stars,
      l.usable AND f.state = 'present' AS usable,
      l.counted AND f.state = 'present' AND f.sha256 IS NOT NULL AND f.proof IS DISTINCT FROM 'claim' AS counted
    FROM ${name(main!.name)}.main.file_locations f JOIN work.sites l ON l.name = f.location
    WHERE f.state <> 'missing'`);
}

/** A column of sets of locations: as many bits as there may be locations. */
export const maskType = (locations: number): Sql => raw(locations > 60 ? "HUGEINT" : "BIGINT");

/**
 * The values that matchers see. Ages are milliseconds before `now`; `age` is that of the oldest instance of the content;
 * `copies` counts distinct locations, hard links across locations once. Without `ofContents` these two are left out: they cost as much as all others.
 */
export async function prepareFacts(
  catalog: Catalog,
  world: World,
  now: number,
  { ofContents = true } = {},
): Promise<void> {
  const instances = sql`work.${name(world.evaluated)}`;
  if (ofContents) await summarize(catalog, world);
  const contents = sql`LEFT JOIN (${small(sql`work.${name(world.contents)}`)}) c ON c.cid = i.cid`;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.clock AS SELECT ${now}::DOUBLE AS now`);
  await catalog.run(sql`CREATE OR REPLACE VIEW work.${name(world.facts)} AS
    SELECT i.iid, hash(i.location, i.key) AS file, i.cid, i.loc, i.location, i.key, i.norm_key, i.sha256, i.size, i.media_type, i.mime, i.project, i.attrs, i.tags, i.stars, i.proof, i.archived,
      i.usable, i.counted,
      string_split(i.norm_key, '/')[-1] AS base, lower(i.norm_key) AS low, lower(regexp_extract(i.norm_key, '[^/]\\.([^./]*)$', 1)) AS ext,
      k.now - epoch_ms(i.first_seen) AS age_here,
      k.now - epoch_ms(i.last_verified) AS verified,
      i.mtime / 1e6 AS modified, epoch_ms(i.accessed) AS accessed${ofContents ? sql`, k.now - coalesce(c.oldest, i.mtime) / 1e6 AS age, c.copies` : raw("")}
    FROM ${instances} i CROSS JOIN work.clock k ${ofContents ? contents : raw("")}`);
}

/** What all instances of a content tell together. */
async function summarize(catalog: Catalog, world: World): Promise<void> {
  const last = await catalog.row(sql<{ loc: number | null }>`SELECT max(loc) AS loc FROM work.sites`);
  const mask = maskType(last?.loc ?? 0);
  const instances = sql`work.${name(world.evaluated)}`;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.${name(world.contents)} AS
    SELECT c.cid, c.oldest, least(c.locations, coalesce(l.stored, c.locations)) AS copies FROM (
      SELECT cid, min(mtime) AS oldest, bit_count(bit_or(CASE WHEN counted THEN 1::${mask} << loc ELSE 0 END)) AS locations
      FROM ${instances} WHERE sha256 IS NOT NULL AND state = 'present' GROUP BY cid
    ) c LEFT JOIN (
      SELECT cid, count(DISTINCT coalesce(physical, location || ':')) FILTER (WHERE counted) AS stored
      FROM ${instances} WHERE state = 'present' AND sha256 IN (SELECT sha256 FROM ${instances} WHERE physical IS NOT NULL) GROUP BY cid
    ) l ON l.cid = c.cid`);
  await recountLinked(catalog, world);
}

/**
 * The lower of both numbers is too high where some locations share one file while another has several: so from three copies on, what
 * shares files across locations is counted as the planner does it, one by one. There are few such contents.
 */
async function recountLinked(catalog: Catalog, { evaluated, contents }: World): Promise<void> {
  const instances = sql`work.${name(evaluated)}`;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.linked AS SELECT DISTINCT cid FROM (
    SELECT cid FROM ${instances} WHERE physical IS NOT NULL AND counted GROUP BY cid, physical HAVING count(DISTINCT loc) > 1)`);
  const rows = await catalog.rows(sql<{ cid: string; loc: number; physical: string | null }>`
    SELECT DISTINCT CAST(i.cid AS VARCHAR) AS cid, i.loc, i.physical
    FROM work.linked l JOIN work.${name(contents)} c ON c.cid = l.cid JOIN ${instances} i ON i.cid = l.cid WHERE i.counted AND c.copies > 2`);
  if (rows.length === 0) return;
  const counted = [...groupBy(rows, ({ cid }) => cid)].map(([cid, places]) => {
    const copies = places.map(({ loc, physical }) => ({ site: { order: loc }, physical, counted: true }));
    return { cid, copies: countCopies(copies) };
  });
  const found = packed({
    cid: column(counted.map(({ cid }) => cid)),
    copies: column(
      counted.map(({ copies }) => copies),
      "BIGINT",
    ),
  });
  await catalog.run(
    sql`UPDATE work.${name(contents)} c SET copies = n.copies FROM ${found} n WHERE c.cid = CAST(n.cid AS UUID)`,
  );
}

/**
 * DuckDB takes the side that it thinks smaller into memory, and it thinks that a condition leaves a fifth: without these, which always hold, it
 * would take the instances with their names, which are many times as much.
 */
const small = (contents: Sql): Sql =>
  sql`SELECT * FROM ${contents} WHERE (cid IS NULL OR copies >= 0) AND (oldest IS NULL OR copies < 1000)`;

/** Decides on all usable instances: S4, first match wins, `continue` adds. */
export async function decide(catalog: Catalog, config: Config, world: World): Promise<void> {
  const firsts = config.rules.map((rule, index) => ({ rule, index })).filter(({ rule }) => !rule.continue);
  const adds = config.rules.map((rule, index) => ({ rule, index })).filter(({ rule }) => rule.continue);
  const { joined, answer } = await askOnce(
    catalog,
    world,
    [...config.rules, ...config.require].map(({ match }) => match),
  );
  const first =
    firsts.length === 0
      ? raw("NULL::INTEGER")
      : sql`CASE ${join(
          firsts.map((each) => whenMatch(each, answer)),
          " ",
        )} END`;
  const flags = adds.map(({ rule, index }) => sql`, ${predicate(rule.match, answer)} AS ${name(`add${index}`)}`);
  const needs = config.require.map((need, index) => sql`, ${predicate(need.match, answer)} AS ${name(`need${index}`)}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.${name(world.judged)} AS
    SELECT iid, file, loc, cid, counted, "first", ${addsSql(adds)} AS more, ${needsSql(config.require.length)} AS needs FROM (
      SELECT iid, file, loc, cid, counted, ${first} AS "first"${join([...flags, ...needs], "")} FROM work.${name(world.facts)}${joined} WHERE usable
    )`);
}

const whenMatch = ({ rule, index }: { rule: Rule; index: number }, answer: Answer): Sql =>
  sql`WHEN ${condition(rule.match, answer)} THEN ${index}::INTEGER`;

function addsSql(adds: { index: number }[]): Sql {
  return listOf(
    adds.map(({ index }) => ({ index, holds: sql`(${name(`add${index}`)} AND coalesce("first" > ${index}, TRUE))` })),
  );
}

const needsSql = (count: number): Sql =>
  listOf(Array.from({ length: count }, (_, index) => ({ index, holds: name(`need${index}`) })));

/** The numbers of what holds; NULL, which most are, costs no list. */
function listOf(items: { index: number; holds: Sql }[]): Sql {
  if (items.length === 0) return raw("NULL::INTEGER[]");
  const some = join(
    items.map(({ holds }) => holds),
    " OR ",
  );
  const numbers = join(items.map(({ index, holds }) => sql`CASE WHEN ${holds} THEN ${index}::INTEGER END`));
  return sql`CASE WHEN ${some} THEN list_filter([${numbers}], lambda x: x IS NOT NULL) END`;
}
