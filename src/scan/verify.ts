import type { Backend } from "../backend/backend.js";
import { isTouchedOnly } from "../backend/local-version.js";
import type { Catalog } from "../catalog/catalog.js";
import { type KnownLocation, knownLocations } from "../catalog/scans.js";
import { column, instant, packed, type Sql, sql } from "../catalog/sql.js";
import type { Config, Location } from "../config/config.js";
import { chooseLocations, examine, type Health } from "./health.js";
import { openMeter, type Progress } from "./meter.js";
import { openPool, type Pool } from "./pool.js";
import { backendReader, localReader, readAll } from "./read.js";
import { closeStage, openStage, RACE_NS, todo } from "./stage.js";

export interface VerifyOptions {
  locations?: readonly string[];
  /** Only what its location's `verify: { every }` asks for by now. */
  due?: boolean;
  /** Only this part of the files of each location, 0..1, chosen anew at every clock. */
  sample?: number;
  now: number;
  onEvent?: (event: VerifyEvent) => void;
  signal?: AbortSignal;
  threads?: number;
}

export type VerifyEvent = { type: "verify"; location: string } & Progress;

interface Finding {
  location: string;
  key: string;
}

/** The lists hold the first `LISTED` of each kind and location; `counts` has all. */
export interface VerifyReport {
  at: number;
  /** Files that were to be read, and the bytes of them. */
  checked: number;
  bytes: number;
  ok: number;
  counts: { rot: number; changed: number; missing: number; unreadable: number };
  /** The same version of the file has other bytes. Hashes are lower-case hex. */
  rot: (Finding & { expected: string; actual: string })[];
  /** Another version than the catalog knows: to be scanned again. */
  changed: Finding[];
  missing: Finding[];
  unreadable: (Finding & { message: string })[];
  /** Locations that were not read, or not believed afterwards. */
  skipped: { location: string; reason: string }[];
}

export const LISTED = 1_000;

/** The clock that stamps files ticks every few milliseconds. */
const TICK_NS = 20_000_000n;

/**
 * Re-reads files and compares them with the catalog: files with the right bytes become verified as of now, others are
 * marked `rot` or `missing`. What can not be read keeps its state. Storage is only read.
 */
export async function verify(
  config: Config,
  catalog: Catalog,
  backends: ReadonlyMap<string, Backend>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const known = await knownLocations(catalog);
  const report = emptyReport(options.now);
  const pool = openPool(options.threads);
  options.signal?.addEventListener("abort", pool.abort);
  try {
    for (const location of chooseLocations(config, options.locations)) {
      const backend = backends.get(location.name);
      if (!backend || options.signal?.aborted || (options.due && !location.verify)) continue;
      const reason = await verifyLocation(
        { catalog, location, backend, options, pool, report },
        known.get(location.name),
      );
      if (reason !== undefined) report.skipped.push({ location: location.name, reason });
    }
    return report;
  } finally {
    options.signal?.removeEventListener("abort", pool.abort);
    await pool.close();
    await closeStage(catalog);
  }
}

interface VerifyTask {
  catalog: Catalog;
  location: Location;
  backend: Backend;
  options: VerifyOptions;
  pool: Pool;
  report: VerifyReport;
}

/** Returns why nothing of the location was believed, if so. */
async function verifyLocation(task: VerifyTask, known: KnownLocation | undefined): Promise<string | undefined> {
  const { catalog, location, backend, options } = task;
  const expected = known?.uuid ?? undefined;
  const health = await examine(location.name, backend, expected);
  const suspect = health.suspect ?? known?.suspect ?? undefined;
  if (suspect !== undefined) return suspect;
  await openStage(catalog);
  await catalog.run(choose(location, options));
  const work = await catalog.row(todo());
  if (!work || work.files === 0) return undefined;
  await read(task, health, work);
  const after = await examine(location.name, backend, health.uuid);
  if (after.suspect !== undefined || after.identity !== health.identity)
    return after.suspect ?? "it was replaced meanwhile";
  await catalog.run(judge());
  await tally(task);
  await catalog.run(write(location.name, options.now));
  return undefined;
}

/** Fills `work.next` with the files to read. */
function choose(location: Location, options: VerifyOptions): Sql {
  const every = options.due ? (location.verify?.every ?? 0) : undefined;
  const due =
    every === undefined ? sql`true` : sql`(last_verified IS NULL OR last_verified < ${instant(options.now - every)})`;
  const seed = String(options.now);
  const share = options.sample ?? 1;
  return sql`CREATE OR REPLACE TABLE work.next AS
    WITH due AS (
      SELECT key, version, size, mtime, last_verified, sha256 AS old_sha256, row_number() OVER (ORDER BY md5(${seed} || chr(0) || key)) AS place
      FROM file_locations
      WHERE location = ${location.name} AND state IN ('present', 'rot') AND sha256 IS NOT NULL AND ${due}
    )
    SELECT *, true AS todo, true AS listed FROM due WHERE place <= ceil(${share} * (SELECT count(*) FROM due))`;
}

