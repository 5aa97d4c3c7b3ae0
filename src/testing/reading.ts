import assert from "node:assert/strict";
import type { Backend, ReadOptions } from "../backend/backend.js";
import {
  agree,
  atOnce,
  bytesOf,
  type ConformanceCase,
  drain,
  keysOf,
  noise,
  put,
  RUN,
  refuses,
  sourceOf,
  textOf,
} from "./subject.js";

/** Bytes that came to the end are those of the version that was asked for. */
async function oneVersion(
  backend: Backend,
  expected: Buffer,
  options: ReadOptions,
  change: () => Promise<void>,
): Promise<void> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of backend.read("x", options)) {
      pieces.push(Buffer.from(piece));
      if (pieces.length === 1) await change();
    }
  } catch (error) {
    return assert.equal((error as { code?: string }).code, "PRECONDITION");
  }
  assert.ok(expected.equals(Buffer.concat(pieces)), "read to the end as no version that there ever was");
}

export const reading: ConformanceCase[] = [
  {
    name: "says of a key that is not there that it is not there",
    async run({ backend }) {
      assert.equal(await backend.stat("nothing/here"), undefined);
      await refuses("NOT_FOUND", () => drain(backend.read("nothing/here")));
    },
  },
  {
    name: "reads the version that is asked for",
    async run({ backend }) {
      const { version } = await put(backend, "x", "1");
      assert.equal((await bytesOf(backend, "x", version)).toString(), "1");
    },
  },
  {
    name: "refuses to read another version than the one that is asked for",
    async run({ backend }) {
      const { version } = await put(backend, "x", "1");
      await refuses("PRECONDITION", () => bytesOf(backend, "x", `${version}0`));
    },
  },
  {
    name: "the version stays the same while nobody writes",
    async run({ backend }) {
      const { version } = await put(backend, "x", "1");
      await textOf(backend, "x");
      await put(backend, "y", "1");
      assert.equal((await backend.stat("x"))?.version, version);
    },
  },
  {
    name: "the version changes when the object is overwritten, also with as many bytes",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      const { version } = await put(backend, "x", "1");
      await overwrite("x", Buffer.from("2"));
      assert.notEqual((await backend.stat("x"))?.version, version);
      await refuses("PRECONDITION", () => bytesOf(backend, "x", version));
    },
  },
  {
    name: "a removed and newly written object is another version, also with as many bytes",
    removes: true,
    async run({ backend }) {
      const { version } = await put(backend, "x", "1");
      await backend.remove("x", { version, run: RUN, trash: false, confirm: agree });
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.notEqual((await put(backend, "x", "2")).version, version);
    },
  },
  {
    name: "S16: an object that changes while it is read does not read to the end, but as what it was",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      const bytes = noise(3 << 20);
      const { version } = await put(backend, "x", bytes);
      await oneVersion(backend, bytes, { version }, () => overwrite("x", noise(3 << 20)));
    },
  },
  {
    name: "S16: an object that grows while it is read does not read to the end, but as what it was",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      const bytes = noise(100);
      await put(backend, "x", bytes);
      await oneVersion(backend, bytes, {}, () => overwrite("x", noise(5 << 20)));
    },
  },
  {
    name: "reads from any byte on",
    async run({ backend }) {
      const bytes = noise(200_000);
      const { version } = await put(backend, "x", bytes);
      for (const start of [1, 65_535, 65_536, 65_537, 199_999, 200_000]) {
        const rest = await bytesOf(backend, "x", version, start);
        assert.ok(bytes.subarray(start).equals(rest), `other bytes from ${start} on`);
      }
    },
  },
  {
    name: "refuses to read from a byte on of another version, or of nothing",
    async run({ backend }) {
      const { version } = await put(backend, "x", "12345");
      await refuses("PRECONDITION", () => bytesOf(backend, "x", `${version}0`, 2));
      await refuses("PRECONDITION", () => bytesOf(backend, "x", `${version}0`, 5));
      await refuses("NOT_FOUND", () => bytesOf(backend, "y", undefined, 2));
    },
  },
  {
    name: "stops in the middle of reading when it is told to",
    async run({ backend }) {
      await put(backend, "x", noise(5 << 20));
      const controller = new AbortController();
      await refuses("ABORTED", async () => {
        for await (const _ of backend.read("x", { signal: controller.signal })) controller.abort();
      });
    },
  },
  {
    name: "a reader may stop early, and read again",
    async run({ backend }) {
      const bytes = noise(3 << 20);
      await put(backend, "x", bytes);
      for await (const _ of backend.read("x")) break;
      assert.ok(bytes.equals(await bytesOf(backend, "x")));
    },
  },
  {
    name: "many readers read at once",
    async run({ backend }) {
      const bytes = noise(2 << 20);
      await put(backend, "x", bytes);
      const all = await Promise.all(Array.from({ length: 8 }, () => bytesOf(backend, "x")));
      assert.ok(all.every((read) => bytes.equals(read)));
    },
  },
  {
    name: "stops reading when it is told to",
    async run({ backend }) {
      await put(backend, "x", noise(3 << 20));
      await refuses("ABORTED", () => drain(backend.read("x", { signal: AbortSignal.abort() })));
    },
  },
];

