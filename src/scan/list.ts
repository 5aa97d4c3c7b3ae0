import { existsSync, realpathSync } from "node:fs";
import { relative } from "node:path";
import type { Backend } from "../backend/backend.js";
import { MARKER, TEMPORARY, TRASH } from "../backend/local/disk.js";
import type { Catalog } from "../catalog/catalog.js";
import { column } from "../catalog/sql.js";
import { messageOf } from "../lib/error.js";
import { batch } from "../lib/iter.js";
import type { Meter } from "./meter.js";
import type { Pool } from "./pool.js";
import { stageFiles, stageProblems } from "./stage.js";
import type { WalkChunk } from "./walk.js";

/** What a listing came to. It is not complete when there are staged problems with the code `listing`. */
export interface Listing {
  files: number;
  bytes: number;
  symlinks: number;
  special: number;
  /** Names that were left alone. */
  unnamed: number;
}

const ROWS = 20_000;

/** A sink that gathers chunks and stages them in large groups, one group at a time. */
function stager(catalog: Catalog) {
  const listing: Listing = { files: 0, bytes: 0, symlinks: 0, special: 0, unnamed: 0 };
  let chunks: WalkChunk[] = [];
  let rows = 0;
  const flush = async () => {
    const group = chunks;
    chunks = [];
    rows = 0;
    await stageFiles(catalog, group);
    await stageProblems(
      catalog,
      group.flatMap((chunk) => chunk.problems),
    );
  };
  const add = async (chunk: WalkChunk) => {
    listing.files += chunk.files;
    listing.bytes += chunk.bytes;
    listing.symlinks += chunk.symlinks;
    listing.special += chunk.special;
    listing.unnamed += chunk.problems.filter((problem) => problem.code === "name").length;
    chunks.push(chunk);
    rows += chunk.files + 1;
    if (rows >= ROWS) await flush();
  };
  return { listing, add, flush };
}

/** Lists a directory tree with all threads of the pool: each is given directories, and hands back what it finds and what another could list. */
export async function listLocal(
  catalog: Catalog,
  pool: Pool,
  root: string,
  state: string,
  signal?: AbortSignal,
): Promise<Listing> {
  const sink = stager(catalog);
  const skip = [MARKER, TEMPORARY, TRASH, ...stateBelow(root, state)];
  const queue = [""];
  const running = new Set<Promise<void>>();
  const step = async (dirs: string[]) => {
    const chunk = await pool.walk({ kind: "walk", root, dirs, skip });
    queue.push(...chunk.dirs);
    await sink.add(chunk);
  };
  let broken: unknown;
  while (running.size > 0 || (queue.length > 0 && broken === undefined && !signal?.aborted)) {
    while (queue.length > 0 && running.size < pool.size && broken === undefined && !signal?.aborted) {
      const share = Math.ceil(queue.length / (pool.size - running.size));
      const task: Promise<void> = step(queue.splice(-share))
        .catch((error: unknown) => {
          broken ??= error;
        })
        .finally(() => running.delete(task));
      running.add(task);
    }
    pool.want(running.size < pool.size);
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

/** Lists any backend through its own `list`. A listing that throws is a failed one. */
export async function listBackend(
  catalog: Catalog,
  backend: Backend,
  meter: Meter,
  signal?: AbortSignal,
): Promise<Listing> {
  const sink = stager(catalog);
  const skipped = emptyChunk();
  const onSkip = (key: string, kind: "symlink" | "special" | "name") => {
    if (kind === "symlink") skipped.symlinks++;
    else if (kind === "special") skipped.special++;
    else skipped.problems.push({ key, code: "name", message: "the name is not valid UTF-8 and is left alone" });
  };
  try {
    for await (const entries of batch(backend.list({ onSkip, ...(signal && { signal }) }), 2_000)) {
      const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
      meter.add(entries.length, bytes);
      await sink.add({
        ...emptyChunk(),
        files: entries.length,
        bytes,
        keys: column(entries.map((entry) => entry.key)).text,
        sizes: column(entries.map((entry) => entry.size)).text,
        mtimes: column(entries.map((entry) => entry.mtime)).text,
        accessed: column(entries.map(() => undefined)).text,
        versions: column(entries.map((entry) => entry.version)).text,
        physicals: column(entries.map((entry) => entry.physical)).text,
        hashes: column(entries.map((entry) => entry.sha256)).text,
      });
    }
  } catch (error) {
    if (!signal?.aborted) skipped.problems.push({ key: "", code: "listing", message: messageOf(error) });
  }
  await sink.add(skipped);
  await sink.flush();
  return sink.listing;
}

const emptyChunk = (): WalkChunk => ({
  ...{ files: 0, bytes: 0, keys: "", sizes: "", mtimes: "", accessed: "", versions: "", physicals: "" },
  ...{ dirs: [], symlinks: 0, special: 0, problems: [] },
});
