import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import { address, invalidKey, normKey } from "../lib/key.js";
import { PRESENT } from "./observe.js";
import { type Site, slotOf } from "./site.js";

/** Something that is at a contested key; `sha256` is null where its content is not known or not to be trusted. */
export interface Occupant {
  key: string;
  sha256: string | null;
  state: string;
}

/** What is known about the keys that a plan might fill. */
export interface Occupancy {
  at(site: Site, key: string): readonly Occupant[];
  /** All that is at any of the keys. */
  all(): Iterable<Occupant>;
  /** How many keys were looked up: they are in `work.spots` then, and the folders above them in `work.parents`. */
  spots: number;
  /** Why the key can not be used whatever the strategy; undefined when it can. */
  obstacle(site: Site, key: string): { code: string; reason: string } | undefined;
}

export interface Spot {
  site: Site;
  key: string;
}

const mark = (order: number, text: string): string => `${order} ${text}`;

/** Looks all spots up at once; keys are compared in the form in which they collide at their site (S15). */
export async function lookUp(
  catalog: Catalog,
  sites: readonly Site[],
  table: string,
  spots: Iterable<Spot>,
): Promise<Occupancy> {
  const wanted = new Map<string, Spot>();
  for (const spot of spots) wanted.set(mark(spot.site.order, spot.key), spot);
  const obstacle: Occupancy["obstacle"] = (site, key) =>
    unusable(site, key) ?? (obstacles.size > 0 ? obstacles.get(mark(site.order, key)) : undefined);
  let obstacles: Obstacles = new Map();
  if (wanted.size === 0) return { ...NOWHERE, obstacle };
  await writeSpots(catalog, wanted.values());

  const occupants = new Map<string, Occupant[]>();
  const slot = slotSql(sites, "i");
  for await (const row of catalog.stream(sql<{
    loc: number;
    slot: string;
    key: string;
    sha256: string | null;
    state: string;
  }>`
    SELECT i.loc, ${slot} AS slot, i.key, i.sha256, i.state FROM work.${name(table)} i
    SEMI JOIN work.spots s ON s.loc = i.loc AND s.slot = ${slot} ORDER BY i.loc, i.key`)) {
    const id = mark(row.loc, row.slot);
    const occupant = { key: row.key, state: row.state, sha256: row.state === "present" ? row.sha256 : null };
    occupants.set(id, [...(occupants.get(id) ?? []), occupant]);
  }
  obstacles = await findObstacles(catalog, sites, table, wanted);
  return {
    at: (site, key) => (occupants.size > 0 ? occupants.get(mark(site.order, slotOf(site, key))) : undefined) ?? NOBODY,
    all: () => [...occupants.values()].flat(),
    spots: wanted.size,
    obstacle,
  };
}

const NOBODY: readonly Occupant[] = [];

/** As if there were nothing anywhere, and every name could be had. */
export const NOWHERE: Occupancy = { at: () => NOBODY, all: () => NOBODY, spots: 0, obstacle: () => undefined };

