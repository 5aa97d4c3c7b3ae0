import { join } from "node:path";
import type { Backend, Entry } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import type { MemoryBackend } from "../../src/backend/memory.js";
import { sha256Hex } from "../../src/lib/json.js";
import { type MemoryStore, type MemoryStoreOptions, memoryStore, straight } from "../../src/testing/memory-store.js";
import { ref, scratch, type Tree, uuidOf } from "./apply.js";

/** What a store of objects has that a directory has not. */
export interface StoreTraits {
  /** It computes a hash of what it gets, and tells it; what rots later does not change it. */
  computes?: boolean;
  /** Keys that can not be read before they are restored. */
  archived?: ReadonlySet<string>;
  /** What is written under these keys is damaged on its way. */
  garbles?: ReadonlySet<string>;
  /** It copies by itself from memory stores with the same provider. */
  provider?: string;
  /** Milliseconds for which it rests. */
  pausedFor?: () => number;
}

/** A memory location that behaves like a bucket: nothing is read back when it is written. `log` hears of what is asked. */
export function storeOf(memory: MemoryBackend, traits: StoreTraits = {}, log: string[] = []): MemoryBackend {
  const computed = new Map<string, string>();
  for (const [key, { bytes, version }] of memory.objects) computed.set(`${key}\0${version}`, sha256Hex(bytes));
  const told = (entry: Entry): Entry => {
    const sha256 = computed.get(`${entry.key}\0${entry.version}`);
    return {
      ...entry,
      ...(traits.computes && sha256 !== undefined && { sha256 }),
      ...(traits.archived?.has(entry.key) && { archived: "restore it first" }),
    };
  };
  const { location } = memory;
  stores.set(location, memory);
  return {
    ...memory,
    features: { ...memory.features, readsBack: false },
    resilient: true,
    pausedFor: traits.pausedFor ?? (() => 0),
    ...(traits.provider !== undefined && {
      provider: traits.provider,
      objectOf: (key: string, token: string) => ({ name: key, bucket: location, token }),
    }),
    async stat(key) {
      const entry = await memory.stat(key);
      return entry && told(entry);
    },
    async *read(key, options) {
      log.push(`read ${location}:${key}`);
      yield* memory.read(key, options);
    },
    async write(key, source) {
      const { object } = source;
      const bytes = object ? stores.get(object.bucket)?.objects.get(object.name)?.bytes : undefined;
      if (bytes) log.push(`copied ${location}:${key} inside`);
      const entry = bytes ? memory.put(key, bytes, source.mtime) : await memory.write(key, source);
      computed.set(`${key}\0${entry.version}`, hashOf(memory, key));
      if (traits.garbles?.has(key)) memory.rot(key, "?".repeat(source.size));
      return told(entry);
    },
    async remove(key, options) {
      log.push(`removed ${location}:${key}`);
      await memory.remove(key, options);
    },
  };
}

/** All of them, for copies from one to another. */
const stores = new Map<string, MemoryBackend>();

const hashOf = (memory: MemoryBackend, key: string): string =>
  sha256Hex(memory.objects.get(key)?.bytes ?? new Uint8Array());

/** What each location holds, as text. */
export const contentsOf = (backends: ReadonlyMap<string, MemoryBackend>): Record<string, string> =>
  Object.fromEntries(
    [...backends].flatMap(([name, { objects }]) =>
      [...objects].map(([key, { bytes }]) => [`${name}:${key}`, Buffer.from(bytes).toString()]),
    ),
  );

export interface BucketWorld {
  state: string;
  stores: Map<string, MemoryStore>;
  backends: Map<string, Backend>;
}

/** A bucket's store as a location; `step` is called before and after each request that changes something, and before each other one. */
export function bucketOf(name: string, store: MemoryStore, step?: Step): Backend {
  const options = { allowUnconditionalDelete: false };
  return bucketBackend(name, "", step ? stepped(store, step) : store, straight, options);
}

export type Step = (what: string) => void | Promise<void>;

function stepped(store: MemoryStore, step: Step): MemoryStore {
  const around = async <T>(what: string, body: () => Promise<T>): Promise<T> => {
    await step(`before ${what}`);
    const result = await body();
    await step(`after ${what}`);
    return result;
  };
  return {
    ...store,
    async head(name) {
      await step(`head ${name}`);
      return await store.head(name);
    },
    async *read(name, request) {
      yield* store.read(name, request);
      await step(`read ${name}`);
    },
    put: (name, upload, condition) => around(`put ${name}`, () => store.put(name, upload, condition)),
    ...(store.copy && {
      copy: (from, name, upload) => around(`copy ${name}`, async () => await store.copy!(from, name, upload)),
    }),
    remove: (name, token) => around(`remove ${name}`, () => store.remove(name, token)),
    discard: (name) => around(`discard ${name}`, () => store.discard(name)),
  };
}

/** Buckets in memory with markers. */
export async function bucketWorld(names: string[], tree: Tree, traits: MemoryStoreOptions = {}): Promise<BucketWorld> {
  const stores = new Map(names.map((name) => [name, memoryStore(traits)]));
  const backends = new Map<string, Backend>();
  for (const [name, store] of stores) {
    backends.set(name, bucketOf(name, store));
    await backends.get(name)?.writeMarker(uuidOf(name));
  }
  for (const [address, text] of Object.entries(tree)) {
    const { location, key } = ref(address);
    stores.get(location)?.overwrite(key, Buffer.from(text));
  }
  return { state: join(scratch(), "state"), stores, backends };
}

const objectsOf = ({ stores }: BucketWorld, own: boolean): [string, string][] =>
  [...stores].flatMap(([location, { objects }]) =>
    [...objects]
      .filter(([name]) => name.startsWith(".stowage-") === own && name !== ".stowage-location")
      .map(([name, { bytes }]): [string, string] => [`${location}:${name}`, bytes.toString()]),
  );

/** All objects of all buckets, without stowage's own. */
export const held = (world: BucketWorld): Tree => Object.fromEntries(objectsOf(world, false).sort());

/** stowage's own objects but for the markers: trash and temporaries. */
export const ownOf = (world: BucketWorld): Tree => Object.fromEntries(objectsOf(world, true).sort());

/** The texts that lie in the trash of the buckets. */
export const inTrash = (world: BucketWorld): string[] =>
  objectsOf(world, true)
    .filter(([address]) => address.includes(":.stowage-trash/"))
    .map(([, text]) => text)
    .sort();
