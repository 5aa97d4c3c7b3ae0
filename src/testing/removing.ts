import assert from "node:assert/strict";
import type { Backend, Entry } from "../backend/backend.js";
import {
  agree,
  type ConformanceCase,
  drain,
  keysOf,
  leftoversOf,
  MTIME,
  noise,
  put,
  RUN,
  refuses,
  type Subject,
  textOf,
} from "./subject.js";

const remove = (
  backend: Backend,
  { key, version }: Entry,
  more: { trash?: boolean; confirm?: () => Promise<void> } = {},
) => backend.remove(key, { version, run: RUN, trash: false, confirm: agree, ...more });

const no = () => Promise.reject(Object.assign(new Error("no"), { code: "NO" }));

/** What a store does instead that honours no conditions. */
export async function refusesToRemove({ backend }: Subject): Promise<void> {
  const entry = await put(backend, "x", "kept");
  for (const trash of [true, false]) {
    let asked = false;
    const confirm = async () => {
      asked = true;
    };
    await refuses("APPEND_ONLY", () => remove(backend, entry, { trash, confirm }));
    assert.equal(asked, false);
  }
  assert.equal(await textOf(backend, "x"), "kept");
  assert.deepEqual(await keysOf(backend), ["x"]);
  assert.deepEqual(await leftoversOf(backend), []);
}