async function writeSpots(catalog: Catalog, spots: Iterable<Spot>): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.spots (loc INTEGER, key VARCHAR, norm VARCHAR, slot VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.parents (loc INTEGER, slot VARCHAR)`);
  const parents = new Map<string, { order: number; slot: string }>();
  const folders = new Set<string>();
  await catalog.append(
    "spots",
    (appender) => {
      for (const { site, key } of spots) {
        const slot = slotOf(site, key);
        appender.appendInteger(site.order);
        appender.appendVarchar(key);
        appender.appendVarchar(normKey(key));
        appender.appendVarchar(slot);
        appender.endRow();
        const folder = mark(site.order, slot.slice(0, slot.lastIndexOf("/") + 1));
        if (folders.has(folder)) continue;
        folders.add(folder);
        for (const parent of ancestors(slot))
          parents.set(mark(site.order, parent), { order: site.order, slot: parent });
      }
    },
    "work",
  );
  await catalog.append(
    "parents",
    (appender) => {
      for (const parent of parents.values()) {
        appender.appendInteger(parent.order);
        appender.appendVarchar(parent.slot);
        appender.endRow();
      }
    },
    "work",
  );
}

/** Every folder above a key: `a`, `a/b` for `a/b/c`. */
export function ancestors(key: string): string[] {
  const found: string[] = [];
  for (let slash = key.indexOf("/"); slash >= 0; slash = key.indexOf("/", slash + 1)) found.push(key.slice(0, slash));
  return found;
}

/** `slotOf` for the rows of a table with `loc` and `norm_key`. */
export function slotSql(sites: readonly Site[], alias: string): Sql {
  const folding = sites.filter((site) => site.foldsCase).map((site) => sql`${site.order}`);
  const norm = raw(`${alias}.norm_key`);
  return folding.length === 0
    ? norm
    : sql`CASE WHEN ${raw(alias)}.loc IN (${join(folding)}) THEN lower(${norm}) ELSE ${norm} END`;
}

type Obstacles = Map<string, { code: string; reason: string }>;

async function findObstacles(
  catalog: Catalog,
  sites: readonly Site[],
  table: string,
  wanted: ReadonlyMap<string, Spot>,
): Promise<Obstacles> {
  const obstacles: Obstacles = new Map();
  const files = await filesAbove(catalog, sites, table);
  const folders = await foldersAt(catalog, sites, table);
  for (const folder of await emptyFolders(catalog, sites)) folders.add(folder);
  const others = await othersAt(catalog, sites);
  const some = files.size + folders.size + others.size > 0;
  for (const [id, { site, key }] of some ? wanted : []) {
    const above = (names: ReadonlyMap<string, string>) =>
      ancestors(slotOf(site, key))
        .map((parent) => names.get(mark(site.order, parent)))
        .find((found) => found !== undefined);
    const [file, other, there] = [above(files), above(others), others.get(mark(site.order, slotOf(site, key)))];
    const block = (reason: string) => obstacles.set(id, { code: "conflict", reason });
    if (file !== undefined) block(`the file ${address(site.name, file)} is where a folder is needed`);
    else if (other !== undefined)
      block(`something that is no file is at ${address(site.name, other)}, where a folder is needed`);
    else if (folders.has(mark(site.order, slotOf(site, key)))) block(`${address(site.name, key)} is a folder`);
    else if (there !== undefined) block(`something that is no file is at ${address(site.name, there)}`);
  }
  await addExcluded(catalog, sites, obstacles);
  return obstacles;
}

type Found = { loc: number; slot: string; key: string };

const byMark = (rows: readonly Found[]): Map<string, string> =>
  new Map(rows.map(({ loc, slot, key }) => [mark(loc, slot), key]));

/** The files where a spot needs a folder. */
async function filesAbove(catalog: Catalog, sites: readonly Site[], table: string): Promise<Map<string, string>> {
  const slot = slotSql(sites, "i");
  const rows = await catalog.rows(sql<Found>`
    SELECT i.loc, ${slot} AS slot, i.key FROM work.${name(table)} i SEMI JOIN work.parents p ON p.loc = i.loc AND p.slot = ${slot}`);
  return byMark(rows);
}

/** The spots below which there are files. */
async function foldersAt(catalog: Catalog, sites: readonly Site[], table: string): Promise<Set<string>> {
  const rows = await catalog.rows(sql<{ loc: number; dir: string }>`
    WITH dirs AS (SELECT DISTINCT i.loc, parse_dirpath(${slotSql(sites, "i")}, 'forward_slash') AS dir FROM work.${name(table)} i WHERE contains(i.key, '/')),
      steps AS (SELECT loc, string_split(dir, '/') AS parts FROM dirs),
      every AS (SELECT DISTINCT loc, array_to_string(parts[1:n], '/') AS dir FROM (SELECT loc, parts, unnest(range(1, len(parts) + 1)) AS n FROM steps))
    SELECT e.loc, e.dir FROM every e SEMI JOIN work.spots s ON s.loc = e.loc AND s.slot = e.dir`);
  return new Set(rows.map(({ loc, dir }) => mark(loc, dir)));
}

/** The spots at which the last scan found a folder without any file: one that a plan empties goes with its last file. */
async function emptyFolders(catalog: Catalog, sites: readonly Site[]): Promise<string[]> {
  const rows = await namedAt(catalog, sites, sql`(SELECT location, dir AS key FROM directories)`, raw("work.spots"));
  if (rows.length === 0) return [];
  const full = await foldersAt(catalog, sites, PRESENT.instances);
  return [...byMark(rows).keys()].filter((folder) => !full.has(folder));
}

/** What the last scan found at a spot, or above one, that is neither a file nor a folder. */
async function othersAt(catalog: Catalog, sites: readonly Site[]): Promise<Map<string, string>> {
  const places = raw("(SELECT loc, slot FROM work.spots UNION ALL SELECT loc, slot FROM work.parents)");
  return byMark(await namedAt(catalog, sites, raw("others"), places));
}

const namedAt = (catalog: Catalog, sites: readonly Site[], names: Sql, places: Sql): Promise<Found[]> => {
  const slot = slotSql(sites, "i");
  return catalog.rows(sql<Found>`
    SELECT i.loc, ${slot} AS slot, i.key
    FROM (SELECT l.loc, n.key, nfc_normalize(n.key) AS norm_key FROM ${names} n JOIN work.sites l ON l.name = n.location) i
    SEMI JOIN ${places} s ON s.loc = i.loc AND s.slot = ${slot}`);
};

async function addExcluded(catalog: Catalog, sites: readonly Site[], obstacles: Obstacles): Promise<void> {
  for (const site of sites) {
    if (site.location.exclude.length === 0) continue;
    const patterns = site.location.exclude.map((pattern) => sql`regexp_full_match(norm, ${pattern.re2})`);
    const rows = await catalog.rows(
      sql<{ key: string }>`SELECT key FROM work.spots WHERE loc = ${site.order} AND (${join(patterns, " OR ")})`,
    );
    for (const { key } of rows) {
      obstacles.set(mark(site.order, key), {
        code: "excluded",
        reason: `${site.name} excludes ${key}: it would not be seen there again`,
      });
    }
  }
}

/** Names that the site can not hold. */
function unusable(site: Site, key: string): { code: string; reason: string } | undefined {
  const invalid = invalidKey(key);
  if (invalid !== undefined) return { code: "unsupported-name", reason: `${invalid}: ${key}` };
  if (key.startsWith(".stowage-"))
    return { code: "unsupported-name", reason: `names that begin with .stowage- are stowage's own: ${key}` };
  const bytes = Buffer.byteLength(key);
  if (site.maxKeyBytes !== undefined && bytes > site.maxKeyBytes)
    return {
      code: "unsupported-name",
      reason: `a key of ${bytes} bytes is longer than the ${site.maxKeyBytes} that ${site.name} can hold`,
    };
  if (bytes <= site.maxNameBytes) return undefined;
  const long = key.split("/").find((part) => Buffer.byteLength(part) > site.maxNameBytes);
  if (long === undefined) return undefined;
  return {
    code: "unsupported-name",
    reason: `a name of ${Buffer.byteLength(long)} bytes is longer than the ${site.maxNameBytes} that ${site.name} can hold`,
  };
}
