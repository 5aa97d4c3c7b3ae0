import type { Catalog } from "../catalog/catalog.js";
import { layoutColumns } from "../catalog/entries.js";
import { instant, raw, type Sql, sql } from "../catalog/sql.js";
import type { Location, Pattern } from "../config/config.js";
import { type CompareOptions, versionMtime, versionSize } from "./compare.js";
import { excluded, stageExtensions } from "./stage.js";

// From the staged scan of one location to the catalog's rows.

/**
 * Fills `work.rows` with the rows to write, but for what was read at once: see `rowsOf`. A file that was to be read and was not,
 * because the scan was stopped, is left as it was; one that could not be read has no hash; one that went away is no row.
 * A read decides what an object is; next comes what is known of the same version; then what its store has computed; a claim comes last.
 */
export async function decide(catalog: Catalog, location: Location, options: CompareOptions): Promise<void> {
  const { now, remote } = options;
  const named = layoutColumns(location.layout);
  // An object that could not be read is still the version that its store tells of; a file may have become anything.
  const unknown = remote?.strong ? sql`(partial AND NOT same)` : sql`unread IS NOT NULL`;
  await stageExtensions(catalog);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.rows AS
    WITH unread AS (
      SELECT key, any_value(code) AS code, any_value(message) AS message FROM work.problems
      WHERE code IN ('changed', 'unreadable', 'vanished', 'archived') GROUP BY key
    ), read AS (
      SELECT n.*, h.sha256 AS read_sha256, h.mime AS read_mime, h.media_type AS read_media_type, u.code AS unread, u.message AS why_unread,
        coalesce(same AND (NOT racy OR old_state = 'rot') AND h.sha256 <> old_sha256 AND old_proof IS DISTINCT FROM 'claim', false) AS rotten
      FROM work.next n LEFT JOIN work.hashed h ON h.key = n.key LEFT JOIN unread u ON u.key = n.key
      WHERE n.listed AND u.code IS DISTINCT FROM 'vanished' AND (NOT todo OR h.sha256 IS NOT NULL OR u.code IS NOT NULL) AND (NOT ask OR asked)
    ), known AS (
      SELECT *, nfc_normalize(key) AS norm_key, CASE
        WHEN rotten THEN 'known'
        WHEN read_sha256 IS NOT NULL THEN 'content'
        WHEN ${unknown} THEN NULL
        WHEN same AND old_sha256 IS NOT NULL AND (old_proof IS DISTINCT FROM 'claim' OR sha256 IS NULL) THEN 'known'
        WHEN sha256 IS NOT NULL THEN 'checksum'
        WHEN claim IS NOT NULL THEN 'claim' END AS basis,
        CASE basis WHEN 'known' THEN old_sha256 WHEN 'content' THEN read_sha256 WHEN 'checksum' THEN sha256 WHEN 'claim' THEN claim END AS content,
        NOT partial OR (same AND old_mime IS NOT NULL) AS described
      FROM read
    )
    SELECT k.key, k.norm_key, k.content AS sha256, CASE WHEN basis = 'known' THEN coalesce(old_proof, 'content') ELSE basis END AS proof, k.size, k.mtime, k.accessed, k.version, k.physical,
      CASE WHEN rotten OR (same AND old_state = 'rot' AND read_sha256 IS NULL) THEN 'rot' WHEN settling THEN 'settling' ELSE 'present' END AS state,
      CASE WHEN same OR content = old_sha256 THEN coalesce(first_seen, ${instant(now)}) ELSE ${instant(now)} END AS first_seen,
      ${instant(now)} AS last_seen,
      CASE WHEN content IS NULL THEN NULL WHEN rotten THEN last_verified WHEN read_sha256 IS NOT NULL THEN ${instant(now)}
        WHEN same THEN last_verified END AS last_verified,
      CASE WHEN read_mime IS NOT NULL THEN read_media_type WHEN same AND old_mime IS NOT NULL THEN old_media_type
        ELSE coalesce(e.media_type, 'other') END AS media_type,
      coalesce(read_mime, CASE WHEN same THEN old_mime END, CASE WHEN described THEN coalesce(e.mime, 'application/octet-stream') END) AS mime,
      ${named.project} AS project, ${remote ? merged(named.attrs) : named.attrs} AS attrs, ${facts},
      old_state IS NULL OR old_state = 'missing' AS added, NOT same AS changed, old_sha256, old_state, rotten, read_sha256,
      same AND old_proof = 'claim' AND content <> old_sha256 AS corrected
    FROM known k LEFT JOIN work.extensions e ON e.extension = CASE WHEN read_mime IS NULL THEN lower(regexp_extract(k.key, '[^/]\\.([^./]+)$', 1)) END`);
}

/** What the layout says wins over what the store keeps beside the object. */
const merged = (attrs: Sql): Sql => sql`nullif(CAST(json_merge_patch(
  coalesce(CASE WHEN same AND partial THEN old_attrs ELSE attrs END, '{}'), coalesce(${attrs}, '{}')) AS VARCHAR), '{}')`;

/** Where a listing was silent, what is known of the same version. */
const facts = raw(`coalesce(storage_class, CASE WHEN same THEN old_storage_class END) AS storage_class,
  CASE WHEN read_sha256 IS NOT NULL THEN NULL WHEN unread = 'archived' THEN why_unread WHEN same AND partial THEN old_archived ELSE archived END AS archived,
  coalesce(tags, CASE WHEN same THEN old_tags END) AS tags, coalesce(stars, CASE WHEN same THEN old_stars END) AS stars`);

/** The rows to write: with what was read at once, which is as it was found, and of which nothing was known. */
export const rowsOf = (location: Location, options: CompareOptions): Sql =>
  options.early ? sql`(FROM work.rows UNION ALL BY NAME (${readAtOnce(location, options)}))` : sql`work.rows`;

function readAtOnce({ layout }: Location, options: CompareOptions): Sql {
  const named = layoutColumns(layout);
  const now = instant(options.now);
  return sql`
    SELECT key, nfc_normalize(key) AS norm_key, early_sha256 AS sha256, 'content' AS proof, ${versionSize} AS size, ${versionMtime} AS mtime,
      accessed, version, physical, 'present' AS state, ${now} AS first_seen, ${now} AS last_seen, ${now} AS last_verified,
      early_media_type AS media_type, early_mime AS mime, ${named.project} AS project, ${named.attrs} AS attrs, true AS added, false AS changed
    FROM work.walk w WHERE early_sha256 IS NOT NULL`;
}

/** Adds the rot among `work.rows` to `work.problems`. */
export async function noteRot(catalog: Catalog): Promise<void> {
  await catalog.run(sql`
    INSERT INTO work.problems SELECT key, 'rot', 'expected sha256:' || old_sha256 || ' and read sha256:' || read_sha256
    FROM work.rows WHERE rotten`);
}

/**
 * Writes what is new among `rows`, before it is known what will become of the scan: a file that was never seen and
 * has been read is there in any case. What changed or is gone waits until the scan is believed.
 */
export async function keepNew(catalog: Catalog, location: string, rows: Sql): Promise<void> {
  await catalog.run(
    insert(
      location,
      sql`${rows}
    WHERE old_state IS NULL AND sha256 IS NOT NULL
      AND key NOT IN (SELECT key FROM file_locations WHERE location = ${location})`,
    ),
  );
}

/** Fills `work.gone` with what the catalog lists and the complete listing does not; `ours` = no loss, as we removed it or the location does not want it. */
export async function findGone(catalog: Catalog, location: string, exclude: readonly Pattern[]): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.gone AS
    WITH lost AS (
      SELECT key FROM work.next WHERE NOT listed
      UNION SELECT key FROM work.problems WHERE code = 'vanished'
    )
    SELECT key, sha256, state, (key IN (SELECT key FROM work.removed) OR ${excluded(exclude)}) AS ours
    FROM file_locations WHERE location = ${location} AND key IN (SELECT key FROM lost)`);
}

