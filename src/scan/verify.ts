import type { Backend } from "../backend/backend.js";
import { isOpen } from "../backend/bandwidth.js";
import { isTouchedOnly } from "../backend/local-version.js";
import type { Catalog } from "../catalog/catalog.js";
import { type KnownLocation, knownLocations } from "../catalog/scans.js";
import { column, instant, packed, type Sql, sql } from "../catalog/sql.js";
import type { Config, Location } from "../config/config.js";
import { openCrew } from "./crew.js";
import { isObjectStore } from "./facts.js";
import { chooseLocations, examine, type Health } from "./health.js";
import { openMeter, type Progress } from "./meter.js";
import { openPool, type Pool } from "./pool.js";
import { backendReader, localReader, readAll } from "./read.js";
import { closeStage, openStage, todo } from "./stage.js";
import { emptyReport, judge, tally, type VerifyReport, write } from "./verdict.js";

export type { VerifyReport } from "./verdict.js";

export interface VerifyOptions {
  locations?: readonly string[];
  /** Only what its location's `verify: { every }` asks for by now. */
  due?: boolean;
  /** Only what nobody has read yet: whose content is claimed by metadata, or not known. */
  claimed?: boolean;
  /** Only this part of the files of each location, 0..1, chosen anew at every clock. */
  sample?: number;
  now: number;
  onEvent?: (event: VerifyEvent) => void;
  signal?: AbortSignal;
  threads?: number;
}

export type VerifyEvent = { type: "verify"; location: string } & Progress;

/**
 * Re-reads files and compares them with the catalog: files with the right bytes become verified as of now, others are
 * marked `rot` or `missing`. What can not be read keeps its state. A claim that holds becomes a copy that counts; one that does not is corrected. Storage is only read.
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
      const task = { config, catalog, location, backend, options, pool, report };
      const waits = closed(task);
      const reason = waits ?? (await verifyLocation(task, known.get(location.name)));
      if (reason !== undefined) report.skipped.push({ location: location.name, reason, ...(waits && { waits: true }) });
    }
    return report;
  } finally {
    options.signal?.removeEventListener("abort", pool.abort);
    await pool.close();
    await closeStage(catalog);
  }
}

interface VerifyTask {
  config: Config;
  catalog: Catalog;
  location: Location;
  backend: Backend;
  options: VerifyOptions;
  pool: Pool;
  report: VerifyReport;
}

/** Why what is due has to wait, if it has: a location is left in peace outside its windows. */
function closed({ config, location, options }: VerifyTask): string | undefined {
  if (!options.due || isOpen(location.windows, options.now, config.settings.timezone)) return undefined;
  const clock = (minutes: number) =>
    [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");
  const windows = location.windows.map(({ from, to }) => `${clock(from)}-${clock(to)}`);
  return `it is outside its windows (${windows.join(", ")})`;
}

/** Returns why nothing of the location was believed, if so. */
async function verifyLocation(task: VerifyTask, known: KnownLocation | undefined): Promise<string | undefined> {
  const { catalog, location, backend, options } = task;
  const expected = known?.uuid ?? undefined;
  const health = await examine(location.name, backend, expected);
  const suspect = health.suspect ?? known?.suspect ?? undefined;
  if (suspect !== undefined) return suspect;
  await openStage(catalog);
  await catalog.run(choose(location, options, isObjectStore(backend)));
  const work = await catalog.row(todo());
  if (!work || work.files === 0) return undefined;
  await read(task, health, work);
  const after = await examine(location.name, backend, health.uuid);
  if (after.suspect !== undefined || after.identity !== health.identity)
    return after.suspect ?? "it was replaced meanwhile";
  await catalog.run(judge(isObjectStore(backend)));
  await tally(catalog, location.name, task.report);
  await catalog.transaction(async () => {
    for (const statement of write(location.name, options.now)) await catalog.run(statement);
  });
  return undefined;
}

/**
 * Fills `work.next` with the files to read: of an object store also those whose content nobody knows yet, for a scan does not read them. `settled`: if
 * they are as they should be, only the time changes at which that was seen.
 */
function choose(location: Location, options: VerifyOptions, store: boolean): Sql {
  const every = options.due ? (location.verify?.every ?? 0) : undefined;
  const due =
    every === undefined ? sql`true` : sql`(last_verified IS NULL OR last_verified < ${instant(options.now - every)})`;
  const all = sql`SELECT key, version, size, mtime, last_verified, sha256 AS old_sha256, proof AS old_proof,
        coalesce(state = 'present' AND proof = 'content' AND archived IS NULL, false) AS settled, true AS todo, true AS listed, rowid AS found
      FROM file_locations
      WHERE location = ${location.name} AND state IN ('present', 'rot') AND ${store ? sql`true` : sql`sha256 IS NOT NULL`} AND ${due} AND ${options.claimed ? sql`(sha256 IS NULL OR proof = 'claim')` : sql`true`}`;
  return sql`CREATE OR REPLACE TABLE work.next AS SELECT * EXCLUDE (found) FROM (${sampled(all, options)}) ORDER BY found`;
}

/** A part of them by chance, still to be read in the order in which they were found: a disk is many times slower when it has to jump. */
function sampled(all: Sql, { sample = 1, now }: VerifyOptions): Sql {
  if (sample >= 1) return all;
  return sql`SELECT * FROM (${all})
    QUALIFY row_number() OVER (ORDER BY md5(${String(now)} || chr(0) || key)) <= ceil(${sample} * count(*) OVER ())`;
}

async function read(task: VerifyTask, health: Health, work: { files: number; bytes: number }): Promise<void> {
  const { catalog, location, backend, options, pool } = task;
  const { concurrency } = task.config.settings.transfer;
  const { signal } = options;
  const tell = (progress: Progress) => options.onEvent?.({ type: "verify", location: location.name, ...progress });
  const meter = openMeter(options.onEvent && tell, pool);
  meter.start("hash", work);
  const method = location.verify?.method ?? "content";
  const local = health.root !== undefined;
  const reader =
    health.root !== undefined
      ? localReader(pool, health.root, { bare: true })
      : backendReader(backend, meter, { concurrency, method, ...(signal && { signal }) });
  const threads = local ? openCrew(pool.size) : () => concurrency;
  await readAll(catalog, reader, threads, signal);
  if (!isObjectStore(backend) && (await takeTouched(task))) await readAll(catalog, reader, threads, signal);
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
  await catalog.run(
    sql`UPDATE work.next n SET todo = true, settled = false, version = t.version FROM ${now} t WHERE t.key = n.key`,
  );
  await catalog.run(sql`DELETE FROM work.problems p WHERE p.key IN (SELECT key FROM work.next WHERE todo)`);
  return true;
}
