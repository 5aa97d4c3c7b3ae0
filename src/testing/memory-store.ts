import { createHash, randomUUID } from "node:crypto";
import type { StoreObject } from "../backend/backend.js";
import type { Requests } from "../backend/requests.js";
import { unavailable } from "../backend/requests.js";
import type { Condition, ObjectStore, Stored, Upload } from "../backend/store.js";
import { StowageError } from "../lib/error.js";

/** A way in which object stores break what they are asked for; most do it without a word. */
export type StoreDefect = (typeof STORE_DEFECTS)[number];

export const STORE_DEFECTS = [
  "ignores create-only",
  "ignores create-only of parts",
  "ignores the condition of a replacement",
  "ignores the condition of a removal",
  "ignores the condition of a read",
  "ignores the token of a copy",
  "ignores that the name of a copy is taken",
  "does not check checksums",
  "lists late",
  "lists what is gone",
  "lists a page twice",
  "two winners",
  "loses the answer after the effect",
  "breaks streams",
  "ends streams early",
  "copies other bytes",
  "stores other bytes",
  "refuses copies",
] as const;

interface Version {
  bytes: Buffer;
  metadata: Record<string, string>;
  modified: number;
  token: string;
}

export interface MemoryStoreOptions {
  address?: string;
  defects?: readonly StoreDefect[];
  /** Tokens that never come again, as of a versioned bucket; else the same bytes have the same token, as S3's ETags. */
  versioned?: boolean;
  /** It computes checksums of its own over whole objects. */
  hashes?: boolean;
  copies?: boolean;
  listsMetadata?: boolean;
  /** Objects above this size go in parts. */
  partsAbove?: number;
  page?: number;
}

/** A bucket in memory, and what a test can see of it and do to it. */
export interface MemoryStore extends ObjectStore {
  readonly objects: Map<string, Version>;
  /** Uploads in parts that were begun and are not over. */
  readonly uploads: Map<string, string>;
  /** Every request so far, as `put name`. */
  readonly log: string[];
  /** Writes unconditionally, as another program would. */
  overwrite(name: string, bytes: Uint8Array, metadata?: Record<string, string>): Stored;
  unplug(): void;
}

/** Answers at once, or is not there: no way of requests in between. */
export const straight: Requests = {
  send: (body) => body({ signal: new AbortController().signal, number: 1, alive: () => undefined }),
  watched: (bytes) => bytes,
  pausedFor: () => 0,
  giveUp: () => undefined,
  onRetry: undefined,
};

const PIECE = 1 << 16;

