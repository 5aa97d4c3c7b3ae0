import type { Config, Location } from "../config/config.js";
import type { Catalog } from "./catalog.js";
import { instant, raw, type Sql, sql } from "./sql.js";

/** What the catalog remembers of a location between scans. */
export interface KnownLocation {
  name: string;
  root: string;
  uuid: string | null;
  suspect: string | null;
  /** The next complete scan is believed, however little it finds. */
  accepted: boolean;
  /** JSON of the layout that the rows were read with. */
  layout: string | null;
  features: string | null;
  /** What the digests in `directories` hold for. */
  listing: string | null;
  last_complete_scan: number | null;
}

export interface ScanRow {
  location: string;
  startedAt: number;
  finishedAt: number;
  status: "complete" | "partial" | "suspect";
  files: number;
  bytes: number;
  hashed: number;
  hashedBytes: number;
  added: number;
  changed: number;
  missing: number;
  settling: number;
  skipped: number;
}

/** The layout as `storage_locations` keeps it. */
export const layoutText = (location: Location): string | null =>
  location.layout ? JSON.stringify({ re2: location.layout.re2, captures: location.layout.captures }) : null;

/**
 * Makes `storage_locations` say what storage.yaml says. What was found out about a location stays (UUID, features,
 * suspicion, layout of the rows); locations that left the file, and the instances of these and of retired ones, are forgotten.
 */
export async function syncLocations(catalog: Catalog, config: Config): Promise<void> {
  if (await isSynced(catalog, config)) return;
  await catalog.transaction(async () => {
    for (const location of config.locations) await catalog.run(mergeLocation(location));
    const names = JSON.stringify(config.locations.map((location) => location.name));
    await catalog.run(
      sql`DELETE FROM storage_locations WHERE name NOT IN (SELECT unnest(from_json(${names}, '["VARCHAR"]')))`,
    );
    for (const table of ["file_locations", "directories", "others", "scans", "scan_problems"]) {
      await catalog.run(sql`DELETE FROM ${raw(table)} WHERE location NOT IN (${held(config.locations)})`);
    }
  });
}

/** The locations whose instances are kept. */
function held(locations: readonly Location[]): Sql {
  const names = locations.flatMap(({ name, status }) => (status === "retired" ? [] : [name]));
  return sql`SELECT unnest(from_json(${JSON.stringify(names)}, '["VARCHAR"]'))`;
}

/** The table says the same of all locations, and there are no rows of others: an apply that began before they left the file may have written some. */
async function isSynced(catalog: Catalog, { locations }: Config): Promise<boolean> {
  const kept = await catalog.rows(sql<Kept>`
    SELECT name, type, root, status, priority, purpose, domain, read_only AS "readOnly" FROM storage_locations`);
  const known = new Map(kept.map((row) => [row.name, row]));
  if (kept.length !== locations.length || !locations.every((each) => isSame(each, known.get(each.name)))) return false;
  const foreign = await catalog.row(
    sql`SELECT 1 FROM file_locations WHERE location NOT IN (${held(locations)}) LIMIT 1`,
  );
  return foreign === undefined;
}

type Kept = Pick<Location, "name" | "type" | "root" | "status" | "priority" | "purpose" | "domain" | "readOnly">;

const isSame = (a: Kept, b: Kept | undefined): boolean =>
  b !== undefined &&
  (["type", "root", "status", "priority", "domain", "readOnly"] as const).every((field) => a[field] === b[field]) &&
  JSON.stringify(a.purpose) === JSON.stringify(b.purpose);

function mergeLocation(location: Location): Sql {
  const { name, type, root, status, priority, domain, readOnly } = location;
  const purpose = sql`from_json(${JSON.stringify(location.purpose)}, '["VARCHAR"]')`;
  return sql`
    MERGE INTO storage_locations l USING (SELECT ${name} AS name) given ON l.name = given.name
    WHEN MATCHED THEN UPDATE SET type = ${type}, root = ${root}, status = ${status}, priority = ${priority},
      purpose = ${purpose}, domain = ${domain}, read_only = ${readOnly}
    WHEN NOT MATCHED THEN INSERT (name, type, root, status, priority, purpose, domain, read_only, layout)
      VALUES (${name}, ${type}, ${root}, ${status}, ${priority}, ${purpose}, ${domain}, ${readOnly}, ${layoutText(location)})`;
}

export async function knownLocations(catalog: Catalog): Promise<Map<string, KnownLocation>> {
  const rows = await catalog.rows(sql<KnownLocation>`
    SELECT name, root, uuid, suspect, accepted, layout, features, listing, last_complete_scan FROM storage_locations`);
  return new Map(rows.map((row) => [row.name, row]));
}

/** Some rows were written with another layout than the others: the next scan writes all anew. */
export async function mixLayouts(catalog: Catalog, location: string): Promise<void> {
  await catalog.run(sql`UPDATE storage_locations SET layout = '', listing = NULL WHERE name = ${location}`);
}

/** Keeps what was found out about a location, for the planner. */
export async function rememberFeatures(catalog: Catalog, location: string, features: object): Promise<void> {
  await catalog.run(sql`UPDATE storage_locations SET features = ${JSON.stringify(features)} WHERE name = ${location}`);
}

/** Adds the scan and returns its id; the problems it met replace those of the location's earlier scans. Runs inside the caller's transaction. */
export async function recordScan(catalog: Catalog, row: ScanRow): Promise<number> {
  const next = await catalog.row(sql<{ id: number }>`SELECT nextval('scan_ids') AS id`);
  const id = next?.id ?? 0;
  await catalog.run(sql`
    INSERT INTO scans (id, location, started_at, finished_at, status, files, bytes, hashed, hashed_bytes,
      added, changed, missing, settling, skipped)
    VALUES (${BigInt(id)}, ${row.location}, ${instant(row.startedAt)}, ${instant(row.finishedAt)}, ${row.status},
      ${BigInt(row.files)}, ${BigInt(row.bytes)}, ${BigInt(row.hashed)}, ${BigInt(row.hashedBytes)}, ${BigInt(row.added)},
      ${BigInt(row.changed)}, ${BigInt(row.missing)}, ${BigInt(row.settling)}, ${BigInt(row.skipped)})`);
  await catalog.run(sql`DELETE FROM scan_problems WHERE location = ${row.location}`);
  await catalog.run(sql`UPDATE storage_locations SET last_scan = ${BigInt(id)} WHERE name = ${row.location}`);
  return id;
}
