import type { Catalog } from "../catalog/catalog.js";
import { column, join, PACKED, packed, raw, type Sql, sql } from "../catalog/sql.js";
import type { Pattern } from "../config/config.js";
import type { Problem } from "./directory.js";
import { extensions } from "./media.js";
import type { HashChunk } from "./pool.js";
import type { WalkChunk } from "./walk.js";

// The scan of one location lies in `work` tables until it is known whether it may be believed:
//   walk     what was listed, and read at once (`early_…`)  problems  what could not be read, listed or named
//   same     directories that look as they did              digests   how the other ones look
//   others   what is neither a file nor a directory
//   next     what differs from the catalog, whether its store is to be asked about it (`ask`) and its bytes are to be read (`todo`)
//   hashed   what was read                                  rows, gone  what will be written, what is not there any more

/** Which files are read: new, changed and racily clean ones; every one; none. */
export type HashMode = "auto" | "all" | "none";

/** A file whose mtime lies this close to the moment of its hash may have changed afterwards under the same token. */
export const RACE_NS = 2_000_000_000n;

/** What a storage tells of an object beside its size and version; directories tell nothing of it. */
export const TOLD_COLUMNS = raw(
  "sha256 VARCHAR, claim VARCHAR, storage_class VARCHAR, archived VARCHAR, attrs VARCHAR, tags VARCHAR[], stars DOUBLE",
);

