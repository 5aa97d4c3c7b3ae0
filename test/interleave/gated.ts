import type { Backend } from "../../src/backend/backend.js";
import type { MemoryBackend } from "../../src/backend/memory.js";
import type { Register } from "../../src/backend/shared.js";
import type { ObjectStore } from "../../src/backend/store.js";
import { call, type Machine, pass } from "./stage.js";

/** Which names somebody else may change: calls for all others commute with everything, and take no turn. */
export type Shared = (name: string) => boolean;

/** Hears of each removal at the moment it can not be stopped any more. */
export type OnRemoval = (machine: Machine, location: string, key: string, meant: boolean) => void;

/** A directory as one machine sees it. Putting aside, taking away for good and putting back are moments of their own. */
export function gatedDirectory(machine: Machine, backend: MemoryBackend, shared: Shared, gone: OnRemoval): Backend {
  const { location } = backend;
  const turn = turns(machine, location, shared);
  return {
    ...backend,
    stat: (key) => turn("stat", key, () => backend.stat(key)),
    async *read(key, options) {
      yield await turn("read", key, () => joined(backend.read(key, options)));
    },
    write: (key, source) =>
      backend.write(key, {
        ...source,
        confirm: async () => {
          await source.confirm?.();
          if (shared(key)) await pass(machine, `publish ${location}:${key}`);
        },
      }),
    remove: (key, options) => {
      const confirm = async () => {
        try {
          await options.confirm();
        } catch (error) {
          await pass(machine, `put back ${location}:${key}`);
          throw error;
        }
        await pass(machine, `let go ${location}:${key}`);
        gone(machine, location, key, true);
      };
      return turn("put aside", key, async () => undefined).then(() => backend.remove(key, { ...options, confirm }));
    },
  };
}

/** The lock as one machine sees it: one call is one moment. */
export function gatedRegister(machine: Machine, register: Register, shown: (text: string) => void): Register {
  return {
    ...register,
    read: async () => {
      const found = await call(machine, "look at the lock", () => register.read());
      if (found?.text.includes(`"run":"${machine.name}"`)) renew(machine, found.text);
      return found;
    },
    write(text, token) {
      const write = async () => {
        const written = await register.write(text, token);
        if (written === undefined) return undefined;
        shown(text);
        renew(machine, text);
        return written;
      };
      const at = timeOf(text);
      return call(machine, "write the lock", write, at === undefined ? {} : { at });
    },
  };
}

function timeOf(text: string): number | undefined {
  const at = /"at":([\d.]+)/.exec(text)?.[1];
  return at === undefined ? undefined : Number(at);
}

function renew(machine: Machine, text: string): void {
  const at = timeOf(text);
  if (at !== undefined) machine.renewed = at;
}

/** A bucket's store as one machine sees it. */
export function gatedStore(
  machine: Machine,
  location: string,
  store: ObjectStore,
  shared: Shared,
  gone: OnRemoval,
): ObjectStore {
  const turn = turns(machine, location, shared);
  return {
    ...store,
    head: (name, signal) => turn("stat", name, () => store.head(name, signal)),
    async *read(name, options) {
      yield await turn("read", name, () => joined(store.read(name, options)));
    },
    put: (name, upload, condition) => turn("put", name, () => store.put(name, upload, condition)),
    remove: (name, token) =>
      turn("delete", name, async () => {
        const before = (await store.head(name))?.token;
        await store.remove(name, token);
        if (shared(name)) gone(machine, location, name, before === token);
      }),
    discard: (name) => turn("delete", name, () => store.discard(name)),
  };
}

const LOOKS = new Set(["stat", "read"]);

const turns =
  (machine: Machine, location: string, shared: Shared) =>
  <T>(what: string, name: string, effect: () => Promise<T>): Promise<T> => {
    const address = `${location}:${name}`;
    return shared(name)
      ? call(machine, `${what} ${address}`, effect, LOOKS.has(what) ? { reads: address } : {})
      : effect();
  };

async function joined(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