export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { address = `memory://${randomUUID()}`, versioned = false, page = 1000, partsAbove = 16 << 20 } = options;
  const objects = new Map<string, Version>();
  const uploads = new Map<string, string>();
  const log: string[] = [];
  const has = (defect: StoreDefect): boolean => options.defects?.includes(defect) ?? false;
  let plugged = true;
  let count = 0;
  let listed: Stored[] = [];

  /** Every request takes a moment in which others come. */
  const reach = async (what: string): Promise<void> => {
    log.push(what);
    await new Promise(setImmediate);
    if (!plugged) throw unavailable(`${address} does not answer`);
  };
  const storedOf = (name: string, version: Version): Stored => ({
    name,
    size: version.bytes.length,
    token: version.token,
    modified: version.modified,
    metadata: { ...version.metadata },
    ...(options.hashes && { sha256: digest(version.bytes) }),
  });
  const set = (name: string, bytes: Buffer, metadata: Record<string, string>): Stored => {
    const etag = createHash("md5").update(bytes).digest("hex");
    const token = versioned ? `${etag}@${++count}` : etag;
    const version = { bytes, metadata, token, modified: Date.now() };
    objects.set(name, version);
    return storedOf(name, version);
  };
  const refuse = (name: string): never => {
    throw new StowageError("PRECONDITION", `${name}: the condition does not hold`);
  };
  const hold = (name: string, condition: Condition, ignored: boolean): void => {
    if (ignored) return;
    const there = objects.get(name);
    if ("absent" in condition ? there : there?.token !== condition.token) refuse(name);
  };
  const answer = <T>(value: T): T => {
    if (has("loses the answer after the effect")) throw unavailable("the answer was lost");
    return value;
  };

  async function put(name: string, upload: Upload, condition: Condition): Promise<Stored> {
    await reach(`put ${name}`);
    const inParts = upload.parts === true || (!upload.whole && upload.size > partsAbove);
    const id = inParts ? `upload-${++count}` : undefined;
    if (id) {
      await upload.onParts?.(id);
      uploads.set(id, name);
    }
    let bytes = Buffer.from(upload.whole ?? (await joined(upload.bytes())));
    if (!has("does not check checksums") && digest(bytes) !== upload.sha256) {
      throw new StowageError("CORRUPT", `${name}: the checksum does not fit`);
    }
    const creates = "absent" in condition;
    const ignored =
      creates && id !== undefined
        ? has("ignores create-only of parts")
        : has(creates ? "ignores create-only" : "ignores the condition of a replacement");
    hold(name, condition, ignored);
    if (has("two winners")) await new Promise(setImmediate);
    if (has("stores other bytes")) bytes = Buffer.alloc(bytes.length);
    if (id) uploads.delete(id);
    return answer(set(name, bytes, { ...upload.metadata }));
  }

  async function copy(from: StoreObject, name: string, upload: Omit<Upload, "bytes" | "whole">): Promise<Stored> {
    await reach(`copy ${name}`);
    if (has("refuses copies")) throw new StowageError("ACCESS_DENIED", "copies are not allowed");
    const source = bucketsByAddress.get(from.bucket)?.get(from.name);
    if (!source) throw new StowageError("NOT_FOUND", `${from.name} does not exist`);
    if (source.token !== from.token && !has("ignores the token of a copy")) refuse(from.name);
    hold(name, { absent: true }, has("ignores that the name of a copy is taken"));
    upload.onBytes?.(source.bytes.length);
    const bytes = has("copies other bytes") ? Buffer.alloc(source.bytes.length) : Buffer.from(source.bytes);
    return answer(set(name, bytes, { ...upload.metadata }));
  }

  async function* read(name: string, { token, start = 0, signal }: Parameters<ObjectStore["read"]>[1]) {
    await reach(`read ${name} ${start}`);
    const version = objects.get(name);
    if (!version) throw new StowageError("NOT_FOUND", `${name} does not exist`);
    if (token !== undefined && version.token !== token && !has("ignores the condition of a read")) refuse(name);
    for (let offset = start; offset < version.bytes.length; offset += PIECE) {
      if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
      // A copy, that is worthless once the next one is asked for.
      const piece = Buffer.from(version.bytes.subarray(offset, offset + PIECE));
      yield piece;
      piece.fill(0);
      if (offset + PIECE >= version.bytes.length) return;
      if (has("breaks streams")) throw unavailable("the connection was reset");
      if (has("ends streams early")) return;
    }
  }

  async function* list(prefix: string): AsyncGenerator<Stored[]> {
    await reach(`list ${prefix}`);
    const now = [...objects]
      .map(([name, version]) => storedOf(name, version))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const gone = listed.filter(({ name }) => !objects.has(name));
    const all = has("lists late") ? listed : has("lists what is gone") ? [...now, ...gone] : now;
    listed = now;
    const found = all.filter(({ name }) => name.startsWith(prefix)).map((stored) => bare(stored, options));
    for (let index = 0; index < found.length; index += page) {
      yield found.slice(index, index + page);
      if (has("lists a page twice")) yield found.slice(index, index + page);
    }
  }

  const store: MemoryStore = {
    address,
    ...(options.copies !== false && { provider: "memory", copy }),
    maxNameBytes: 1024,
    listsMetadata: options.listsMetadata === true,
    computesSha256: options.hashes === true,
    versioned: async () => versioned,
    objects,
    uploads,
    log,
    overwrite: (name, bytes, metadata = {}) => set(name, Buffer.from(bytes), metadata),
    unplug: () => {
      plugged = false;
    },
    async head(name) {
      await reach(`head ${name}`);
      const version = objects.get(name);
      return version && storedOf(name, version);
    },
    list,
    read,
    put,
    async remove(name, token) {
      await reach(`remove ${name}`);
      if (!objects.has(name)) throw new StowageError("NOT_FOUND", `${name} does not exist`);
      hold(name, { token }, has("ignores the condition of a removal"));
      objects.delete(name);
      answer(undefined);
    },
    async discard(name) {
      await reach(`discard ${name}`);
      objects.delete(name);
    },
    async abandon(_name, id) {
      await reach(`abandon ${id}`);
      uploads.delete(id);
    },
    presign: async (name, { method, expires }) => `memory:${method}:${name}?expires=${expires}`,
    close: async () => undefined,
  };
  bucketsByAddress.set(address, objects);
  return store;
}

/** All memory buckets are one provider. */
const bucketsByAddress = new Map<string, Map<string, Version>>();

function bare({ metadata, sha256, ...stored }: Stored, { listsMetadata }: MemoryStoreOptions): Stored {
  return listsMetadata ? { ...stored, ...(metadata && { metadata }), ...(sha256 !== undefined && { sha256 }) } : stored;
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function joined(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
