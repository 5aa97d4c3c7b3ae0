import { createHash, randomUUID } from "node:crypto";
import { StowageError } from "../lib/error.js";
import { invalidKey } from "../lib/key.js";
import type { Backend, Entry, Leftover, ReadOptions, RemoveOptions, WriteSource } from "./backend.js";
import { memoryRegister, memoryShelf } from "./memory-shared.js";

interface Stored {
  bytes: Uint8Array;
  mtime: bigint;
  version: string;
}

/** What a test can see of a memory location, and do to it behind stowage's back. */
export interface MemoryBackend extends Backend {
  readonly objects: Map<string, Stored>;
  readonly trash: Map<string, Leftover & { bytes: Uint8Array }>;
  /** Writes unconditionally, as a user would. */
  put(key: string, bytes: Uint8Array | string, mtime?: bigint): Entry;
  /** Changes the bytes but nothing that can be seen from outside, as failing storage would. */
  rot(key: string, bytes: Uint8Array | string): void;
  /** Takes the storage away: from now on every question is answered with `UNAVAILABLE`. */
  unplug(): void;
}

/** A location in memory, for tests and models: create-only writes, conditional removals, trash. */
export function memoryBackend(location: string, uuid: string | undefined = undefined): MemoryBackend {
  const objects = new Map<string, Stored>();
  const trash = new Map<string, Leftover & { bytes: Uint8Array }>();
  const id = randomUUID();
  let marker = uuid;
  let count = 0;
  let plugged = true;
  const reach = (key?: string): void => {
    if (!plugged) throw new StowageError("UNAVAILABLE", `${location} is not connected`);
    const long = key?.split("/").some((segment) => Buffer.byteLength(segment) > LONGEST) && "the name is too long";
    const reason = key === undefined ? undefined : (invalidKey(key) ?? long);
    if (reason) throw new StowageError("UNSUPPORTED_NAME", `${location}: ${reason}`);
  };

  const entryOf = (key: string, stored: Stored): Entry => ({
    key,
    size: stored.bytes.length,
    mtime: stored.mtime,
    version: stored.version,
  });
  const put = (key: string, bytes: Uint8Array | string, mtime = 0n): Entry => {
    const stored = { bytes: Buffer.from(bytes), mtime, version: `v${++count}` };
    objects.set(key, stored);
    return entryOf(key, stored);
  };
  const fail = (code: string, key: string, fact: string) => new StowageError(code, `${location}:${key} ${fact}`);

  async function* read(key: string, { version, start: from = 0, signal }: ReadOptions): AsyncGenerator<Uint8Array> {
    reach(key);
    const stored = objects.get(key);
    if (!stored) throw fail("NOT_FOUND", key, "does not exist");
    if (version !== undefined && stored.version !== version) throw fail("PRECONDITION", key, "changed");
    for (let start = from; start < stored.bytes.length; start += PIECE) {
      if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
      yield stored.bytes.slice(start, start + PIECE);
    }
    if (objects.get(key) !== stored) throw fail("PRECONDITION", key, "changed while it was read");
  }

  async function write(key: string, source: WriteSource): Promise<Entry> {
    reach(key);
    if (objects.has(key) && !source.confirm) throw fail("PRECONDITION", key, "exists already");
    const pieces: Uint8Array[] = [];
    for await (const piece of source.bytes()) {
      if (source.signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
      pieces.push(Buffer.from(piece));
      source.onBytes?.(piece.length);
    }
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== source.size || createHash("sha256").update(bytes).digest("hex") !== source.sha256) {
      throw fail("CORRUPT", key, `: the bytes to be written are not sha256:${source.sha256}`);
    }
    await source.confirm?.();
    if (objects.has(key)) throw fail("PRECONDITION", key, "exists already");
    return put(key, bytes, source.mtime);
  }

  async function remove(key: string, { version, run, trash: keep, confirm }: RemoveOptions): Promise<void> {
    reach(key);
    const stored = objects.get(key);
    if (!stored) throw fail("NOT_FOUND", key, "does not exist");
    if (stored.version !== version) throw fail("PRECONDITION", key, "changed");
    objects.delete(key);
    const handle = `${run}/${++count}/${key}`;
    const size = stored.bytes.length;
    trash.set(handle, { kind: "trash", key, run, size, since: 0, handle, bytes: stored.bytes });
    try {
      await confirm();
    } catch (error) {
      if (objects.has(key)) throw fail("PRECONDITION", key, "could not be put back; its bytes are in the trash");
      trash.delete(handle);
      objects.set(key, { ...stored, version: `v${++count}` });
      throw error;
    }
    if (!keep) trash.delete(handle);
  }

  return {
    location,
    features: {
      foldsCase: false,
      foldsUnicode: false,
      hardLinks: false,
      mtimeGranularity: 1,
      maxNameBytes: LONGEST,
      readsBack: true,
    },
    objects,
    trash,
    put,
    rot(key, bytes) {
      const stored = objects.get(key);
      if (stored) stored.bytes = Buffer.from(bytes);
    },
    unplug() {
      plugged = false;
    },
    async marker() {
      reach();
      return marker;
    },
    async writeMarker(next, options) {
      reach();
      if (marker !== undefined && !options?.replace) throw fail("PRECONDITION", "", "has a marker already");
      marker = next;
    },
    async identity() {
      reach();
      return id;
    },
    async *list({ signal } = {}) {
      reach();
      for (const [key, stored] of [...objects]) {
        if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
        yield entryOf(key, stored);
      }
    },
    async stat(key) {
      reach(key);
      const stored = objects.get(key);
      return stored && entryOf(key, stored);
    },
    read: (key, options = {}) => read(key, options),
    write,
    remove,
    register: memoryRegister(reach),
    journals: memoryShelf(reach),
    space: async () => undefined,
    async *leftovers() {
      reach();
      for (const { bytes: _, ...leftover } of [...trash.values()]) yield leftover;
    },
    async purge({ handle }) {
      reach();
      trash.delete(handle);
    },
    close: async () => undefined,
  };
}

const PIECE = 1 << 16;
const LONGEST = 1024;
