import { alone } from "../catalog/alone.js";
import { layoutText, mixLayouts } from "../catalog/scans.js";
import { sql } from "../catalog/sql.js";
import { messageOf } from "../lib/error.js";
import { type CompareOptions, compare } from "./compare.js";
import { openCrew } from "./crew.js";
import { describeNew } from "./describe.js";
import { knownDigests, untouched, writeDigests } from "./digests.js";
import { earlyRule } from "./early.js";
import { isObjectStore, wantsTags } from "./facts.js";
import { examine } from "./health.js";
import { type Listing, listBackend, listTree, NOTHING } from "./list.js";
import { findNested } from "./nested.js";
import { backendReader, localReader, readAll } from "./read.js";
import { type Found, type LocationScan, type LocationTask, type Outcome, record } from "./record.js";
import { decide, findGone, keepNew, noteRot, rowsOf, shrink, writeGone, writeRows } from "./settle.js";
import { dropExcluded, openStage, stageRemoved, todo, unlisted } from "./stage.js";

/** Records that the location can not be believed, and nothing else. */
export async function suspectScan(task: LocationTask, reason: string, hint?: string): Promise<LocationScan> {
  await openStage(task.catalog);
  task.meter.stop({ files: 0, bytes: 0 });
  return record(task, NOTHING, { status: "suspect", suspect: reason, ...(hint !== undefined && { hint }) });
}

/** Lists, compares with the catalog, reads what is new or changed, and writes the outcome in one transaction. */
export async function scanLocation(task: LocationTask): Promise<LocationScan> {
  const { catalog } = task;
  await openStage(catalog);
  await stageRemoved(catalog, task.removed);
  const unknown = await isUnknown(task);
  return unknown ? await alone(catalog, () => scanListed(task, true)) : await scanListed(task, false);
}

async function scanListed(task: LocationTask, unknown: boolean): Promise<LocationScan> {
  const { catalog, location, meter } = task;
  meter.start("walk");
  const listing = await list(task, unknown);
  const nested = await findNested(task);
  if (nested) {
    meter.stop(listing);
    const recorded = await record(task, listing, nested);
    if (nested.error) throw nested.error;
    return recorded;
  }
  await dropExcluded(catalog, location.exclude);
  const failed = await unlisted(catalog, location.exclude);
  if (failed) {
    meter.stop(listing);
    if (listing.read > 0) await keepEarly(task);
    const found = { ...listing, hashed: listing.read, hashedBytes: listing.readBytes };
    const key = failed.key === "" ? "its root" : failed.key;
    return record(task, found, {
      status: "partial",
      suspect: `${key} could not be listed: ${failed.message}`,
      hint: "Make it readable, or `exclude` it in storage.yaml, then scan again.",
    });
  }
  if (await untouched(catalog, location.name)) {
    meter.stop(listing);
    return (await lost(task, listing)) ?? (await record(task, listing, { status: completeness(task) }));
  }
  const options = comparison(task, unknown, listing.read > 0);
  await compare(catalog, options);
  const dead = options.remote && (await describe(task, options));
  if (dead) return record(task, listing, dead);
  const read = await readTodo(task, options, listing);
  meter.stop(listing);
  await decide(catalog, location, options);
  await noteRot(catalog);
  return conclude(task, { ...listing, ...read }, options);
}

function comparison(task: LocationTask, unknown: boolean, early: boolean): CompareOptions {
  const { backend, config, known, location, now, hash } = task;
  const relayout = (known?.layout ?? null) !== layoutText(location);
  const options = { location: location.name, now, settle: config.settings.settle, hash, unknown, early, relayout };
  if (task.health.root !== undefined) return options;
  const tags = backend.tags !== undefined && wantsTags(config);
  return { ...options, remote: { strong: isObjectStore(backend), tags, anew: relayout && known?.layout != null } };
}

/** Asks about what the listing did not tell. Returns what the scan came to where the store stopped to answer. */
async function describe(task: LocationTask, options: CompareOptions): Promise<Outcome | undefined> {
  const { catalog, backend, signal, meter } = task;
  const work = await catalog.row(sql<{ files: number }>`SELECT count(*) AS files FROM work.next WHERE ask`);
  if (!work || work.files === 0) return undefined;
  meter.start("hash", { ...work, bytes: 0 });
  let kept = performance.now();
  const onGroup = async () => {
    if (performance.now() - kept < task.checkpoint) return;
    kept = performance.now();
    await keepSoFar(task, options);
  };
  try {
    await describeNew({
      catalog,
      backend,
      options,
      onGroup,
      onAsked: () => meter.add(1, 0),
      ...(signal && { signal }),
    });
    return undefined;
  } catch (error) {
    if (signal?.aborted) return undefined;
    meter.stop({ files: 0, bytes: 0 });
    return { status: "suspect", suspect: messageOf(error, task.location.name), hint: "Scan again when it answers." };
  }
}

