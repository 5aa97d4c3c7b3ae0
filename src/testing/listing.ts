import assert from "node:assert/strict";
import { agree, atOnce, type ConformanceCase, keysOf, put, RUN, refuses, sourceOf, textOf } from "./subject.js";

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
    async run({ backend, refuses: refused, page = 1_000 }) {
      // A directory has no pages.
      const [some, many] = backend.root === undefined ? [page + 1, 2.5 * page + 1] : [101, 251];
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