export const listing: ConformanceCase[] = [
  {
    name: "an empty location has nothing to list",
    async run({ backend }) {
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "lists every object exactly once",
    async run({ backend }) {
      const keys = Array.from({ length: 120 }, (_, index) => `${index % 7}/${index % 3}/${index}`).sort();
      for (const key of keys) await put(backend, key, key);
      assert.deepEqual(await keysOf(backend), keys);
    },
  },
  {
    name: "lists what stating says",
    async run({ backend }) {
      for (const key of ["a", "b/c", "b/d/e"]) await put(backend, key, key);
      for await (const listed of backend.list()) {
        const { partial, ...entry } = listed;
        const stated = await backend.stat(entry.key);
        // A listing that knows size and version only says so.
        const { key, size, version } = stated ?? {};
        const told = { key: entry.key, size: entry.size, version: entry.version };
        assert.deepEqual(partial ? { key, size, version } : stated, partial ? told : entry);
      }
    },
  },
  {
    name: "lists more objects than fit on a page exactly once, and knows all their versions",
    timeout: 180_000,
    async run({ backend, refuses: refused }) {
      // A directory has no pages.
      const [some, many] = backend.root === undefined ? [1_001, 2_501] : [101, 251];
      const special = refused?.("ü") ? "v" : "ü";
      const keys = Array.from({ length: many }, (_, index) => `${index % 9}/${index % 2 ? special : "u"}/${index}`);
      const versions = new Map<string, string>();
      const write = async (key: string) => void versions.set(key, (await put(backend, key, "1")).version);
      for (const [from, to] of [
        [0, some],
        [some, many],
      ] as const) {
        await atOnce(keys.slice(from, to), 32, write);
        const listed: string[] = [];
        for await (const { key, version } of backend.list()) {
          listed.push(key);
          assert.equal(version, versions.get(key));
        }
        assert.deepEqual(listed.sort(), keys.slice(0, to).sort());
      }
    },
  },
  {
    name: "stops listing when it is told to",
    async run({ backend }) {
      await put(backend, "x", "1");
      await refuses("ABORTED", async () => {
        for await (const _ of backend.list({ signal: AbortSignal.abort() }));
      });
    },
  },
  {
    name: "does not list the marker, temporaries and the trash",
    async run({ backend, removes }) {
      await backend.writeMarker("11111111-2222-4333-8444-555555555555");
      const { version } = await put(backend, "x", "1");
      await put(backend, "y", "2");
      if (removes) await backend.remove("x", { version, run: RUN, trash: true, confirm: agree });
      const there = removes ? ["y"] : ["x", "y"];
      const confirm = async () => assert.deepEqual(await keysOf(backend), there);
      await backend.write("z", sourceOf("3", { confirm }));
      assert.deepEqual(await keysOf(backend), [...there, "z"]);
    },
  },
  {
    name: "I5: storage that went away is an error for every question, never an empty answer",
    needs: "unplug",
    async run({ backend, unplug }) {
      const { version } = await put(backend, "x", "1");
      await unplug();
      const questions: Record<string, () => Promise<unknown>> = {
        marker: () => backend.marker(),
        list: () => keysOf(backend),
        stat: () => backend.stat("x"),
        "stat of what never was": () => backend.stat("y"),
        read: () => textOf(backend, "x"),
        write: () => put(backend, "z", "1"),
        remove: () => backend.remove("x", { version, run: RUN, trash: true, confirm: agree }),
        identity: () => backend.identity(),
        leftovers: async () => {
          for await (const _ of backend.leftovers());
        },
      };
      for (const [name, question] of Object.entries(questions)) {
        const code = await question().then(
          () => "an answer",
          (error: { code?: string }) => error.code,
        );
        assert.equal(code, "UNAVAILABLE", `${name} gave ${code}`);
      }
    },
  },
];

export const place: ConformanceCase[] = [
  {
    name: "S14: a location has no marker until one is written, and then exactly that one",
    async run({ backend }) {
      assert.equal(await backend.marker(), undefined);
      await backend.writeMarker("11111111-2222-4333-8444-555555555555");
      assert.equal(await backend.marker(), "11111111-2222-4333-8444-555555555555");
    },
  },
  {
    name: "S14: a marker is replaced only on request",
    async run({ backend }) {
      const [first, second] = ["11111111-2222-4333-8444-555555555555", "66666666-2222-4333-8444-555555555555"];
      await backend.writeMarker(first);
      await refuses("PRECONDITION", () => backend.writeMarker(second));
      assert.equal(await backend.marker(), first);
      await backend.writeMarker(second, { replace: true });
      assert.equal(await backend.marker(), second);
    },
  },
  {
    name: "the identity of a location stays the same",
    async run({ backend }) {
      const before = await backend.identity();
      await put(backend, "x", "1");
      assert.equal(await backend.identity(), before);
    },
  },
  {
    name: "the space of a location makes sense where it is known",
    async run({ backend }) {
      const space = await backend.space();
      if (space) assert.ok(space.total > 0 && space.free >= 0 && space.free <= space.total);
    },
  },
];
