import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import { keepsKey, type Rule } from "../config/config.js";
import { offsetsOf } from "../config/timezone.js";
import type { Context } from "./model.js";
import { cleaned, nameSql, wallSql } from "./names.js";
import type { World } from "./observe.js";
import type { Site } from "./site.js";

/** More files of one content are rare, and make classes of their own. */
const MAX_FILES = 8;

/** The rules that make names: of those that decide one at most has matched, of those that go on perhaps several. */
export interface Templates {
  deciding: { rule: Rule; index: number }[];
  adding: { rule: Rule; index: number }[];
}

export function templatesOf({ config }: Context): Templates {
  const all = config.rules.flatMap((rule, index) =>
    rule.destination.length > 0 && !keepsKey(rule.key) ? [{ rule, index }] : [],
  );
  return { deciding: all.filter(({ rule }) => !rule.continue), adding: all.filter(({ rule }) => rule.continue) };
}

/**
 * Fills `work.alike` with all contents that may be alike: `files` in config order, `names` their keys and then what the rules make of them, `class` by what they
 * are, or NULL.
 */
export async function classify(
  catalog: Catalog,
  world: World,
  templates: Templates,
  { config, sites }: Context,
): Promise<void> {
  const loaded = sql`work.${name(world.loaded)}`;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike (cid UUID, sha256 VARCHAR, size BIGINT, names VARCHAR[],
    files STRUCT(loc INTEGER, iid BIGINT, version VARCHAR)[], class VARCHAR)`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.alone AS SELECT cid FROM ${loaded} GROUP BY cid HAVING count(*) = 1`,
  );
  const files = sql`(SELECT cid, sha256, size, { loc: loc, key: key, iid: iid, version: version, class: ${classOfFile}, rendered: rendered } AS file,
    archived IS NULL AND physical IS NULL AND NOT ${peculiarFile} AND ${isUsual(raw("key"))} AND len(list_filter(rendered, lambda each: each IS NULL)) = 0 AS usual
    FROM (SELECT *, ${renderedSql(templates)} AS rendered FROM (
      SELECT *, ${await wallOf(catalog, loaded, templates, config.settings.timezone)} AS wall FROM ${loaded})))`;
  const add = (contents: Sql): Promise<void> =>
    catalog.run(sql`INSERT INTO work.alike BY NAME
      SELECT cid, sha256, size, names, list_transform(found, lambda file: { loc: file.loc, iid: file.iid, version: file.version }) AS files,
        array_to_string(list_transform(found, lambda file: file.class), ' ') || ${relationsSql(sites)} AS class
      FROM (SELECT *, CASE WHEN len(names) > 2 THEN list_filter(list_sort(list_distinct(names)), lambda name: name <> '') END AS spelled FROM (
        SELECT *, list_concat(list_transform(found, lambda file: file.key), flatten(list_transform(found, lambda file: file.rendered))) AS names FROM (${contents})))`);
  await add(sql`SELECT cid, sha256, size, [file] AS found FROM ${files} SEMI JOIN work.alone USING (cid) WHERE usual`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.several AS SELECT * FROM ${files} ANTI JOIN work.alone USING (cid)`,
  );
  const parts = await partsOfSeveral(catalog);
  for (let part = 0; part < parts; part += 1)
    // A claim may be wrong about the size, and say a hash that begins like another.
    await add(sql`SELECT cid, min(sha256) AS sha256, min(size) AS size, list_sort(list(file)) AS found
      FROM work.several WHERE hash(cid) % ${BigInt(parts)} = ${BigInt(part)} GROUP BY cid
      HAVING count(*) <= ${BigInt(MAX_FILES)} AND min(sha256) = max(sha256) AND min(size) = max(size) AND bool_and(usual)`);
}

/** Lists can not leave DuckDB's memory while they are made: they are made in parts that take a third of it. */
async function partsOfSeveral(catalog: Catalog): Promise<number> {
  const rendered = raw("coalesce(list_sum(list_transform(file.rendered, lambda name: strlen(name))), 0)");
  const row = await catalog.row(sql<{ parts: number }>`
    SELECT coalesce(ceil(3 * sum(250 + 4 * (strlen(file.key) + ${rendered}) + 2 * strlen(file.version))
      / parse_formatted_bytes(current_setting('memory_limit'))), 0) AS parts FROM work.several`);
  return row?.parts ?? 0;
}

async function wallOf(catalog: Catalog, loaded: Sql, { deciding, adding }: Templates, timezone: string): Promise<Sql> {
  const parts = [...deciding, ...adding].flatMap(({ rule }) => rule.key.parts);
  if (!parts.some((part) => "field" in part && part.field.name === "modified")) return raw("NULL::TIMESTAMP");
  if (timezone === "UTC") return wallSql([]);
  const row = await catalog.row(sql<{ from: number | null; to: number | null }>`
    SELECT min(mtime // 1000000) AS "from", max(mtime // 1000000) AS "to" FROM ${loaded} WHERE mtime >= 0`);
  return wallSql(offsetsOf(timezone, row?.from ?? 0, row?.to ?? 0));
}

/**
 * Which names are equal, and which come first; NULL where two are that could not both be at some location, though they are not equal, or where Node
 * may see that otherwise than DuckDB.
 */
function relationsSql(sites: readonly Site[]): Sql {
  const folds = sites.some((site) => site.foldsCase);
  const slot = (name: string): string => (folds ? `lower(${name})` : `nfc_normalize(${name})`);
  const unsure = (names: string): string => (folds ? `WHEN strlen(${names}) > length(${names}) THEN NULL` : "");
  return raw(`CASE len(names) WHEN 1 THEN ''
    WHEN 2 THEN CASE WHEN names[1] = names[2] THEN ' =' WHEN names[2] = '' THEN ' >' ${unsure("(names[1] || names[2])")} WHEN ${slot("names[1]")} = ${slot("names[2]")} THEN NULL
      WHEN names[1] < names[2] THEN ' <' ELSE ' >' END
    ELSE CASE ${unsure("CASE WHEN len(spelled) > 1 THEN array_to_string(spelled, '') ELSE '' END")} WHEN len(list_distinct(list_transform(spelled, lambda name: ${slot("name")}))) = len(spelled)
      THEN ' ' || array_to_string(list_transform(names, lambda name: coalesce(list_position(spelled, name), 0)), ' ') END END`);
}

/** What rules and proofs make of one file. */
const classOfFile =
  raw(`concat_ws(':', loc::VARCHAR, coalesce("first", -1)::VARCHAR, coalesce(more, [])::VARCHAR, coalesce(needs, [])::VARCHAR,
  (proof IS NOT DISTINCT FROM 'claim')::VARCHAR)`);

/** What rules make of a file's name: empty where they make nothing of it, NULL where it is not sure what. */
function renderedSql({ deciding, adding }: Templates): Sql {
  if (deciding.length + adding.length === 0) return raw("[]::VARCHAR[]");
  const added = adding.map((each) => nameSql([each], (index) => sql`list_contains(more, ${index}::INTEGER)`));
  const decided = nameSql(deciding, (index) => sql`"first" = ${index}::INTEGER`);
  return sql`list_transform(list_transform([${join([decided, ...added])}], lambda name: ${cleaned}), lambda name: CASE WHEN name = '' OR ${isUsual(raw("name"))} THEN name END)`;
}

/** Files that `on_conflict` has named, and versions that JSON writes with escapes that lines do not get. */
const peculiarFile = sql`(contains(key, '~' || left(sha256, 8)) OR regexp_matches(version, ${"[\\x00-\\x1f]"}))`;

/**
 * Not so: names that are no keys or stowage's own, or of characters that DuckDB's Unicode does not know and Node's composes with others;
 * and what JSON writes with escapes that lines do not get.
 */
const isUsual = (key: Sql): Sql =>
  sql`NOT regexp_matches(${key}, ${"[\\x00-\\x1f]|^\\.stowage-|(^|/)\\.{0,2}(/|$)|[^\\pL\\pM\\pN\\pP\\pS\\pZ\\pC]"})`;
