import type { Catalog } from "../catalog/catalog.js";
import { type InstanceRef, type PresentRow, recordGone, recordPresent } from "../catalog/entries.js";
import { column, instant, packed, sql } from "../catalog/sql.js";
import type { Ref } from "../plan/plan.js";
import type { Present, RunReport } from "./events.js";
import type { RunSummaryLine } from "./journal.js";
import { type OnDamage, readRemovals, runIds } from "./journal-read.js";

/**
 * Brings the catalog up to date with what a run did: rows for what it published, times of verification for what it proved,
 * no rows for what it removed, `rot` for what it found damaged, and its line in `runs`. All or nothing; idempotent.
 */
export async function recordRun(catalog: Catalog, report: RunReport): Promise<void> {
  const gone = report.outcomes.flatMap((outcome) => outcome.removed);
  const damaged = report.outcomes.flatMap((outcome) => outcome.rot);
  const kept = new Set(gone.length + damaged.length > 0 ? report.present.map(addressOf) : []);
  const removed = gone.filter((ref) => !kept.has(addressOf(ref)));
  const rot = damaged.filter((ref) => !kept.has(addressOf(ref)));
  const disproved = report.outcomes.flatMap((outcome) => outcome.disproved ?? []);
  await catalog.transaction(async () => {
    // First, because what is known of a content is taken from rows that may be removed.
    await recordPresent(catalog, report.present.map(rowOf), report.finished);
    await recordGone(catalog, removed);
    await recordRot(catalog, rot);
    await recordDisproved(catalog, disproved);
    await recordSummary(catalog, report);
  });
}

const rowOf = ({ location, key, sha256, size, mtime, version, by, physical }: Present): PresentRow => ({
  location,
  key,
  sha256,
  size,
  version,
  mtime: BigInt(mtime),
  proof: by,
  ...(physical !== undefined && { physical }),
});

/**
 * Removals of runs that the catalog does not know (killed before they could record), for the next scan: what is gone by
 * our own hand is neither drift nor a shrink. Those that a complete scan has seen since are settled.
 */
export async function unrecordedRemovals(
  state: string,
  catalog: Catalog,
  onDamage: OnDamage = () => undefined,
): Promise<InstanceRef[]> {
  const known = new Set((await catalog.rows(sql<{ run: string }>`SELECT run FROM runs`)).map(({ run }) => run));
  const scanned = await lastScans(catalog);
  const removals: InstanceRef[] = [];
  for (const run of await runIds(state)) {
    if (known.has(run)) continue;
    const found = await readRemovals(state, run);
    if (found.damage) onDamage(run, found.damage);
    for (const { location, key, at } of found.removals) {
      if (at >= (scanned.get(location) ?? 0)) removals.push({ location, key });
    }
  }
  return removals;
}

/** When the last complete scan of each location began; milliseconds since the epoch. */
async function lastScans(catalog: Catalog): Promise<Map<string, number>> {
  const rows = await catalog.rows(sql<{ location: string; started: number }>`
    SELECT location, epoch_ms(max(started_at)) AS started FROM scans WHERE status = 'complete' GROUP BY location`);
  return new Map(rows.map(({ location, started }) => [location, started]));
}

const addressOf = ({ location, key }: Ref): string => `${location}\0${key}`;

/** What holds something else than it claims has an unknown content, until it is read. */
async function recordDisproved(catalog: Catalog, refs: readonly Ref[]): Promise<void> {
  if (refs.length === 0) return;
  const wrong = packed({ location: column(refs.map((ref) => ref.location)), key: column(refs.map((ref) => ref.key)) });
  await catalog.run(
    sql`UPDATE file_locations f SET sha256 = NULL, proof = NULL FROM ${wrong} w
      WHERE f.location = w.location AND f.key = w.key AND f.proof = 'claim'`,
  );
}

async function recordRot(catalog: Catalog, rot: readonly Ref[]): Promise<void> {
  if (rot.length === 0) return;
  const damaged = packed({ location: column(rot.map((ref) => ref.location)), key: column(rot.map((ref) => ref.key)) });
  await catalog.run(
    sql`UPDATE file_locations f SET state = 'rot' FROM ${damaged} d WHERE f.location = d.location AND f.key = d.key`,
  );
}

async function recordSummary(catalog: Catalog, report: RunSummaryLine): Promise<void> {
  const { run, plan_id, started, finished, status, copied, moved, deleted, verified, failed, skipped, bytes } = report;
  await catalog.run(sql`
    INSERT OR REPLACE INTO runs (run, plan_id, started_at, finished_at, status, copied, moved, deleted, verified, failed, skipped, bytes)
    VALUES (${run}, ${plan_id}, ${instant(started)}, ${instant(finished)}, ${status},
      ${copied}, ${moved}, ${deleted}, ${verified}, ${failed}, ${skipped}, CAST(${bytes} AS BIGINT))`);
}