/** What we removed is no loss either where something else has got its name since. */
const replacedByUs = raw("(sha256 IS DISTINCT FROM old_sha256 AND key IN (SELECT key FROM work.removed))");

/** How many contents the location had at its last complete scan, and how many of them it has nowhere any more (S14). A claim that was wrong is no loss. */
export async function shrink(catalog: Catalog, location: string): Promise<{ had: number; lost: number }> {
  const suspicious = await catalog.row(sql`
    SELECT 1 FROM work.gone WHERE NOT ours UNION ALL SELECT 1 FROM work.rows WHERE old_sha256 IS NOT NULL AND sha256 IS DISTINCT FROM old_sha256 LIMIT 1`);
  if (!suspicious) return { had: 0, lost: 0 };
  const row = await catalog.row(sql<{ had: number; lost: number }>`
    WITH had AS (
      SELECT key, sha256 FROM file_locations
      WHERE location = ${location} AND state IN ('present', 'settling') AND sha256 IS NOT NULL
        AND first_seen <= (SELECT s.started_at FROM scans s JOIN storage_locations l ON l.last_complete_scan = s.id WHERE l.name = ${location})
        AND key NOT IN (SELECT key FROM work.gone WHERE ours)
        AND key NOT IN (SELECT key FROM work.rows WHERE old_state IS NULL OR corrected OR ${replacedByUs})
    ), touched AS (SELECT key FROM work.gone UNION ALL SELECT key FROM work.rows),
    stays AS (
      SELECT sha256 FROM had WHERE key NOT IN (SELECT key FROM touched)
      UNION ALL SELECT sha256 FROM work.rows WHERE sha256 IS NOT NULL
    )
    SELECT (SELECT count(DISTINCT sha256) FROM had) AS had,
      (SELECT count(DISTINCT sha256) FROM had WHERE sha256 NOT IN (SELECT sha256 FROM stays)) AS lost`);
  return row ?? { had: 0, lost: 0 };
}

