import { createHash } from "node:crypto";
import type { Backend, Entry, WriteSource } from "../backend/backend.js";

/** A way to break the contract; the conformance suite must notice each. */
export type Defect =
  | "replaces"
  | "loses the last piece"
  | "publishes any bytes"
  | "wrong mtime"
  | "lists twice"
  | "lists a page twice"
  | "lists too little"
  | "reads any version"
  | "reads from the start"
  | "removes any version"
  | "removes without the last word"
  | "removes against the last word"
  | "keeps no trash"
  | "errors are not found";

export const DEFECTS: readonly Defect[] = [
  "replaces",
  "loses the last piece",
  "publishes any bytes",
  "wrong mtime",
  "lists twice",
  "lists a page twice",
  "lists too little",
  "reads any version",
  "reads from the start",
  "removes any version",
  "removes without the last word",
  "removes against the last word",
  "keeps no trash",
  "errors are not found",
];

/** The backend with one defect: for proving that tests can fail. */
export function faulty(backend: Backend, defect: Defect): Backend {
  const breakage: Record<Defect, Partial<Backend>> = {
    replaces: {
      async write(key, source) {
        const there = await backend.stat(key).catch(() => undefined);
        if (there) await backend.remove(key, { version: there.version, run: "replaced", trash: false, confirm });
        return await backend.write(key, source);
      },
    },
    "loses the last piece": {
      write: async (key, source) => await backend.write(key, await relabelled(await truncated(source))),
    },
    "publishes any bytes": { write: async (key, source) => await backend.write(key, await relabelled(source)) },
    "wrong mtime": {
      write: (key, source) => backend.write(key, { ...source, mtime: source.mtime + 3_600_000_000_000n }),
    },
    "lists twice": {
      async *list(options) {
        for await (const entry of backend.list(options)) yield* [entry, entry];
      },
    },
    "lists a page twice": {
      async *list(options) {
        const page: Entry[] = [];
        for await (const entry of backend.list(options)) {
          if (page.length < 100) page.push(entry);
          yield entry;
        }
        if (page.length === 100) yield* page;
      },
    },
    "lists too little": {
      async *list(options) {
        let count = 0;
        for await (const entry of backend.list(options)) if (++count < 100) yield entry;
      },
    },
    "reads any version": {
      read: (key, { version: _, ...options } = {}) => backend.read(key, options),
    },
    "reads from the start": { read: (key, { start: _, ...options } = {}) => backend.read(key, options) },
    "removes any version": {
      async remove(key, options) {
        const there = await backend.stat(key);
        await backend.remove(key, { ...options, version: there?.version ?? options.version });
      },
    },
    "removes without the last word": { remove: (key, options) => backend.remove(key, { ...options, confirm }) },
    "removes against the last word": {
      remove: (key, options) => backend.remove(key, { ...options, confirm: () => options.confirm().catch(confirm) }),
    },
    "keeps no trash": { remove: (key, options) => backend.remove(key, { ...options, trash: false }) },
    "errors are not found": {
      stat: (key) => backend.stat(key).catch(() => undefined),
      async *list(options) {
        try {
          yield* backend.list(options);
        } catch {
          // The defect itself.
        }
      },
    },
  };
  return { ...backend, ...breakage[defect] };
}

const confirm = async (): Promise<void> => undefined;

/** The same source, with the hash that its bytes happen to have. */
async function relabelled(source: WriteSource): Promise<WriteSource> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of source.bytes()) {
    hash.update(piece);
    size += piece.length;
  }
  const { path: _, ...rest } = source;
  return { ...rest, sha256: hash.digest("hex"), size };
}

/** Without what does not fill a buffer of 64 KiB. */
async function truncated(source: WriteSource): Promise<WriteSource> {
  const keep = source.size - (source.size % 65_536);
  return {
    ...source,
    async *bytes() {
      let left = keep;
      for await (const piece of source.bytes()) {
        if (left <= 0) return;
        yield piece.subarray(0, left);
        left -= piece.length;
      }
    },
  };
}
