import type { Backend } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { type KnownLocation, layoutText, recordScan, type ScanRow } from "../catalog/scans.js";
import { type Sql, sql } from "../catalog/sql.js";
import type { Config, Location } from "../config/config.js";
import { messageOf } from "../lib/error.js";
import type { Problem } from "./directory.js";
import type { Health } from "./health.js";
import type { Listing } from "./list.js";
import type { Meter } from "./meter.js";
import type { Pool } from "./pool.js";
import { counts } from "./settle.js";
import { type HashMode, stageProblems } from "./stage.js";

export interface LocationTask {
  config: Config;
  catalog: Catalog;
  location: Location;
  backend: Backend;
  health: Health;
  known: KnownLocation | undefined;
  /** The locations of the configuration by what their markers say, in lower case. */
  uuids: ReadonlyMap<string, string>;
  now: number;
  hash: HashMode;
  /** Keys that stowage itself removed. */
  removed: readonly string[];
  pool: Pool;
  meter: Meter;
  /** See `ScanOptions`. */
  checkpoint: number;
  /** Milliseconds since the scan began. */
  elapsed: () => number;
  signal?: AbortSignal;
}

/** What a scan of one location came to. */
export interface LocationScan {
  location: string;
  /** Id in the table `scans`. */
  scan: number;
  /**
   * `complete`: the catalog says what is there. `partial`: stopped or not listed to the end; what was read is kept, nothing
   * was taken for gone. `suspect`: nothing was changed but the suspicion.
   */
  status: "complete" | "partial" | "suspect";
  /** Why nothing may rely on the location, and what to do about it. */
  suspect?: string;
  hint?: string;
  files: number;
  bytes: number;
  hashed: number;
  hashedBytes: number;
  added: number;
  changed: number;
  missing: number;
  settling: number;
  symlinks: number;
  special: number;
  /** Names that are not valid Unicode. */
  unnamed: number;
  rot: { key: string; expected: string; actual: string }[];
  /** How many problems there were, and the first of them; all are in `scan_problems`. */
  problemCount: number;
  /** How many of them are folders that could not be listed; all others are files. */
  problemFolders: number;
  problems: Problem[];
}

/** What was listed and read. */
export type Found = Listing & { hashed?: number; hashedBytes?: number };

export interface Outcome {
  status: LocationScan["status"];
  suspect?: string;
  hint?: string;
}

const SHOWN = 100;

/** One transaction: the `rows` that `write` writes, what is now known of the location, the scan and its problems. */
export async function record(
  task: LocationTask,
  found: Found,
  outcome: Outcome,
  rows?: Sql,
  write?: () => Promise<void>,
): Promise<LocationScan> {
  const { catalog, location, now } = task;
  const { symlinks, special, unnamed, hashed = 0, hashedBytes = 0 } = found;
  const space = outcome.status === "complete" ? await spaceOf(task) : undefined;
  const { added = 0, changed = 0, missing = 0 } = (rows && (await catalog.row(counts(rows)))) ?? {};
  const row = await catalog.transaction(async () => {
    await write?.();
    const there = await totals(catalog, location.name);
    const { files, bytes } = outcome.status === "complete" ? there : found;
    const row: ScanRow = {
      ...{ location: location.name, startedAt: now, finishedAt: now + task.elapsed(), status: outcome.status },
      ...{ files, bytes, hashed, hashedBytes, added, changed, missing, settling: there.settling },
      skipped: symlinks + special + unnamed,
    };
    const scan = await recordScan(catalog, row);
    await catalog.run(sql`
      INSERT INTO scan_problems SELECT ${BigInt(scan)}, ${location.name}, key, code, message FROM work.problems`);
    await recordLocation(task, outcome, scan, space);
    if (outcome.status === "complete") await recordOthers(catalog, location.name);
    return { ...row, scan };
  });
  const { startedAt: _, finishedAt: __, skipped: ___, ...counted } = row;
  return { ...counted, ...outcome, symlinks, special, unnamed, ...(await problemsOf(catalog)) };
}

async function recordLocation(
  task: LocationTask,
  outcome: Outcome,
  scan: number,
  space: Space | undefined,
): Promise<void> {
  const { catalog, location, health } = task;
  const { name } = location;
  if (outcome.suspect !== undefined) {
    await catalog.run(sql`UPDATE storage_locations SET suspect = ${outcome.suspect} WHERE name = ${name}`);
    return;
  }
  await catalog.run(sql`
    UPDATE storage_locations SET uuid = ${health.uuid ?? null}, identity = ${health.identity ?? null} WHERE name = ${name}`);
  if (outcome.status !== "complete") return;
  const bytes = (count: number | undefined) => (count === undefined ? null : BigInt(count));
  await catalog.run(sql`
    UPDATE storage_locations SET suspect = NULL, accepted = false, layout = ${layoutText(location)},
      last_complete_scan = ${BigInt(scan)}, total_bytes = ${bytes(space?.total)}, free_bytes = ${bytes(space?.free)}
    WHERE name = ${name}`);
}

/** What is there and is no file, as this scan found it: nothing can be put under its name. */
async function recordOthers(catalog: Catalog, location: string): Promise<void> {
  await catalog.run(sql`DELETE FROM others WHERE location = ${location}`);
  await catalog.run(sql`INSERT INTO others SELECT DISTINCT ${location}, key FROM work.others`);
}

type Space = Awaited<ReturnType<Backend["space"]>>;

/** Without the numbers a scan is still good, so their lack is a problem like others. */
async function spaceOf(task: LocationTask): Promise<Space> {
  try {
    return await task.backend.space();
  } catch (error) {
    await stageProblems(task.catalog, [{ key: "", code: "space", message: messageOf(error) }]);
    return undefined;
  }
}

/** What the location holds by now, without what its `exclude` takes out. */
async function totals(catalog: Catalog, location: string): Promise<{ files: number; bytes: number; settling: number }> {
  const row = await catalog.row(sql<{ files: number; bytes: number; settling: number }>`
    SELECT count(*) AS files, CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes, count(*) FILTER (WHERE state = 'settling') AS settling
    FROM file_locations WHERE location = ${location} AND state <> 'missing'`);
  return row ?? { files: 0, bytes: 0, settling: 0 };
}

async function problemsOf(
  catalog: Catalog,
): Promise<Pick<LocationScan, "rot" | "problemCount" | "problemFolders" | "problems">> {
  const total = await catalog.row(sql<{ count: number; folders: number }>`
    SELECT count(*) AS count, count(*) FILTER (WHERE code = 'listing') AS folders FROM work.problems`);
  const problems = await catalog.rows(sql<Problem>`
    SELECT key, code, message FROM work.problems ORDER BY code = 'rot' DESC, key LIMIT ${SHOWN}`);
  const rot = await catalog.rows(sql<LocationScan["rot"][number]>`
    SELECT n.key, n.old_sha256 AS expected, h.sha256 AS actual FROM work.problems p
    JOIN work.next n ON n.key = p.key JOIN work.hashed h ON h.key = p.key WHERE p.code = 'rot' ORDER BY n.key LIMIT 1000`);
  return { rot, problemCount: total?.count ?? 0, problemFolders: total?.folders ?? 0, problems };
}
