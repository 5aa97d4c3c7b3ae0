import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import type { World } from "./observe.js";
import { slotSql } from "./occupants.js";
import type { Site } from "./site.js";

/**
 * Which of the contents in `work.alike` nobody can be in the way of. What would have to be decided, or only said, is dropped from the table and looked at
 * one by one: it is better to drop too much. `work.alike_spots` has the names that the others will have.
 */

/** Drops whoever finds its name, or one above it, taken or not to be had, or wants the same one as another. */
export async function dropTaken(catalog: Catalog, sites: readonly Site[], world: World): Promise<void> {
  await listSpots(catalog, sites);
  const slot = slotSql(sites, "i");
  const there = sql`SELECT i.loc, ${slot} AS slot FROM work.${name(world.instances)} i WHERE i.loc IN (SELECT site FROM work.routine WHERE fills)`;
  const named = (table: Sql): Sql => sql`SELECT i.loc, ${slot} AS slot
    FROM (SELECT l.loc, nfc_normalize(n.key) AS norm_key FROM ${table} n JOIN work.sites l ON l.name = n.location) i`;
  const others = named(raw("others"));
  const folders = named(raw("(SELECT location, dir AS key FROM directories)"));
  // Buckets have no folders but in the names of their objects.
  const above = sql`SELECT loc, slot FROM (${foldersOf(there)})`;
  await drop(catalog, [
    sql`SELECT s.cid FROM work.alike_spots s SEMI JOIN (${join([there, others, folders, above], " UNION ALL ")}) t ON t.loc = s.loc AND t.slot = s.slot`,
    sql`SELECT s.cid FROM work.alike_spots s SEMI JOIN (SELECT loc, slot FROM work.alike_spots GROUP BY ALL HAVING count(*) > 1) t ON t.loc = s.loc AND t.slot = s.slot`,
    below(sql`(${there} UNION ALL ${others} UNION ALL SELECT loc, slot FROM work.alike_spots)`),
    ...sites.map(unusable),
  ]);
}

/**
 * Drops whoever meets, at a name, one of the contents that are looked at one by one: at `work.spots`, which `lookUp` has filled with all names that these may get.
 * @returns whether there was one
 */
export async function dropContested(catalog: Catalog, sites: readonly Site[]): Promise<boolean> {
  return drop(catalog, [
    sql`SELECT s.cid FROM work.alike_spots s SEMI JOIN work.spots t ON t.loc = s.loc AND t.slot = s.slot`,
    sql`SELECT s.cid FROM work.alike_spots s SEMI JOIN work.parents t ON t.loc = s.loc AND t.slot = s.slot`,
    below(raw("work.spots")),
    // Their own files, where one of the others would get their name.
    sql`SELECT a.cid FROM (SELECT cid, file.loc, nfc_normalize(file.key) AS norm_key FROM (
        SELECT cid, unnest(list_transform(files, lambda file, n: { loc: file.loc, key: names[n] })) AS file FROM work.alike)) a
      SEMI JOIN work.spots t ON t.loc = a.loc AND t.slot = ${slotSql(sites, "a")}`,
  ]);
}

/** The names that are to be filled, and for every folder of one of them all the folders above it. */
async function listSpots(catalog: Catalog, sites: readonly Site[]): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike_spots AS
    SELECT *, ${folder} AS dir FROM (
      SELECT i.*, ${slotSql(sites, "i")} AS slot
      FROM (SELECT cid, loc, key, nfc_normalize(key) AS norm_key FROM (
        SELECT a.cid, c.site AS loc, a.names[c.spot] AS key FROM work.alike a JOIN work.routine c ON c.class = a.class WHERE c.fills)) i)`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.alike_folders AS ${foldersOf(raw("SELECT loc, slot FROM work.alike_spots"))}`,
  );
}

const folder = raw("CASE WHEN contains(slot, '/') THEN parse_dirpath(slot, 'forward_slash') ELSE '' END");

/** Every folder of these names as `dir`, with each folder that it is in, and itself, as `slot`. */
const foldersOf = (names: Sql): Sql => sql`SELECT loc, dir, array_to_string(parts[1:n], '/') AS slot FROM (
  SELECT loc, dir, parts, unnest(range(1, len(parts) + 1)) AS n
  FROM (SELECT loc, dir, string_split(dir, '/') AS parts FROM (SELECT DISTINCT loc, ${folder} AS dir FROM (${names})) WHERE dir <> ''))`;

/** Those of which a folder is one of these names. */
const below = (names: Sql): Sql => sql`SELECT s.cid FROM work.alike_spots s SEMI JOIN (
  SELECT DISTINCT f.loc, f.dir FROM work.alike_folders f SEMI JOIN ${names} t ON t.loc = f.loc AND t.slot = f.slot
) f ON f.loc = s.loc AND f.dir = s.dir`;

/** Names that the site excludes, may not be able to hold, or folds otherwise than DuckDB does. */
function unusable({ order, location, maxKeyBytes, maxNameBytes, foldsCase }: Site): Sql {
  const tests = location.exclude.map((pattern) => sql`regexp_full_match(norm_key, ${pattern.re2})`);
  const parts = sql`list_max(list_transform(string_split(key, '/'), lambda part: strlen(part)))`;
  tests.push(sql`(strlen(key) > ${maxNameBytes}::BIGINT AND ${parts} > ${maxNameBytes}::BIGINT)`);
  if (maxKeyBytes !== undefined) tests.push(sql`strlen(key) > ${maxKeyBytes}::BIGINT`);
  if (foldsCase) tests.push(sql`regexp_matches(norm_key, ${"[^\\x00-\\x7f]"})`);
  return sql`SELECT cid FROM work.alike_spots WHERE loc = ${order} AND (${join(tests, " OR ")})`;
}

async function drop(catalog: Catalog, found: readonly Sql[]): Promise<boolean> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.dropped AS ${join(found, " UNION ")}`);
  const row = await catalog.row(sql<{ count: number }>`SELECT count(*) AS count FROM work.dropped`);
  if (!row?.count) return false;
  for (const table of ["alike", "alike_spots"])
    await catalog.run(sql`DELETE FROM work.${name(table)} WHERE cid IN (SELECT cid FROM work.dropped)`);
  return true;
}
