import assert from "node:assert/strict";
import type { Backend } from "../backend/backend.js";
import { linking } from "./linking.js";
import {
  agree,
  atOnce,
  bytesOf,
  type ConformanceCase,
  codeThrown,
  drain,
  keysOf,
  leftoversOf,
  MTIME,
  noise,
  put,
  RUN,
  refuses,
  sha256,
  sourceOf,
  stated,
  textOf,
} from "./subject.js";

const at = async (backend: Backend, key: string) => {
  const entry = await backend.stat(key);
  assert.ok(entry, `${key} is gone`);
  return entry;
};

const large: ConformanceCase[] = [
  {
    name: "keeps an object of several parts to the last byte, with its time",
    needs: "large",
    async run({ backend, large }) {
      const bytes = noise(large);
      const entry = await backend.write("large.bin", sourceOf(bytes));
      assert.deepEqual([entry.size, entry.mtime], [large, MTIME]);
      assert.ok(bytes.equals(await bytesOf(backend, "large.bin", entry.version)), "other bytes came back");
      assert.deepEqual(stated(await at(backend, "large.bin")), stated(entry));
      assert.deepEqual(await leftoversOf(backend), []);
    },
  },
  {
    name: "I3: never replaces an object by one of several parts, nor the other way round",
    needs: "large",
    async run({ backend, large }) {
      const first = await put(backend, "x", "first");
      await refuses("PRECONDITION", () => put(backend, "x", noise(large)));
      const second = await put(backend, "y", noise(large));
      await refuses("PRECONDITION", () => put(backend, "y", "second"));
      assert.deepEqual([await at(backend, "x"), await at(backend, "y")], [first, second]);
      assert.deepEqual(await leftoversOf(backend), []);
    },
  },
  {
    name: "I4: publishes nothing of several parts when the last byte is wrong, and leaves no part behind",
    needs: "large",
    async run({ backend, large }) {
      const bytes = noise(large);
      const promised = sha256(bytes);
      bytes.writeUInt8(bytes.readUInt8(large - 1) ^ 1, large - 1);
      await refuses("CORRUPT", () => backend.write("x", sourceOf(bytes, { sha256: promised })));
      assert.equal(await backend.stat("x"), undefined);
      assert.deepEqual([await keysOf(backend), await leftoversOf(backend)], [[], []]);
    },
  },
  {
    name: "publishes nothing of several parts when the source fails on the way, and passes its error on",
    needs: "large",
    async run({ backend, large }) {
      const whole = sourceOf(noise(large));
      async function* bytes() {
        let sent = 0;
        for await (const piece of whole.bytes()) {
          if (sent > large / 2) throw Object.assign(new Error("the cable"), { code: "CABLE" });
          sent += piece.length;
          yield piece;
        }
      }
      await refuses("CABLE", () => backend.write("x", { ...whole, bytes }));
      assert.deepEqual([await keysOf(backend), await leftoversOf(backend)], [[], []]);
    },
  },
];

/** The storage copies under conditions where it was seen to honour them. */
const copying: ConformanceCase[] = [
  {
    name: "a copy inside the storage has the same bytes, and its own time",
    async run({ backend }) {
      if (!backend.objectOf || backend.provider === undefined) return;
      await backend.probe?.();
      const bytes = noise(300_000);
      const from = await backend.write("from", sourceOf(bytes, { mtime: 1_000_000_000_000_000_000n }));
      let told = 0;
      const onBytes = (count: number) => {
        told += count;
      };
      const object = backend.objectOf("from", from.version);
      const entry = await backend.write("to", sourceOf(bytes, { object, onBytes }));
      assert.deepEqual([entry.size, entry.mtime, told], [bytes.length, MTIME, bytes.length]);
      assert.ok(bytes.equals(await bytesOf(backend, "to")));
      assert.deepEqual(stated(await at(backend, "to")), stated(entry));
      assert.deepEqual(stated(await at(backend, "from")), stated(from));
    },
  },
  {
    name: "I3: a copy inside the storage never replaces an object",
    async run({ backend }) {
      if (!backend.objectOf || backend.provider === undefined) return;
      await backend.probe?.();
      const from = await put(backend, "from", "one");
      const there = await put(backend, "to", "two");
      const object = backend.objectOf("from", from.version);
      await refuses("PRECONDITION", () => backend.write("to", sourceOf("one", { object })));
      assert.deepEqual(stated(await at(backend, "to")), stated(there));
      assert.equal(await textOf(backend, "to"), "two");
    },
  },
  {
    name: "I4: a copy inside the storage of other bytes than promised is an error, and stays only where nothing is removed",
    async run({ backend, removes }) {
      if (!backend.objectOf || backend.provider === undefined) return;
      await backend.probe?.();
      const from = await put(backend, "from", "other");
      const object = backend.objectOf("from", from.version);
      const source = sourceOf("right", { object });
      const code = await backend.write("to", source).then(
        () => "written",
        (error: { code?: string }) => error.code,
      );
      if (code === "written") assert.equal(await textOf(backend, "to"), "right");
      else assert.deepEqual([code, await keysOf(backend)], ["CORRUPT", removes ? ["from"] : ["from", "to"]]);
    },
  },
  {
    name: "a copy inside the storage never takes another version of its source",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      if (!backend.objectOf || backend.provider === undefined) return;
      await backend.probe?.();
      const { version } = await put(backend, "from", "old");
      const object = backend.objectOf("from", version);
      await overwrite("from", Buffer.from("new"));
      const gone = () => Object.assign(new Error("the source changed"), { code: "PRECONDITION" });
      const bytes = (): AsyncIterable<Uint8Array> => {
        throw gone();
      };
      await refuses("PRECONDITION", () => backend.write("to", { ...sourceOf("old", { object }), bytes }));
      assert.deepEqual(await keysOf(backend), ["from"]);
    },
  },
];

