import { createHash } from "node:crypto";
import type { Backend } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Problem } from "./directory.js";
import { openGatherer } from "./gather.js";
import { openLanes } from "./lanes.js";
import { mediaTypeOf, mimeOf } from "./media.js";
import type { Meter } from "./meter.js";
import type { HashChunk, Pool } from "./pool.js";
import { type Batch, batches, stageHashes, stageProblems } from "./stage.js";

const HEAD = 4_096;
const ROWS = 10_000;

/** Hashes one group of files. */
type Reader = (batch: Batch) => Promise<HashChunk>;

/** See `HashTask`. */
export const localReader =
  (pool: Pool, root: string, { bare = false } = {}): Reader =>
  (batch) =>
    pool.hash({ kind: "hash", root, bare, ...batch });

export interface ReadObjects {
  /** How many at a time over all groups. */
  concurrency: number;
  /** `checksum`: ask the store for its own checksum of the whole object, and read only where it has none. */
  method?: "content" | "checksum";
  signal?: AbortSignal;
}

interface Read {
  sha256: string;
  mime: string;
  proof: "content" | "checksum";
}

/** Reads objects through the backend's own methods. */
export function backendReader(backend: Backend, meter: Meter, options: ReadObjects): Reader {
  const { signal, method } = options;
  const lane = openLanes(options.concurrency);
  const readOne = async (key: string, version: string): Promise<Read> => {
    const told = method === "checksum" ? await askChecksum(backend, key, version) : undefined;
    if (told) meter.add(1, 0);
    return told ?? (await readObject(backend, key, version, meter, signal));
  };
  return async (batch) => {
    const read: (Read & { key: string })[] = [];
    const problems: Problem[] = [];
    const files = batch.files.split("\0");
    const one = async (key: string, version: string) => {
      if (signal?.aborted) return;
      try {
        read.push({ key, ...(await readOne(key, version)) });
      } catch (error) {
        if (!signal?.aborted) problems.push({ key, ...unread(error) });
      }
    };
    const pairs = files.flatMap((key, at) => (at % 2 === 0 ? [[key, files[at + 1] ?? ""] as const] : []));
    await Promise.all(pairs.map(([key, version]) => lane(() => one(key, version))));
    return { ...packedReads(read), problems };
  };
}

function packedReads(read: readonly (Read & { key: string })[]): Omit<HashChunk, "problems"> {
  const pack = (value: (file: Read & { key: string }) => string) => read.map(value).join("\0");
  return {
    files: read.length,
    keys: pack(({ key }) => key),
    hashes: pack(({ sha256 }) => sha256),
    mimes: pack(({ mime }) => mime),
    mediaTypes: pack(({ mime }) => mediaTypeOf(mime)),
    proofs: pack(({ proof }) => proof),
  };
}

/** The store's own checksum of this version; undefined where it has none. */
async function askChecksum(backend: Backend, key: string, version: string): Promise<Read | undefined> {
  const entry = await backend.stat(key);
  if (!entry) throw new StowageError("NOT_FOUND", `${key} is gone`);
  if (entry.version !== version) throw new StowageError("PRECONDITION", `${key} changed`);
  return entry.sha256 === undefined ? undefined : { sha256: entry.sha256, mime: "", proof: "checksum" };
}

async function readObject(
  backend: Backend,
  key: string,
  version: string,
  meter: Meter,
  signal?: AbortSignal,
): Promise<Read> {
  const digest = createHash("sha256");
  let head = Buffer.alloc(0);
  for await (const piece of backend.read(key, { version, ...(signal && { signal }) })) {
    if (head.length < HEAD) head = Buffer.concat([head, piece.subarray(0, HEAD - head.length)]);
    digest.update(piece);
    meter.add(0, piece.length);
  }
  meter.add(1, 0);
  return { sha256: digest.digest("hex"), mime: mimeOf(key, head), proof: "content" };
}

function unread(error: unknown): Omit<Problem, "key"> {
  const code = codeOf(error);
  if (code === "NOT_FOUND") return { code: "vanished", message: "went away while it was scanned" };
  if (code === "ARCHIVED") return { code: "archived", message: messageOf(error) };
  if (code === "PRECONDITION") return { code: "changed", message: "changed while it was scanned" };
  return { code: "unreadable", message: messageOf(error) };
}

/** What is done from time to time while files are read, with all that was read so far staged. */
export interface Checkpoint {
  every: number;
  keep(): Promise<void>;
}

/** True once in so many milliseconds. */
export function timer(every: number): () => boolean {
  let last = performance.now();
  return () => {
    if (performance.now() - last < every) return false;
    last = performance.now();
    return true;
  };
}

/**
 * Reads every file of `work.next` that is to be read, with so many groups under way as `threads` says by then, and stages the hashes and the problems
 * as they come. After an abort the files that were not reached have neither.
 */
export async function readAll(
  catalog: Catalog,
  read: Reader,
  threads: () => number,
  signal?: AbortSignal,
  checkpoint?: Checkpoint,
): Promise<void> {
  const sink = openGatherer<HashChunk>(ROWS, async (group) => {
    await stageHashes(catalog, group);
    await stageProblems(
      catalog,
      group.flatMap((chunk) => chunk.problems),
    );
  });
  const due = timer(checkpoint?.every ?? Number.POSITIVE_INFINITY);
  // An async generator answers one `next` after the other, so the workers can share it.
  const source = batches(catalog);
  let broken: unknown;
  const working: Promise<void>[] = [];
  const work = async () => {
    const more = async () => (broken === undefined && !signal?.aborted ? source.next() : { done: true as const });
    for (let item = await more(); !item.done && !signal?.aborted; item = await more()) {
      const chunk = await read(item.value);
      await sink.add(chunk, chunk.files + chunk.problems.length);
      if (checkpoint && due()) {
        await sink.flush();
        await checkpoint.keep();
      }
      if (working.length < threads()) start();
    }
  };
  const start = () => {
    const task = work().catch((error: unknown) => {
      broken ??= error;
    });
    working.push(task);
  };
  while (working.length < threads()) start();
  // One that works may call another one in.
  for (let index = 0; index < working.length; index++) await working[index];
  await source.return(undefined);
  if (broken !== undefined) throw broken;
  await sink.flush();
}
