import { existsSync, realpathSync } from "node:fs";
import { relative } from "node:path";
import type { Backend } from "../backend/backend.js";
import { OWN_NAMES } from "../backend/marker.js";
import type { Catalog } from "../catalog/catalog.js";
import { messageOf } from "../lib/error.js";
import { batch } from "../lib/iter.js";
import { invalidKey } from "../lib/key.js";
import { openCrew } from "./crew.js";
import { stageDigests } from "./digests.js";
import type { Problem } from "./directory.js";
import type { EarlyRule } from "./early.js";
import { dropRepeated, stageTold } from "./facts.js";
import { openGatherer } from "./gather.js";
import type { Meter } from "./meter.js";
import type { Pool } from "./pool.js";
import { type Checkpoint, timer } from "./read.js";
import { stageFiles, stageOthers, stageProblems } from "./stage.js";
import type { KnownDigests, WalkChunk } from "./walk.js";

/** What a listing came to. It is not complete when there are staged problems with the code `listing` or `stat`. */
export interface Listing {
  files: number;
  bytes: number;
  symlinks: number;
  special: number;
  /** Names that were left alone. */
  unnamed: number;
  /** Files that were read as soon as they were found. */
  read: number;
  readBytes: number;
}

export const NOTHING: Listing = { files: 0, bytes: 0, symlinks: 0, special: 0, unnamed: 0, read: 0, readBytes: 0 };

const ROWS = 20_000;

/** A sink that gathers chunks and stages them in large groups, one group at a time. */
function stager(catalog: Catalog) {
  const listing: Listing = { ...NOTHING };
  const gatherer = openGatherer<WalkChunk>(ROWS, async (group) => {
    await stageFiles(catalog, group);
    await stageDigests(
      catalog,
      group.flatMap((chunk) => chunk.same),
      group.flatMap((chunk) => chunk.digests),
    );
    await stageOthers(
      catalog,
      group.flatMap((chunk) => chunk.others),
    );
    await stageProblems(
      catalog,
      group.flatMap((chunk) => chunk.problems),
    );
  });
  const add = async (chunk: WalkChunk) => {
    listing.files += chunk.files;
    listing.bytes += chunk.bytes;
    listing.symlinks += chunk.symlinks;
    listing.special += chunk.special;
    listing.read += chunk.read;
    listing.readBytes += chunk.readBytes;
    listing.unnamed += chunk.problems.filter((problem) => problem.code === "name").length;
    await gatherer.add(chunk, chunk.rows + chunk.digests.length + chunk.others.length + 1);
  };
  return { listing, add, flush: gatherer.flush };
}

export interface TreeListing {
  root: string;
  /** The state directory, which is left out where it lies in the tree. */
  state: string;
  known?: KnownDigests;
  /** Nothing is known of the tree: its files may be read as soon as they are found. */
  early?: Omit<EarlyRule, "after">;
  checkpoint: Checkpoint;
  signal?: AbortSignal;
}

/** So many files are listed before any is read. */
const FEW = 1_000;

/** Lists a directory tree with the threads of the pool: each is given directories, and hands back what it finds and what another could list. */
export async function listTree(catalog: Catalog, pool: Pool, tree: TreeListing): Promise<Listing> {
  const sink = stager(catalog);
  const { root, known, early, signal, checkpoint } = tree;
  const skip = [...OWN_NAMES, ...stateBelow(root, tree.state)];
  const queue = [""];
  const running = new Set<Promise<void>>();
  const due = timer(checkpoint.every);
  const step = async (dirs: string[]) => {
    const read = early && { early: { ...early, after: Math.max(0, FEW - sink.listing.files) } };
    const chunk = await pool.walk({ kind: "walk", root, dirs, skip, ...(known && { known }), ...read });
    queue.push(...chunk.dirs);
    await sink.add(chunk);
    if (sink.listing.read === 0 || !due()) return;
    await sink.flush();
    await checkpoint.keep();
  };
  const crew = openCrew(pool.size);
  let broken: unknown;
  const more = () => queue.length > 0 && broken === undefined && !signal?.aborted;
  while (running.size > 0 || more()) {
    const threads = crew();
    while (more() && running.size < threads) {
      const share = Math.ceil(queue.length / (threads - running.size));
      const task: Promise<void> = step(queue.splice(-share))
        .catch((error: unknown) => {
          broken ??= error;
        })
        .finally(() => running.delete(task));
      running.add(task);
    }
    pool.want(running.size < threads);
    await Promise.race(running);
  }
  if (broken !== undefined) throw broken;
  await sink.flush();
  return sink.listing;
}

/** The state directory as a key, when it lies inside the location. */
function stateBelow(root: string, state: string): string[] {
  const real = existsSync(state) ? realpathSync(state) : state;
  const key = relative(root, real);
  return key === "" || key.startsWith("..") || key.startsWith("/") ? [] : [key];
}

const GROUP = 10_000;
/** Impossible names that are told one by one; all are counted. */
const NAMED = 1_000;

/** Lists any backend through its own `list`. A listing that throws is a failed one. */
export async function listBackend(
  catalog: Catalog,
  backend: Backend,
  meter: Meter,
  signal?: AbortSignal,
): Promise<Listing> {
  const listing: Listing = { ...NOTHING };
  const problems: Problem[] = [];
  const others: string[] = [];
  let unnamed = 0;
  const onSkip = (key: string, kind: "symlink" | "special" | "name") => {
    if (kind !== "name") others.push(key);
    if (kind === "symlink") listing.symlinks++;
    else if (kind === "special") listing.special++;
    else if (unnamed++ < NAMED) problems.push(misnamed(key));
  };
  try {
    for await (const entries of batch(backend.list({ onSkip, ...(signal && { signal }) }), GROUP)) {
      const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
      meter.add(entries.length, bytes);
      listing.files += entries.length;
      listing.bytes += bytes;
      await stageTold(catalog, entries);
      await stageOthers(catalog, others.splice(0));
    }
  } catch (error) {
    if (!signal?.aborted) problems.push({ key: "", code: "listing", message: messageOf(error) });
  }
  await dropRepeated(catalog);
  await stageOthers(catalog, others);
  await stageProblems(catalog, problems);
  return { ...listing, unnamed };
}

/** A key that is listed and left alone: no directory could hold it, and no two tools agree on what it means. */
function misnamed(key: string): Problem {
  const why = invalidKey(key);
  const message =
    why === undefined
      ? "the name is not valid UTF-8 and is left alone"
      : `${why}: no folder can hold it, and it is left alone`;
  return { key: key.replaceAll("\0", "\ufffd"), code: "name", message };
}