export async function openStage(catalog: Catalog): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.walk (key VARCHAR, size BIGINT, mtime TIMESTAMP_NS, accessed TIMESTAMP,
    version VARCHAR, physical VARCHAR, ${TOLD_COLUMNS}, partial BOOLEAN, early_sha256 VARCHAR, early_mime VARCHAR, early_media_type VARCHAR)`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.hashed (key VARCHAR, sha256 VARCHAR, mime VARCHAR, media_type VARCHAR, proof VARCHAR DEFAULT 'content')`,
  );
  await catalog.run(sql`CREATE OR REPLACE TABLE work.problems (key VARCHAR, code VARCHAR, message VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.removed (key VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.same (dir VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.digests (dir VARCHAR, digest VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.others (key VARCHAR)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.next (key VARCHAR, old_sha256 VARCHAR, listed BOOLEAN)`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.gone (key VARCHAR, sha256 VARCHAR, state VARCHAR, ours BOOLEAN)`);
}

/** What extensions stand for; made when it is first asked for. */
export async function stageExtensions(catalog: Catalog): Promise<void> {
  const known = extensions();
  await catalog.run(
    sql`CREATE TABLE IF NOT EXISTS work.extensions AS SELECT * FROM ${packed({
      extension: column(known.map(([extension]) => extension)),
      mime: column(known.map(([, mime]) => mime)),
      media_type: column(known.map(([, , media]) => media)),
    })}`,
  );
}

const TABLES = [
  "walk",
  "same",
  "digests",
  "others",
  "next",
  "hashed",
  "problems",
  "removed",
  "rows",
  "gone",
  "extensions",
];

export async function closeStage(catalog: Catalog): Promise<void> {
  for (const table of TABLES) {
    await catalog.run({ text: `DROP TABLE IF EXISTS work.${table}`, values: [] });
  }
}

type Column = "keys" | "accessed" | "versions" | "physicals" | "hashes" | "mimes" | "mediaTypes";

/** Adds listed files. The columns of several chunks go in together, for one statement costs as much as a thousand rows. */
export async function stageFiles(catalog: Catalog, chunks: readonly WalkChunk[]): Promise<void> {
  const full = chunks.filter((chunk) => chunk.rows > 0);
  if (full.length === 0) return;
  const text = (field: Column) => full.map((chunk) => chunk[field] ?? PACKED.repeat(chunk.rows - 1)).join(PACKED);
  const physical = { physical: { text: text("physicals") } };
  const early = {
    early_sha256: { text: text("hashes") },
    early_mime: { text: text("mimes") },
    early_media_type: { text: text("mediaTypes") },
  };
  await catalog.run(
    sql`INSERT INTO work.walk BY NAME SELECT * FROM ${packed({
      key: { text: text("keys") },
      accessed: { text: text("accessed"), type: "TIMESTAMP" },
      version: { text: text("versions") },
      ...(full.some(({ linked }) => linked) && physical),
      ...(full.some(({ read }) => read > 0) && early),
    })}`,
  );
}

export async function stageHashes(catalog: Catalog, chunks: readonly HashChunk[]): Promise<void> {
  const full = chunks.filter((chunk) => chunk.files > 0);
  if (full.length === 0) return;
  const text = (field: "keys" | "hashes" | "mimes" | "mediaTypes" | "proofs") =>
    full.map((chunk) => chunk[field] ?? PACKED.repeat(chunk.files - 1)).join(PACKED);
  const kinds = { mime: { text: text("mimes") }, media_type: { text: text("mediaTypes") } };
  await catalog.run(
    sql`INSERT INTO work.hashed BY NAME SELECT * FROM ${packed({
      key: { text: text("keys") },
      sha256: { text: text("hashes") },
      ...(full.some(({ mimes }) => mimes !== undefined) && kinds),
      ...(full.some(({ proofs }) => proofs !== undefined) && { proof: { text: text("proofs") } }),
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

export async function stageOthers(catalog: Catalog, keys: readonly string[]): Promise<void> {
  if (keys.length > 0) await catalog.run(sql`INSERT INTO work.others SELECT key FROM ${packed({ key: column(keys) })}`);
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
export const ANY_NAME = "\u{10fffd}\u{10fffc}";

/** With such a problem a listing is not complete. */
const ofListing = sql`code IN ('listing', 'stat')`;

/**
 * A directory or name that could not be listed and matters, if there is one. One that `exclude` takes out with all that could be in it
 * is as good as listed.
 */
export async function unlisted(catalog: Catalog, exclude: readonly Pattern[]): Promise<Problem | undefined> {
  await catalog.run(sql`
    DELETE FROM work.problems WHERE ${ofListing} AND key IN (
      SELECT dir FROM (
        SELECT p.key AS dir, unnest([p.key || '/' || ${ANY_NAME}, p.key || '/' || ${ANY_NAME} || '/' || ${ANY_NAME}]) AS key
        FROM work.problems p WHERE ${ofListing} AND p.key <> ''
      ) GROUP BY dir HAVING bool_and(${excluded(exclude)}))`);
  return catalog.row(
    sql<Problem>`SELECT key, code, message FROM work.problems WHERE ${ofListing} ORDER BY key LIMIT 1`,
  );
}

/** The directory of a key, "" for the root. */
export const dirOf = (key: Sql): Sql => sql`regexp_extract(${key}, '^(?s:(.*))/[^/]*$', 1)`;

/** Files to read in one go, about as much work each: keys and versions in turn, NUL-separated. */
export interface Batch {
  files: string;
}

const SLICE = 20_000;

/** The files to read, slice by slice, because sorting all of them at once takes memory; in a slice in the order of their inodes, which is near that of the disk. */
export async function* batches(catalog: Catalog): AsyncGenerator<Batch> {
  const last = await catalog.row(sql<{ row: number | null }>`SELECT max(rowid) AS row FROM work.next WHERE todo`);
  const end = last?.row ?? -1;
  const fetch = (from: number) => {
    const rows = from > end ? Promise.resolve([]) : catalog.rows(slice(BigInt(from)));
    // Told when it is its turn.
    rows.catch(() => undefined);
    return rows;
  };
  // The next slice is made while this one is read.
  for (let from = 0, next = fetch(0); from <= end; from += SLICE) {
    const rows = await next;
    next = fetch(from + SLICE);
    yield* rows;
  }
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
