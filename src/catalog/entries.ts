import type { Layout } from "../config/config.js";
import { batch, groupBy } from "../lib/iter.js";
import type { Catalog } from "./catalog.js";
import { storable } from "./mtime.js";
import { column, instant, name, packed, raw, type Sql, sql } from "./sql.js";

/** An instance that was just proven to have this hash. */
export interface PresentRow {
  location: string;
  key: string;
  /** Lower-case hex. */
  sha256: string;
  size: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  version: string;
  physical?: string;
  /** By reading its bytes (the default), or by a checksum that the store computed over all of them. */
  proof?: "content" | "checksum";
}

export interface InstanceRef {
  location: string;
  key: string;
}

/** Each batch looks through the whole table. */
const BATCH = 100_000;

/**
 * Records instances as present and verified at `at` (milliseconds): a new key gets a row, a known one is brought up to
 * date and keeps `first_seen` only while its content is the same. What the catalog knows of the content elsewhere
 * (media type) and what the location's layout says of the key is filled in; what a store told of the same version stays. Idempotent; runs inside the caller's transaction, if any.
 * Each key is there once; one call at a time on one catalog.
 */
export async function recordPresent(catalog: Catalog, rows: Iterable<PresentRow>, at: number): Promise<void> {
  for (const [location, own] of groupBy(rows, (row) => row.location)) {
    const layout = await storedLayout(catalog, location);
    for await (const group of batch(own, BATCH)) {
      await catalog.run(sql`CREATE OR REPLACE TEMP TABLE given AS ${givenRows(group)}`);
      await catalog.run(sql`CREATE OR REPLACE TEMP TABLE kinds AS ${kinds}`);
      await catalog.run(mergePresent(location, at, layout));
    }
    for (const table of ["given", "kinds"]) await catalog.run(sql`DROP TABLE temp.${name(table)}`);
  }
}

/**
 * Forgets instances that stowage itself removed, and how the folders above them looked, which may be gone as well. Idempotent; runs inside
 * the caller's transaction, if any.
 */
export async function recordGone(catalog: Catalog, rows: Iterable<InstanceRef>): Promise<void> {
  for await (const group of batch(rows, BATCH)) {
    const gone = packed({
      location: column(group.map((row) => row.location)),
      key: column(group.map((row) => row.key)),
    });
    await catalog.run(
      sql`DELETE FROM file_locations f USING ${gone} g WHERE f.location = g.location AND f.key = g.key`,
    );
    await catalog.run(sql`
      DELETE FROM directories d USING (
        SELECT DISTINCT location, array_to_string(parts[1:n], '/') AS dir
        FROM (SELECT location, parts, unnest(range(1, len(parts))) AS n FROM (SELECT location, string_split(key, '/') AS parts FROM ${gone}))
      ) g WHERE d.location = g.location AND d.dir = g.dir`);
  }
}

const givenRows = (rows: readonly PresentRow[]): Sql =>
  sql`SELECT *, nfc_normalize(key) AS norm_key FROM ${packed({
    key: column(rows.map((row) => row.key)),
    sha256: column(rows.map((row) => row.sha256)),
    size: column(
      rows.map((row) => row.size),
      "BIGINT",
    ),
    mtime: column(
      rows.map((row) => storable(row.mtime)),
      "TIMESTAMP_NS",
    ),
    version: column(rows.map((row) => row.version)),
    physical: column(rows.map((row) => row.physical)),
    proof: column(rows.map((row) => row.proof ?? "content")),
  })}`;

const extension = raw(`lower(regexp_extract(key, '[^/]\\.([^./]+)$', 1))`);

/** What the catalog knows of the contents elsewhere, under names that end alike: it is by both that a type is known. */
const kinds = sql`
  SELECT sha256, ${extension} AS extension, min_by(media_type, place) AS media_type, min_by(mime, place) AS mime
  FROM (SELECT sha256, key, media_type, mime, concat(proof IS DISTINCT FROM 'content', location, ' ', key) AS place FROM file_locations
    WHERE sha256 IN (SELECT sha256 FROM temp.given)) GROUP BY ALL`;

