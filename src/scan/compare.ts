import type { Catalog } from "../catalog/catalog.js";
import { EARLIEST, LATEST } from "../catalog/mtime.js";
import { instant, raw, type Sql, sql } from "../catalog/sql.js";
import { dirOf, type HashMode, RACE_NS } from "./stage.js";

// From what was listed and what the catalog knows to what is to be looked at.

export interface CompareOptions {
  location: string;
  now: number;
  settle: number;
  hash: HashMode;
  /** The catalog's rows were read with another layout: all are written anew. */
  relayout: boolean;
  /** Nothing is known of the location. */
  unknown: boolean;
  /** And some of its files were read when they were found. */
  early: boolean;
  /** What is asked about objects, where the location is no directory. */
  remote?: RemoteOptions;
}

export interface RemoteOptions {
  /** Its versions change with every write, and reading costs: objects are only read on request, and are never racily clean. */
  strong: boolean;
  /** Tags are wanted. */
  tags: boolean;
  /** What a row keeps of the store's metadata can not be told from what the former layout said. */
  anew: boolean;
}

/**
 * Fills `work.next` with the files that the catalog does not know just so, and marks those that are to be read; and with
 * what the catalog lists and the listing does not (`listed` is false). One join over everything, in which an unchanged file costs next to nothing.
 * What was read at once is left out: nothing is to be done about it any more.
 */
export async function compare(catalog: Catalog, options: CompareOptions): Promise<void> {
  const rows = compared(options, options.early ? sql`work.walk WHERE early_sha256 IS NULL` : sql`work.walk`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.next AS ${rows}`);
}

function compared(options: CompareOptions, walk: Sql): Sql {
  const { location, relayout, remote } = options;
  // Rows in a directory that looks as it did are as they should be.
  const others = options.unknown
    ? sql`false`
    : sql`(NOT EXISTS (SELECT 1 FROM work.same) OR ${dirOf(raw("key"))} NOT IN (SELECT dir FROM work.same))`;
  const racy = remote?.strong
    ? sql`false`
    : sql`same AND coalesce(abs(epoch_ns(last_verified) - epoch_ns(mtime)) < ${RACE_NS}, false)`;
  return sql`
    WITH paired AS (
      SELECT w.key IS NOT NULL AS listed, coalesce(w.key, f.key) AS key, coalesce(f.version = w.version, false) AS same,
        CASE WHEN f.version = w.version THEN f.size ELSE coalesce(w.size, ${versionSize}) END AS size,
        CASE WHEN f.version = w.version THEN f.mtime ELSE coalesce(w.mtime, ${versionMtime}) END AS mtime,
        w.accessed, w.version, w.physical, w.sha256, w.claim, w.storage_class, w.archived, w.attrs, w.tags, w.stars,
        coalesce(w.partial, false) AS partial, f.sha256 AS old_sha256, f.state AS old_state, f.accessed AS old_accessed, f.first_seen,
        f.last_verified, f.media_type AS old_media_type, f.mime AS old_mime, f.proof AS old_proof, f.physical AS old_physical, ${remote ? oldFacts : noFacts}
      FROM (FROM ${walk}) w FULL JOIN (SELECT * FROM file_locations WHERE location = ${location} AND ${others}) f ON f.key = w.key
    ), aged AS (SELECT *, ${racy} AS racy, ${settling(options)} AS settling FROM paired),
    decided AS (
      SELECT *, ${toRead(options)} AS todo, ${remote ? toDescribe(options.hash, remote) : sql`false`} AS ask, false AS asked
      FROM aged
    )
    SELECT * FROM decided
    WHERE NOT listed OR todo OR NOT same OR old_state = 'missing' OR settling <> (old_state = 'settling')
      OR accessed IS DISTINCT FROM old_accessed OR physical IS DISTINCT FROM old_physical OR ask OR ${remote ? retold : sql`false`} OR ${relayout}`;
}

const oldFacts = raw(
  "f.storage_class AS old_storage_class, f.archived AS old_archived, f.attrs AS old_attrs, f.tags AS old_tags, f.stars AS old_stars",
);
const noFacts = raw(
  "NULL::VARCHAR AS old_storage_class, NULL::VARCHAR AS old_archived, NULL::VARCHAR AS old_attrs, NULL::VARCHAR[] AS old_tags, NULL::DOUBLE AS old_stars",
);

/** Younger than `settle`, or from a future as near. */
export const settling = ({ now, settle }: Pick<CompareOptions, "now" | "settle">): Sql =>
  sql`((epoch_ns(${instant(now)}) - epoch_ns(mtime)) // 1000000 BETWEEN ${-settle} AND ${settle - 1})`;

/** Which rows of `work.next` are to be read, as far as it is known by now what is there. */
export function toRead({ hash, remote }: Pick<CompareOptions, "hash" | "remote">): Sql {
  const wanted = {
    all: sql`true`,
    none: sql`false`,
    auto: remote?.strong
      ? sql`false`
      : sql`(sha256 IS NULL AND claim IS NULL AND (NOT same OR old_sha256 IS NULL OR racy))`,
  }[hash];
  return sql`(${wanted} AND listed AND archived IS NULL AND NOT settling)`;
}

/** Lifecycle rules of a store change an object's class without writing it. */
const classChanged = raw("(storage_class IS NOT NULL AND (archived IS NULL) <> (old_archived IS NULL))");
const retold = sql`(${classChanged} OR (storage_class IS NOT NULL AND storage_class IS DISTINCT FROM old_storage_class))`;

/** Objects about which the store is to be asked one by one. A row without a MIME type is one about which it did not answer. */
function toDescribe(hash: HashMode, { tags, anew }: RemoteOptions): Sql {
  const unknown = sql`partial AND (NOT same OR old_mime IS NULL OR ${classChanged} OR ${anew} OR (${hash === "all"} AND old_archived IS NOT NULL))`;
  return sql`coalesce(listed AND ((${unknown}) OR (${tags} AND (NOT same OR old_tags IS NULL))), false)`;
}

/** A local version begins with size and mtime: they are cut out only where the file is new or changed. */
export const versionSize = raw("TRY_CAST(split_part(w.version, '-', 1) AS BIGINT)");
const mtimeText = "regexp_extract(w.version, '^[0-9]+-(-?[0-9]+)-', 1)";
export const versionMtime = raw(`make_timestamp_ns(greatest(${EARLIEST}, least(${LATEST},
  coalesce(TRY_CAST(split_part(w.version, '-', 2) AS BIGINT), TRY_CAST(${mtimeText} AS BIGINT), CASE WHEN starts_with(${mtimeText}, '-') THEN ${EARLIEST} ELSE ${LATEST} END))))`);