async function read(task: VerifyTask, health: Health, work: { files: number; bytes: number }): Promise<void> {
  const { catalog, location, backend, options, pool } = task;
  const tell = (progress: Progress) => options.onEvent?.({ type: "verify", location: location.name, ...progress });
  const meter = openMeter(options.onEvent && tell, pool);
  meter.start("hash", work);
  const reader =
    health.root === undefined ? backendReader(backend, meter, 8, options.signal) : localReader(pool, health.root);
  await readAll(catalog, reader, pool.size, options.signal);
  if (await takeTouched(task)) await readAll(catalog, reader, pool.size, options.signal);
  meter.stop(work);
}

/**
 * Files whose size, mtime and inode are as they were, under another ctime, are read as they are now: the right bytes make them
 * verified, other bytes are rot, for whoever edits a file gives it another mtime. Returns whether there are any.
 */
async function takeTouched({ catalog, backend }: VerifyTask): Promise<boolean> {
  const rows = await catalog.rows(sql<{ key: string; version: string }>`
    SELECT n.key, n.version FROM work.next n SEMI JOIN work.problems p ON p.key = n.key AND p.code = 'changed'`);
  const touched: { key: string; version: string }[] = [];
  for (const { key, version } of rows) {
    const entry = await backend.stat(key).catch(() => undefined);
    if (entry && isTouchedOnly(version, entry.version)) touched.push({ key, version: entry.version });
  }
  await catalog.run(sql`UPDATE work.next SET todo = false`);
  if (touched.length === 0) return false;
  const now = packed({
    key: column(touched.map((each) => each.key)),
    version: column(touched.map((each) => each.version)),
  });
  await catalog.run(sql`UPDATE work.next n SET todo = true, version = t.version FROM ${now} t WHERE t.key = n.key`);
  await catalog.run(sql`DELETE FROM work.problems p WHERE p.key IN (SELECT key FROM work.next WHERE todo)`);
  return true;
}

/** One verdict for each file that was reached. The bytes of a file that is racily clean may have changed under its version: that is no rot. */
const judge = (): Sql => sql`CREATE OR REPLACE TABLE work.rows AS
  SELECT n.key, n.size, n.version, n.old_sha256 AS expected, h.sha256 AS actual, p.message,
    CASE WHEN h.sha256 = n.old_sha256 THEN 'ok'
      WHEN ${raced} AND h.sha256 IS NOT NULL THEN 'changed'
      WHEN h.sha256 IS NOT NULL THEN 'rot'
      WHEN p.code = 'vanished' THEN 'missing'
      ELSE p.code END AS verdict
  FROM work.next n LEFT JOIN work.hashed h ON h.key = n.key LEFT JOIN work.problems p ON p.key = n.key
  WHERE h.key IS NOT NULL OR p.key IS NOT NULL`;

/** Written so close to its last verification that the clock of the file system may not tell the two apart. */
const raced = sql`abs(epoch_ns(n.last_verified) - epoch_ns(n.mtime)) < CASE WHEN epoch_ns(n.mtime) % 1000000000 = 0 THEN ${RACE_NS} ELSE ${TICK_NS} END`;

/** Only rot and missing files change state; one that has its bytes back is present again. */
const write = (location: string, now: number): Sql => sql`
  UPDATE file_locations f SET
    state = CASE verdict WHEN 'ok' THEN 'present' ELSE verdict END,
    version = r.version,
    last_verified = CASE verdict WHEN 'ok' THEN ${instant(now)} ELSE last_verified END
  FROM work.rows r WHERE f.location = ${location} AND f.key = r.key AND verdict IN ('ok', 'rot', 'missing')`;

type Verdict = "ok" | keyof VerifyReport["counts"];

/** Adds the location's verdicts to the report. */
async function tally({ catalog, location, report }: VerifyTask): Promise<void> {
  const totals = await catalog.rows(sql<{ verdict: Verdict; files: number; bytes: number }>`
    SELECT verdict, count(*) AS files, CAST(sum(size) AS BIGINT) AS bytes FROM work.rows GROUP BY verdict`);
  for (const { verdict, files, bytes } of totals) {
    report.checked += files;
    report.bytes += bytes;
    if (verdict === "ok") report.ok += files;
    else report.counts[verdict] += files;
  }
  const found = await catalog.rows(sql<{
    verdict: Verdict;
    key: string;
    expected: string;
    actual: string;
    message: string;
  }>`
    SELECT verdict, key, expected, actual, message FROM work.rows WHERE verdict <> 'ok'
    QUALIFY row_number() OVER (PARTITION BY verdict ORDER BY key) <= ${LISTED} ORDER BY key`);
  for (const { verdict, key, expected, actual, message } of found) {
    const at = { location: location.name, key };
    if (verdict === "rot") report.rot.push({ ...at, expected, actual });
    else if (verdict === "unreadable") report.unreadable.push({ ...at, message });
    else if (verdict !== "ok") report[verdict].push(at);
  }
}

const emptyReport = (at: number): VerifyReport => ({
  ...{ at, checked: 0, bytes: 0, ok: 0, counts: { rot: 0, changed: 0, missing: 0, unreadable: 0 } },
  ...{ rot: [], changed: [], missing: [], unreadable: [], skipped: [] },
});
