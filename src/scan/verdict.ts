import type { Catalog } from "../catalog/catalog.js";
import { instant, raw, type Sql, sql } from "../catalog/sql.js";
import { RACE_NS } from "./stage.js";

// From what a verification has read to what it says and writes.

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
  /** `identified`: nothing was known of their content before; only counted. */
  counts: {
    rot: number;
    changed: number;
    missing: number;
    unreadable: number;
    archived: number;
    corrected: number;
    identified: number;
  };
  /** The same version of the file has other bytes. Hashes are lower-case hex. */
  rot: (Finding & { expected: string; actual: string })[];
  /** Another version than the catalog knows: to be scanned again. */
  changed: Finding[];
  missing: Finding[];
  unreadable: (Finding & { message: string })[];
  /** Can not be read before they are restored, and how: neither verified nor damaged. */
  archived: (Finding & { message: string })[];
  /** Nobody had read them before, and their metadata claimed another hash: the catalog knows better now. */
  corrected: (Finding & { expected: string; actual: string })[];
  /** Locations that were not read, or not believed afterwards. */
  skipped: {
    location: string;
    reason: string;
    /** It is only outside its windows: nothing is wrong. */
    waits?: true;
  }[];
}

const LISTED = 1_000;

/** The clock that stamps files ticks every few milliseconds. */
const TICK_NS = 20_000_000n;

/**
 * One verdict for each file that was reached. The bytes of a file that is racily clean may have changed under its version: that is no
 * rot. Nor is it, where nobody had ever read what the metadata claims.
 */
export const judge = (strong: boolean): Sql => sql`CREATE OR REPLACE TABLE work.rows AS
  SELECT n.key, n.size, n.version, n.old_sha256 AS expected, h.sha256 AS actual, h.proof, p.message,
    CASE WHEN h.sha256 = n.old_sha256 THEN 'ok'
      WHEN n.old_sha256 IS NULL AND h.sha256 IS NOT NULL THEN 'identified'
      WHEN n.old_proof = 'claim' AND h.sha256 IS NOT NULL THEN 'corrected'
      WHEN ${strong ? raw("false") : raced} AND h.sha256 IS NOT NULL THEN 'changed'
      WHEN h.sha256 IS NOT NULL THEN 'rot'
      WHEN p.code = 'vanished' THEN 'missing'
      ELSE p.code END AS verdict,
    n.settled AND verdict = 'ok' AS plain
  FROM work.next n LEFT JOIN work.hashed h ON h.key = n.key LEFT JOIN work.problems p ON p.key = n.key
  WHERE h.key IS NOT NULL OR p.key IS NOT NULL`;

/** Written so close to its last verification that the clock of the file system may not tell the two apart. */
const raced = sql`abs(epoch_ns(n.last_verified) - epoch_ns(n.mtime)) < CASE WHEN epoch_ns(n.mtime) % 1000000000 = 0 THEN ${RACE_NS} ELSE ${TICK_NS} END`;

/** Only rot and missing files change state; one that has its bytes back is present again. What was read once stays proven by that. */
export const write = (location: string, now: number): Sql[] => [
  // All other columns would get the values that they have, and each that is written takes its time.
  sql`UPDATE file_locations f SET last_verified = ${instant(now)} FROM work.rows r WHERE f.location = ${location} AND f.key = r.key AND r.plain`,
  sql`UPDATE file_locations f SET
    state = CASE WHEN verdict IN ('ok', 'corrected', 'identified') THEN 'present' WHEN verdict = 'archived' THEN f.state ELSE verdict END,
    version = r.version,
    sha256 = CASE WHEN verdict IN ('corrected', 'identified') THEN r.actual ELSE f.sha256 END,
    proof = CASE WHEN verdict NOT IN ('ok', 'corrected', 'identified') OR (verdict = 'ok' AND f.proof = 'content') THEN f.proof ELSE r.proof END,
    archived = CASE WHEN verdict = 'archived' THEN r.message WHEN r.actual IS NOT NULL AND r.proof = 'content' THEN NULL ELSE f.archived END,
    last_verified = CASE WHEN verdict IN ('ok', 'corrected', 'identified') THEN ${instant(now)} ELSE last_verified END
  FROM work.rows r
  WHERE f.location = ${location} AND f.key = r.key AND NOT r.plain AND verdict IN ('ok', 'rot', 'missing', 'corrected', 'identified', 'archived')`,
];

type Verdict = "ok" | keyof VerifyReport["counts"];

/** Adds a location's verdicts to the report. */
export async function tally(catalog: Catalog, location: string, report: VerifyReport): Promise<void> {
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
    SELECT verdict, key, expected, actual, message FROM work.rows WHERE verdict NOT IN ('ok', 'identified')
    QUALIFY row_number() OVER (PARTITION BY verdict ORDER BY key) <= ${LISTED} ORDER BY key`);
  for (const { verdict, key, expected, actual, message } of found) {
    const at = { location, key };
    if (verdict === "rot" || verdict === "corrected") report[verdict].push({ ...at, expected, actual });
    else if (verdict === "unreadable" || verdict === "archived") report[verdict].push({ ...at, message });
    else if (verdict !== "ok" && verdict !== "identified") report[verdict].push(at);
  }
}

export const emptyReport = (at: number): VerifyReport => ({
  ...{
    at,
    checked: 0,
    bytes: 0,
    ok: 0,
    counts: { rot: 0, changed: 0, missing: 0, unreadable: 0, archived: 0, corrected: 0, identified: 0 },
  },
  ...{ rot: [], changed: [], missing: [], unreadable: [], archived: [], corrected: [], skipped: [] },
});