const cases: ConformanceCase[] = [
  {
    name: "what was removed is gone, and nothing else",
    async run({ backend }) {
      const neighbours = ["a/xy", "a/x.y", "a/w", "ax"];
      for (const key of neighbours) await put(backend, key, key);
      await remove(backend, await put(backend, "a/x", "1"));
      assert.equal(await backend.stat("a/x"), undefined);
      await refuses("NOT_FOUND", () => drain(backend.read("a/x")));
      assert.deepEqual(await keysOf(backend), neighbours.toSorted());
    },
  },
  {
    name: "I2: removes only the version that it is given",
    async run({ backend }) {
      const entry = await put(backend, "x", "1");
      await refuses("PRECONDITION", () => remove(backend, { ...entry, version: `${entry.version}0` }));
      assert.equal(await textOf(backend, "x"), "1");
      assert.deepEqual(await leftoversOf(backend), []);
    },
  },
  {
    name: "I2: does not remove what was overwritten since",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      const entry = await put(backend, "x", "1");
      await overwrite("x", Buffer.from("2"));
      await refuses("PRECONDITION", () => remove(backend, entry));
      assert.equal(await textOf(backend, "x"), "2");
    },
  },
  {
    name: "says of a key that is not there that it is not there",
    async run({ backend }) {
      await refuses("NOT_FOUND", () => remove(backend, { key: "x", version: "1", size: 0, mtime: 0n }));
    },
  },
  {
    name: "I2: asks for the last word exactly once",
    async run({ backend }) {
      let asked = 0;
      const confirm = async () => {
        asked += 1;
      };
      await remove(backend, await put(backend, "x", "1"), { confirm });
      assert.equal(asked, 1);
    },
  },
  {
    name: "I2: does not ask for the last word when the version is another",
    async run({ backend }) {
      const entry = await put(backend, "x", "1");
      const confirm = () => assert.fail("asked");
      await refuses("PRECONDITION", () => remove(backend, { ...entry, version: "other" }, { confirm }));
    },
  },
  {
    name: "I2: when the last word is no, the object is where it was",
    async run({ backend }) {
      const bytes = noise(100_000);
      const entry = await put(backend, "a/b/x", bytes);
      for (const trash of [true, false]) {
        const version = (await backend.stat("a/b/x"))?.version ?? "";
        await refuses("NO", () => remove(backend, { ...entry, version }, { trash, confirm: no }));
        const back = await backend.stat("a/b/x");
        assert.deepEqual([back?.size, back?.mtime], [entry.size, entry.mtime]);
      }
      assert.deepEqual(await keysOf(backend), ["a/b/x"]);
      assert.deepEqual(await leftoversOf(backend), []);
    },
  },
  {
    name: "I3: when the last word is no and the name is taken by now, neither is lost",
    async run({ backend }) {
      const entry = await put(backend, "x", "old");
      let secured = false;
      const confirm = async () => {
        secured = (await backend.stat("x")) === undefined;
        if (secured) await put(backend, "x", "new");
        await no();
      };
      const code = await remove(backend, entry, { confirm }).then(
        () => "removed",
        (error: { code?: string }) => error.code,
      );
      if (!secured) return assert.equal(await textOf(backend, "x"), "old");
      assert.equal(code, "PRECONDITION");
      assert.equal(await textOf(backend, "x"), "new");
      assert.deepEqual(
        (await leftoversOf(backend)).map(({ kind, key }) => ({ kind, key })),
        [{ kind: "trash", key: "x" }],
      );
    },
  },
  {
    name: "trash keeps what was removed, under its key and run",
    async run({ backend }) {
      await remove(backend, await put(backend, "a/x", "12345"), { trash: true });
      assert.deepEqual(await keysOf(backend), []);
      const left = await leftoversOf(backend);
      assert.deepEqual(
        left.map(({ kind, key, run, size }) => ({ kind, key, run, size })),
        [{ kind: "trash", key: "a/x", run: RUN, size: 5 }],
      );
    },
  },
  {
    name: "without trash nothing is kept",
    async run({ backend }) {
      await remove(backend, await put(backend, "a/x", "1"), { trash: false });
      assert.deepEqual(await leftoversOf(backend), []);
    },
  },
  {
    name: "trash keeps both of two objects that had one key",
    async run({ backend }) {
      await remove(backend, await put(backend, "x", "first"), { trash: true });
      await remove(backend, await put(backend, "x", "second one"), { trash: true });
      assert.deepEqual((await leftoversOf(backend)).map(({ size }) => size).sort(), [10, 5]);
    },
  },
  {
    name: "S10: purging deletes the one leftover that is named",
    async run({ backend }) {
      for (const key of ["x", "y"]) await remove(backend, await put(backend, key, key), { trash: true });
      await put(backend, "z", "z");
      const [first, second] = await leftoversOf(backend);
      assert.ok(first && second);
      await backend.purge(first);
      assert.deepEqual(await leftoversOf(backend), [second]);
      assert.deepEqual(await keysOf(backend), ["z"]);
    },
  },
  {
    name: "of many removals of one object exactly one succeeds",
    async run({ backend }) {
      const entry = await put(backend, "x", "1");
      const results = await Promise.allSettled(Array.from({ length: 6 }, () => remove(backend, entry)));
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "removals of different objects of one directory do not disturb each other",
    async run({ backend }) {
      const entries: Entry[] = [];
      for (let index = 0; index < 16; index++) entries.push(await put(backend, `d/e/${index}`, `${index}`));
      await Promise.all(entries.map((entry, index) => remove(backend, entry, { trash: index % 2 === 0 })));
      assert.deepEqual(await keysOf(backend), []);
      assert.equal((await leftoversOf(backend)).length, 8);
    },
  },
  {
    name: "removing the last objects of a directory does not disturb who writes there",
    async run({ backend }) {
      for (let round = 0; round < 10; round++) {
        const old = await put(backend, "d/e/old", "1");
        const [, fresh] = await Promise.all([remove(backend, old), put(backend, `d/e/${round}`, "2")]);
        await remove(backend, fresh);
      }
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "a key can be written again after it was removed",
    async run({ backend }) {
      await remove(backend, await put(backend, "x", "old"), { trash: true });
      assert.equal((await put(backend, "x", "new")).mtime / 1_000_000_000n, MTIME / 1_000_000_000n);
      assert.equal(await textOf(backend, "x"), "new");
    },
  },
];

export const removing: ConformanceCase[] = cases.map((each) => ({ ...each, removes: true }));
