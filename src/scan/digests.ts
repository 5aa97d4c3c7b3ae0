import type { Catalog } from "../catalog/catalog.js";
import { layoutText } from "../catalog/scans.js";
import { column, packed, raw, sql } from "../catalog/sql.js";
import { sha256Hex } from "../lib/json.js";
import type { LocationTask } from "./record.js";
import { dirOf, RACE_NS } from "./stage.js";
import type { KnownDigests } from "./walk.js";

// A directory whose listing has the digest that it had when the catalog's rows were written needs no look at the
// catalog. That holds only while nobody else changed the rows: their fingerprint is kept beside the digests.

/** More are not worth the memory. */
const LIMIT = 500_000;
let ids = 0;

/** What must be the same for the digests to mean the same. */
function salt({ location, config }: LocationTask): string {
  const meaning = [
    location.exclude.map(({ re2 }) => re2),
    layoutText(location),
    config.settings.settle,
    config.settings.state,
  ];
  return sha256Hex(JSON.stringify(meaning)).slice(0, 16);
}

async function fingerprint(catalog: Catalog, location: string): Promise<string> {
  const row = await catalog.row(sql<{ rows: string }>`
    SELECT count(*) || ':' || coalesce(bit_xor(hash(key, version, state, sha256, accessed, last_verified, physical)), 0) AS rows
    FROM file_locations WHERE location = ${location}`);
  return row?.rows ?? "";
}

/** The digests of the last complete scan, if they still describe the catalog's rows and this scan would write the same. */
export async function knownDigests(task: LocationTask): Promise<KnownDigests | undefined> {
  const { catalog, location, known, hash, now } = task;
  if (hash !== "auto" || !known?.listing) return undefined;
  const row = await catalog.row(sql<{ dirs: number; since: number | null }>`
    SELECT (SELECT count(*) FROM directories WHERE location = ${location.name}) AS dirs,
      (SELECT started_at FROM scans WHERE id = ${known.last_complete_scan === null ? null : BigInt(known.last_complete_scan)}) AS since`);
  if (!row || row.dirs === 0 || row.dirs > LIMIT || row.since === null || row.since > now) return undefined;
  if (known.listing !== `${salt(task)}:${await fingerprint(catalog, location.name)}`) return undefined;
  const digests = await catalog.row(sql<{ text: string }>`
    SELECT string_agg(dir || chr(0) || digest, chr(0)) AS text FROM directories WHERE location = ${location.name}`);
  const text = Buffer.from(digests?.text ?? "");
  const bytes = new Uint8Array(new SharedArrayBuffer(text.length));
  bytes.set(text);
  return { id: ++ids, bytes };
}

export async function stageDigests(
  catalog: Catalog,
  same: readonly string[],
  changed: readonly [string, string][],
): Promise<void> {
  if (same.length > 0) {
    await catalog.run(sql`INSERT INTO work.same SELECT coalesce(dir, '') FROM ${packed({ dir: column(same) })}`);
  }
  if (changed.length === 0) return;
  const dir = column(changed.map(([key]) => key));
  const digest = column(changed.map(([, value]) => value));
  await catalog.run(sql`INSERT INTO work.digests SELECT coalesce(dir, ''), digest FROM ${packed({ dir, digest })}`);
}

/** True when every directory of the last complete scan, and no other, was listed and looks as it did: without problems, for with them it has another digest. */
export async function untouched(catalog: Catalog, location: string): Promise<boolean> {
  const row = await catalog.row(sql<{ all: boolean }>`
    SELECT (SELECT count(*) FROM work.digests) = 0 AND (SELECT count(*) FROM work.same) > 0
      AND (SELECT count(*) FROM work.same) = (SELECT count(*) FROM directories WHERE location = ${location}) AS all`);
  return row?.all ?? false;
}

/**
 * Keeps the digests of this scan. A directory with a file that the next scan must look at all the same (settling,
 * racily clean, from the future, not read, a problem) gets a digest that no listing has. Runs inside the caller's transaction.
 */
export async function writeDigests(task: LocationTask): Promise<void> {
  const { catalog, location, now } = task;
  const clock = BigInt(Math.trunc(now)) * 1_000_000n;
  await catalog.run(sql`
    DELETE FROM directories WHERE location = ${location.name} AND dir NOT IN (SELECT dir FROM work.same)`);
  await catalog.run(sql`
    INSERT INTO directories
    WITH restless AS (
      SELECT ${dirOf(raw("key"))} AS dir FROM file_locations
      WHERE location = ${location.name} AND state <> 'missing' AND (
        state = 'settling' OR sha256 IS NULL OR epoch_ns(mtime) > CAST(${clock} AS BIGINT)
        OR abs(epoch_ns(last_verified) - epoch_ns(mtime)) < ${RACE_NS})
      UNION SELECT ${dirOf(raw("key"))} FROM work.problems
    )
    SELECT ${location.name}, dir, CASE WHEN dir IN (SELECT dir FROM restless) THEN '' ELSE digest END FROM work.digests`);
  const listing = `${salt(task)}:${await fingerprint(catalog, location.name)}`;
  await catalog.run(sql`UPDATE storage_locations SET listing = ${listing} WHERE name = ${location.name}`);
}
