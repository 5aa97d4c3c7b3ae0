import type { Catalog } from "../catalog/catalog.js";
import { column, instant, join, PACKED, packed, raw, type Sql, sql } from "../catalog/sql.js";
import type { Pattern } from "../config/config.js";
import type { Problem } from "./directory.js";
import { extensions } from "./media.js";
import type { HashChunk } from "./pool.js";
import type { WalkChunk } from "./walk.js";

// The scan of one location lies in `work` tables until it is known whether it may be believed:
//   walk     what was listed                                problems  what could not be read, listed or named
//   same     directories that look as they did              digests   how the others look
//   next     what differs from the catalog, and whether its bytes are to be read (`todo`)
//   hashed   what was read                                  rows, gone  what will be written, what is not there any more

/** Which files are read: new, changed and racily clean ones; every one; none. */
export type HashMode = "auto" | "all" | "none";

/** A file whose mtime lies this close to the moment of its hash may have changed afterwards under the same token. */
export const RACE_NS = 2_000_000_000n;

export async function openStage(catalog: Catalog): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.walk (key VARCHAR, size BIGINT, mtime TIMESTAMP_NS, accessed TIMESTAMP,
    version VARCHAR, physical VARCHAR, sha256 VARCHAR)`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.hashed (key VARCHAR, sha256 VARCHAR, mime VARCHAR, media_type VARCHAR)`,
  );
  await catalog.run(sql`CREATE OR REPLACE TABLE work.problems (key VARCHAR, code VARCHAR, message VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.removed (key VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.same (dir VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.digests (dir VARCHAR, digest VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.next (key VARCHAR, old_sha256 VARCHAR, listed BOOLEAN)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.gone (key VARCHAR, sha256 VARCHAR, state VARCHAR, ours BOOLEAN)`);
  const known = extensions();
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.extensions AS SELECT * FROM ${packed({
      extension: column(known.map(([extension]) => extension)),
      mime: column(known.map(([, mime]) => mime)),
      media_type: column(known.map(([, , media]) => media)),
    })}`,
  );
}

const TABLES = ["walk", "same", "digests", "next", "hashed", "problems", "removed", "rows", "gone", "extensions"];

export async function closeStage(catalog: Catalog): Promise<void> {
  for (const table of TABLES) {
    await catalog.run({ text: `DROP TABLE IF EXISTS work.${table}`, values: [] });
  }
}

/** Adds listed files. The columns of several chunks go in together, for one statement costs as much as a thousand rows. */
export async function stageFiles(catalog: Catalog, chunks: readonly WalkChunk[]): Promise<void> {
  const full = chunks.filter((chunk) => chunk.rows > 0);
  if (full.length === 0) return;
  const text = (field: "keys" | "sizes" | "mtimes" | "accessed" | "versions" | "physicals" | "hashes") =>
    full.map((chunk) => chunk[field] ?? PACKED.repeat(chunk.rows - 1)).join(PACKED);
  await catalog.run(
    sql`INSERT INTO work.walk SELECT key, size, mtime, accessed, version, physical, sha256 FROM ${packed({
      key: { text: text("keys") },
      size: { text: text("sizes"), type: "BIGINT" },
      mtime: { text: text("mtimes"), type: "TIMESTAMP_NS" },
      accessed: { text: text("accessed"), type: "TIMESTAMP" },
      version: { text: text("versions") },
      physical: { text: text("physicals") },
      sha256: { text: text("hashes") },
    })}`,
  );
}

export async function stageHashes(catalog: Catalog, chunks: readonly HashChunk[]): Promise<void> {
  const full = chunks.filter((chunk) => chunk.files > 0);
  if (full.length === 0) return;
  const text = (field: "keys" | "hashes" | "mimes" | "mediaTypes") => full.map((chunk) => chunk[field]).join(PACKED);
  await catalog.run(
    sql`INSERT INTO work.hashed SELECT key, sha256, mime, media_type FROM ${packed({
      key: { text: text("keys") },
      sha256: { text: text("hashes") },
      mime: { text: text("mimes") },
      media_type: { text: text("mediaTypes") },
    })}`,
  );
}

export async function stageProblems(catalog: Catalog, problems: readonly Problem[]): Promise<void> {
  if (problems.length === 0) return;
  await catalog.run(
    sql`INSERT INTO work.problems SELECT coalesce(key, ''), code, message FROM ${packed({
      key: column(problems.map((problem) => problem.key)),
      code: column(problems.map((problem) => problem.code)),
      message: column(problems.map((problem) => problem.message)),
    })}`,
  );
}

/** The keys of the location that stowage itself removed and the catalog still lists. */
export async function stageRemoved(catalog: Catalog, keys: readonly string[]): Promise<void> {
  if (keys.length > 0)
    await catalog.run(sql`INSERT INTO work.removed SELECT key FROM ${packed({ key: column(keys) })}`);
}

/** Whether the location's `exclude` takes the NFC key out, as a condition over the column `key`. Never a JavaScript pattern. */
export function excluded(exclude: readonly Pattern[]): Sql {
  if (exclude.length === 0) return sql`false`;
  return sql`(${join(
    exclude.map((pattern) => sql`regexp_full_match(nfc_normalize(key), ${pattern.re2})`),
    " OR ",
  )})`;
}

export async function dropExcluded(catalog: Catalog, exclude: readonly Pattern[]): Promise<void> {
  if (exclude.length > 0) await catalog.run(sql`DELETE FROM work.walk WHERE ${excluded(exclude)}`);
}

/** No pattern for single names matches it by chance. */
const ANY_NAME = "\u{10fffd}\u{10fffc}";

/**
 * A directory that could not be listed and matters, if there is one. One that `exclude` takes out with all that could be in it
 * is as good as listed.
 */
export async function unlisted(catalog: Catalog, exclude: readonly Pattern[]): Promise<Problem | undefined> {
  await catalog.run(sql`
    DELETE FROM work.problems WHERE code = 'listing' AND key IN (
      SELECT dir FROM (
        SELECT p.key AS dir, unnest([p.key || '/' || ${ANY_NAME}, p.key || '/' || ${ANY_NAME} || '/' || ${ANY_NAME}]) AS key
        FROM work.problems p WHERE p.code = 'listing' AND p.key <> ''
      ) GROUP BY dir HAVING bool_and(${excluded(exclude)}))`);
  return catalog.row(
    sql<Problem>`SELECT key, code, message FROM work.problems WHERE code = 'listing' ORDER BY key LIMIT 1`,
  );
}

/** The directory of a key, "" for the root. */
export const dirOf = (key: Sql): Sql => sql`regexp_extract(${key}, '^(?s:(.*))/[^/]*$', 1)`;

export interface CompareOptions {
  location: string;
  now: number;
  settle: number;
  hash: HashMode;
  /** The catalog's rows were read with another layout: all are written anew. */
  relayout: boolean;
  /** All directories look as they did. */
  untouched: boolean;
}

/**
 * Fills `work.next` with the files that the catalog does not know just so, and marks those that are to be read; and with
 * what the catalog lists and the listing does not (`listed` is false). One join over everything, in which an unchanged file costs next to nothing.
 */
export async function compare(catalog: Catalog, options: CompareOptions): Promise<void> {
  const { location, now, settle, hash, relayout } = options;
  // Rows in a directory that looks as it did are as they should be.
  const others = options.untouched
    ? sql`false`
    : sql`(NOT EXISTS (SELECT 1 FROM work.same) OR ${dirOf(raw("key"))} NOT IN (SELECT dir FROM work.same))`;
  const wanted = {
    all: sql`true`,
    none: sql`false`,
    auto: sql`(sha256 IS NULL AND (NOT same OR old_sha256 IS NULL OR racy))`,
  }[hash];
  await catalog.run(sql`CREATE OR REPLACE TABLE work.next AS
    WITH paired AS (
      SELECT w.key IS NOT NULL AS listed, coalesce(w.key, f.key) AS key, coalesce(f.version = w.version, false) AS same,
        CASE WHEN f.version = w.version THEN f.size ELSE coalesce(w.size, ${versionSize}) END AS size,
        CASE WHEN f.version = w.version THEN f.mtime ELSE coalesce(w.mtime, ${versionMtime}) END AS mtime,
        w.accessed, w.version, w.physical, w.sha256,
        f.sha256 AS old_sha256, f.state AS old_state, f.accessed AS old_accessed, f.first_seen, f.last_verified,
        f.media_type AS old_media_type, f.mime AS old_mime
      FROM work.walk w FULL JOIN (SELECT * FROM file_locations WHERE location = ${location} AND ${others}) f ON f.key = w.key
    ), aged AS (
      SELECT *, (epoch_ns(${instant(now)}) - epoch_ns(mtime)) // 1000000 AS age,
        same AND coalesce(abs(epoch_ns(last_verified) - epoch_ns(mtime)) < ${RACE_NS}, false) AS racy
      FROM paired
    ), decided AS (
      SELECT *, age < ${settle} AND age >= ${-settle} AS settling,
        ${wanted} AND listed AND NOT (age < ${settle} AND age >= ${-settle}) AS todo
      FROM aged
    )
    SELECT * FROM decided
    WHERE NOT listed OR todo OR NOT same OR old_state = 'missing' OR settling <> (old_state = 'settling')
      OR accessed IS DISTINCT FROM old_accessed OR ${relayout}`);
}

/** A local version begins with size and mtime: they are cut out only where the file is new or changed. */
const versionSize = raw("CAST(split_part(w.version, '-', 1) AS BIGINT)");
const versionMtime = raw(`make_timestamp_ns(coalesce(
  TRY_CAST(regexp_extract(w.version, '^[0-9]+-(-?[0-9]+)-', 1) AS BIGINT), ${2n ** 63n - 2n}))`);

/** Files to read in one go, about as much work each: keys and versions in turn, NUL-separated. */
export interface Batch {
  files: string;
}

const SLICE = 20_000;

/** The files to read, slice by slice, because sorting all of them at once takes memory; in a slice in the order of their inodes, which is near that of the disk. */
export async function* batches(catalog: Catalog): AsyncGenerator<Batch> {
  const last = await catalog.row(sql<{ row: number | null }>`SELECT max(rowid) AS row FROM work.next WHERE todo`);
  for (let from = 0; from <= (last?.row ?? -1); from += SLICE) yield* await catalog.rows(slice(BigInt(from)));
}

const slice = (from: bigint): Sql<Batch> => sql<Batch>`
  WITH placed AS (
    SELECT key, version, size, TRY_CAST(split_part(version, '-', -1) AS UBIGINT) AS place FROM work.next
    WHERE todo AND rowid >= ${from} AND rowid < ${from + BigInt(SLICE)}
  ), numbered AS (
    SELECT *, (sum(1 + size // 65536) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING)) // 300 AS batch FROM placed
  )
  SELECT string_agg(key || chr(0) || version, chr(0)) AS files FROM numbered GROUP BY batch ORDER BY batch`;

export const todo = (): Sql<{ files: number; bytes: number }> => sql<{ files: number; bytes: number }>`
  SELECT count(*) AS files, CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes FROM work.next WHERE todo`;
