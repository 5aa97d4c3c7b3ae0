import type { Backend, Entry } from "../../src/backend/backend.js";
import type { MemoryBackend } from "../../src/backend/memory.js";
import { sha256Hex } from "../../src/lib/json.js";

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
export function storeOf(memory: MemoryBackend, traits: StoreTraits = {}, log: string[] = []): Backend {
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