/** Whether the catalog has no row of it at all. */
async function isUnknown({ catalog, location }: LocationTask): Promise<boolean> {
  const row = await catalog.row(sql`SELECT 1 FROM file_locations WHERE location = ${location.name} LIMIT 1`);
  return row === undefined;
}

async function list(task: LocationTask, unknown: boolean): Promise<Listing> {
  const { catalog, signal, location, now } = task;
  const { root } = task.health;
  if (root === undefined) return listBackend(catalog, task.backend, task.meter, signal);
  const known = await knownDigests(task);
  const { state, settle } = task.config.settings;
  const early = unknown && task.hash !== "none" ? earlyRule(location.exclude, now, settle) : undefined;
  const checkpoint = { every: task.checkpoint, keep: () => keepEarly(task) };
  const more = { ...(known && { known }), ...(early && { early }), ...(signal && { signal }) };
  return listTree(catalog, task.pool, { root, state, checkpoint, ...more });
}

async function readTodo(
  task: LocationTask,
  options: CompareOptions,
  listing: Listing,
): Promise<{ hashed: number; hashedBytes: number }> {
  const { catalog, health, signal } = task;
  const early = { hashed: listing.read, hashedBytes: listing.readBytes };
  const work = await catalog.row(todo());
  if (!work || work.files === 0 || signal?.aborted) return early;
  const { pool } = task;
  task.meter.start("hash", work);
  const { concurrency } = task.config.settings.transfer;
  const reader =
    health.root === undefined
      ? backendReader(task.backend, task.meter, { concurrency, ...(signal && { signal }) })
      : localReader(pool, health.root);
  const checkpoint = { every: task.checkpoint, keep: () => keepSoFar(task, options) };
  const threads = health.root === undefined ? () => concurrency : openCrew(pool.size);
  await readAll(catalog, reader, threads, signal, checkpoint);
  const read = await catalog.row(sql<{ hashed: number; hashedBytes: number }>`
    SELECT count(*) AS hashed, CAST(coalesce(sum(w.size), 0) AS BIGINT) AS "hashedBytes"
    FROM work.hashed h JOIN work.next w ON w.key = h.key`);
  return read ? { hashed: early.hashed + read.hashed, hashedBytes: early.hashedBytes + read.hashedBytes } : early;
}

/** Days of reading are not lost with a process that is killed. */
async function keepSoFar({ catalog, location }: LocationTask, options: CompareOptions): Promise<void> {
  await decide(catalog, location, options);
  // First: whoever is killed in between leaves nothing that is not known to be mixed.
  if (options.relayout) await mixLayouts(catalog, location.name);
  await keepNew(catalog, location.name, rowsOf(location, options));
}

/** The same for what was read while it is still listed; but nothing of a location that lies inside this one. */
async function keepEarly(task: LocationTask): Promise<void> {
  if (await findNested(task)) return;
  const options = comparison(task, true, true);
  await compare(task.catalog, options);
  await keepSoFar(task, options);
}

const completeness = ({ signal }: LocationTask): "partial" | "complete" => (signal?.aborted ? "partial" : "complete");

/** A storage that was taken away while we read looks like one whose files vanished: look at the marker once more. */
async function lost(task: LocationTask, found: Found): Promise<LocationScan | undefined> {
  const after = await examine(task.location.name, task.backend, task.health.uuid);
  const moved = after.identity !== task.health.identity ? "another storage was mounted during the scan" : undefined;
  const suspect = after.suspect ?? moved;
  if (suspect === undefined) return undefined;
  return record(task, found, { status: "suspect", suspect, ...(after.hint && { hint: after.hint }) });
}

/** Decides whether the scan is believed. */
async function conclude(task: LocationTask, found: Found, options: CompareOptions): Promise<LocationScan> {
  const { catalog, location, config } = task;
  const suspect = await lost(task, found);
  if (suspect) return suspect;
  const status = completeness(task);
  const rows = rowsOf(location, options);
  if (status === "partial") {
    return record(task, found, { status }, rows, async () => {
      await writeRows(catalog, location.name, rows);
      if (options.relayout) await mixLayouts(catalog, location.name);
    });
  }

  await findGone(catalog, location.name, location.exclude);
  const { had, lost: gone } = await shrink(catalog, location.name);
  if (gone > had * config.safety.maxShrink && !task.known?.accepted) {
    const percent = Math.round((100 * gone) / had);
    return record(task, found, {
      status: "suspect",
      suspect: `${gone} of its ${had} contents are gone (${percent} %, more than max_shrink)`,
      hint: `If they were removed on purpose, run \`stowage init --adopt ${location.name}\`.`,
    });
  }
  return record(task, found, { status }, rows, async () => {
    await writeRows(catalog, location.name, rows);
    await writeGone(catalog, location.name);
    if (!options.remote) await writeDigests(task);
  });
}