/** Writes `rows` into the catalog. Runs inside the caller's transaction. */
export async function writeRows(catalog: Catalog, location: string, rows: Sql): Promise<void> {
  // Of a location that is new there is nothing to look for.
  if (await catalog.row(sql`SELECT 1 FROM file_locations WHERE location = ${location} LIMIT 1`))
    await catalog.run(
      sql`DELETE FROM file_locations WHERE location = ${location} AND key IN (SELECT key FROM ${rows})`,
    );
  await catalog.run(insert(location, rows));
}

const insert = (location: string, rows: Sql): Sql => sql`
  INSERT INTO file_locations (location, key, norm_key, sha256, size, mtime, accessed, version, physical, state,
    first_seen, last_seen, last_verified, media_type, mime, project, attrs, proof, storage_class, archived, tags, stars)
  SELECT ${location}, key, norm_key, sha256, size, mtime, accessed, version, physical, state,
    first_seen, last_seen, last_verified, media_type, mime, project, attrs, proof, storage_class, archived, tags, stars
  FROM ${rows}`;

/** Marks `work.gone` missing, and forgets what is gone by our own doing. Only after a complete scan; runs inside the caller's transaction. */
export async function writeGone(catalog: Catalog, location: string): Promise<void> {
  await catalog.run(sql`
    DELETE FROM file_locations f USING work.gone g WHERE f.location = ${location} AND f.key = g.key AND g.ours`);
  await catalog.run(sql`
    UPDATE file_locations f SET state = 'missing' FROM work.gone g
    WHERE f.location = ${location} AND f.key = g.key AND NOT g.ours AND f.state <> 'missing'`);
}

export interface Counts {
  added: number;
  changed: number;
  missing: number;
}

export const counts = (rows: Sql): Sql<Counts> => sql<Counts>`
  SELECT count(*) FILTER (WHERE added) AS added,
    count(*) FILTER (WHERE changed AND NOT added) AS changed,
    (SELECT count(*) FROM work.gone WHERE NOT ours AND state <> 'missing') AS missing
  FROM ${rows}`;