function present(at: number, layout: Layout | undefined): Sql {
  const named = layoutColumns(layout);
  return sql`
    SELECT g.*, coalesce(k.media_type, o.media_type) AS media_type, coalesce(k.mime, o.mime) AS mime, ${named.project} AS project, ${named.attrs} AS attrs, ${instant(at)} AS at
    FROM (SELECT *, ${extension} AS extension FROM temp.given) g LEFT JOIN temp.kinds k ON k.sha256 = g.sha256 AND k.extension = g.extension
    LEFT JOIN (SELECT sha256, min_by(media_type, extension) AS media_type, min_by(mime, extension) AS mime FROM temp.kinds GROUP BY sha256) o ON o.sha256 = g.sha256`;
}

function mergePresent(location: string, at: number, layout: Layout | undefined): Sql {
  const same = raw("f.version = p.version");
  return sql`
    MERGE INTO file_locations f USING (${present(at, layout)}) p ON f.location = ${location} AND f.key = p.key
    WHEN MATCHED AND ${same} AND f.sha256 = p.sha256 AND f.state = 'present' AND f.proof = p.proof AND f.mtime = p.mtime AND f.size = p.size AND coalesce(p.physical = f.physical, p.physical IS NULL)
      THEN UPDATE SET last_seen = p.at, last_verified = p.at
    WHEN MATCHED THEN UPDATE SET
      first_seen = CASE WHEN f.sha256 = p.sha256 THEN f.first_seen ELSE p.at END,
      sha256 = p.sha256, size = p.size, mtime = p.mtime, version = p.version, physical = coalesce(p.physical, CASE WHEN ${same} THEN f.physical END), state = 'present',
      proof = CASE WHEN ${same} AND f.sha256 = p.sha256 AND f.proof = 'content' THEN f.proof ELSE p.proof END,
      storage_class = CASE WHEN ${same} THEN f.storage_class END, archived = CASE WHEN ${same} THEN f.archived END,
      attrs = CASE WHEN ${same} THEN f.attrs ELSE p.attrs END, tags = CASE WHEN ${same} THEN f.tags END, stars = CASE WHEN ${same} THEN f.stars END,
      last_seen = p.at, last_verified = p.at, media_type = p.media_type, mime = p.mime
    WHEN NOT MATCHED THEN INSERT (location, key, norm_key, sha256, size, mtime, version, physical, state, proof,
      first_seen, last_seen, last_verified, media_type, mime, project, attrs)
      VALUES (${location}, p.key, p.norm_key, p.sha256, p.size, p.mtime, p.version, p.physical, 'present', p.proof,
        p.at, p.at, p.at, p.media_type, p.mime, p.project, p.attrs)`;
}

/** What a layout makes of `norm_key`: the project and the other captures as a JSON object; NULL where it does not match. */
export function layoutColumns(layout: Layout | undefined): { project: Sql; attrs: Sql } {
  const nothing = raw("CAST(NULL AS VARCHAR)");
  if (!layout) return { project: nothing, attrs: nothing };
  const pattern = `^(?s:${layout.re2})$`;
  const capture = (index: number) => sql`nullif(regexp_extract(norm_key, ${pattern}, ${raw(String(index + 1))}), '')`;
  const project = layout.captures.indexOf("project");
  const others = layout.captures.flatMap((name, index) => (index === project ? [] : [{ name, index }]));
  return {
    project: project < 0 ? nothing : capture(project),
    attrs:
      others.length === 0 ? nothing : attributes(others.map(({ name, index }) => ({ name, value: capture(index) }))),
  };
}

/** A JSON object without the names whose value is NULL; NULL when none is left. */
function attributes(pairs: readonly { name: string; value: Sql }[]): Sql {
  const object = pairs.reduce<Sql>(
    (all, { name, value }) => (all.text === "" ? sql`${name}, ${value}` : sql`${all}, ${name}, ${value}`),
    raw(""),
  );
  return sql`nullif(CAST(json_merge_patch('{}', json_object(${object})) AS VARCHAR), '{}')`;
}

/** The layout that the location's rows were read with. */
async function storedLayout(catalog: Catalog, location: string): Promise<Layout | undefined> {
  const row = await catalog.row(
    sql<{ layout: string | null }>`SELECT layout FROM storage_locations WHERE name = ${location}`,
  );
  return row?.layout ? (JSON.parse(row.layout) as Layout) : undefined;
}