const asking: ConformanceCase[] = [
  {
    name: "a hash that is told of an object is the hash of its bytes",
    async run({ backend }) {
      const bytes = noise(100_000);
      const { sha256: proven, claim } = await put(backend, "x", bytes);
      const hash = sha256(bytes);
      assert.deepEqual([proven ?? hash, claim ?? hash], [hash, hash]);
    },
  },
  {
    name: "S1: a hash is not told any more when the object was overwritten",
    needs: "overwrite",
    async run({ backend, overwrite }) {
      await put(backend, "x", "old");
      await overwrite("x", Buffer.from("new"));
      const { sha256: proven } = await at(backend, "x");
      assert.ok(proven === undefined || proven === sha256(Buffer.from("new")));
    },
  },
  {
    name: "probing leaves nothing behind, and what is there alone",
    async run({ backend }) {
      await backend.writeMarker("11111111-2222-4333-8444-555555555555");
      await put(backend, "x", "1");
      const { sha256: _, ...entry } = await at(backend, "x");
      const features = await backend.probe?.();
      assert.equal(features, backend.probe && backend.features);
      assert.deepEqual([await keysOf(backend), await leftoversOf(backend)], [["x"], []]);
      // What is believed of its hash may have come of the probe.
      const { sha256: __, ...after } = await at(backend, "x");
      assert.deepEqual(after, entry);
      assert.equal(await backend.marker(), "11111111-2222-4333-8444-555555555555");
    },
  },
  {
    name: "everything holds after probing as it did before",
    async run({ backend, removes }) {
      await backend.probe?.();
      const entry = await put(backend, "x", "1");
      await refuses("PRECONDITION", () => put(backend, "x", "2"));
      await refuses("PRECONDITION", () => bytesOf(backend, "x", `${entry.version}0`));
      assert.equal((await bytesOf(backend, "x", entry.version)).toString(), "1");
      await refuses("NOT_FOUND", () => drain(backend.read("y")));
      if (removes) await backend.remove("x", { version: entry.version, run: RUN, trash: true, confirm: agree });
      assert.deepEqual(await keysOf(backend), removes ? [] : ["x"]);
    },
  },
  {
    name: "S10: tidying a run up touches neither objects nor the trash",
    async run({ backend, removes }) {
      const { version } = await put(backend, "x", "1");
      await put(backend, "y", "2");
      if (removes) await backend.remove("x", { version, run: RUN, trash: true, confirm: agree });
      const before = [await keysOf(backend), await leftoversOf(backend)];
      await backend.tidy?.(RUN);
      assert.deepEqual([await keysOf(backend), await leftoversOf(backend)], before);
    },
  },
  {
    name: "S10: nothing but trash and temporaries can be purged",
    async run({ backend }) {
      await put(backend, "x", "1");
      const leftover = { kind: "trash", key: "x", run: RUN, size: 1, since: 0, handle: "x" } as const;
      const kinds = ["trash", "temporary"] as const;
      for (const kind of kinds) await codeThrown(() => backend.purge({ ...leftover, kind })).catch(() => undefined);
      assert.deepEqual(await keysOf(backend), ["x"]);
    },
  },
  {
    name: "many objects at once are all kept, each with its bytes",
    async run({ backend }) {
      const keys = Array.from({ length: 64 }, (_, index) => `many/${index % 5}/${index}`);
      await atOnce(keys, 16, async (key) => await put(backend, key, key.repeat(1000)));
      await atOnce(keys, 16, async (key) => assert.equal(await textOf(backend, key), key.repeat(1000)));
      assert.deepEqual(await keysOf(backend), keys.toSorted());
    },
  },
];

/** What folders can do too, but matters where there are requests, pages and parts. */
export const bucket: ConformanceCase[] = [...large, ...copying, ...linking, ...asking];
