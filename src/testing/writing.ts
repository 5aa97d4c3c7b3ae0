import assert from "node:assert/strict";
import {
  agree,
  bytesOf,
  type ConformanceCase,
  keysOf,
  MTIME,
  noise,
  put,
  refuses,
  sourceOf,
  stated,
  textOf,
} from "./subject.js";

const SIZES = [1, 65_535, 65_536, 65_537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 5, 8 << 20, 9 << 20];

const sizes: ConformanceCase[] = SIZES.map((size) => ({
  name: `keeps ${size.toLocaleString("en")} bytes to the last one`,
  async run({ backend }) {
    const bytes = noise(size);
    const entry = await backend.write("big.bin", sourceOf(bytes));
    assert.equal(entry.size, size);
    assert.ok(bytes.equals(await bytesOf(backend, "big.bin")), "other bytes came back");
  },
}));

const MTIMES = [
  { name: "to the nanosecond", mtime: MTIME },
  { name: "of a whole second", mtime: 1_600_000_000_000_000_000n },
  { name: "one nanosecond before a second", mtime: 1_599_999_999_999_999_999n },
  { name: "before 1970", mtime: -1_000_000_000_000_000_000n },
  { name: "after 2038", mtime: 4_102_444_800_000_000_000n },
];

const mtimes: ConformanceCase[] = MTIMES.map(({ name, mtime }) => ({
  name: `keeps a time of modification ${name}`,
  async run({ backend }) {
    const entry = await backend.write("x", sourceOf("1", { mtime }));
    const off = entry.mtime > mtime ? entry.mtime - mtime : mtime - entry.mtime;
    assert.ok(off < BigInt(backend.features.mtimeGranularity), `off by ${off} ns`);
    assert.equal((await backend.stat("x"))?.mtime, entry.mtime);
  },
}));

export const writing: ConformanceCase[] = [
  {
    name: "what was written can be stated, read and listed",
    async run({ backend }) {
      const entry = await put(backend, "dir/x.txt", "hello");
      assert.equal(entry.key, "dir/x.txt");
      assert.deepEqual(stated(await backend.stat("dir/x.txt")), stated(entry));
      assert.equal(await textOf(backend, "dir/x.txt"), "hello");
      assert.deepEqual(await keysOf(backend), ["dir/x.txt"]);
    },
  },
  {
    name: "keeps an empty file",
    async run({ backend }) {
      assert.equal((await put(backend, "empty", "")).size, 0);
      assert.equal(await textOf(backend, "empty"), "");
      assert.deepEqual(await keysOf(backend), ["empty"]);
    },
  },
  ...sizes,
  ...mtimes,
  {
    name: "takes pieces of one byte",
    async run({ backend }) {
      await backend.write("x", sourceOf("one by one", { piece: 1 }));
      assert.equal(await textOf(backend, "x"), "one by one");
    },
  },
  {
    name: "takes empty pieces, and one buffer that the source uses again and again",
    async run({ backend }) {
      const buffer = Buffer.alloc(3);
      const source = sourceOf("abcdef", {
        async *bytes() {
          buffer.write("abc");
          yield buffer;
          yield Buffer.alloc(0);
          buffer.write("def");
          yield buffer;
        },
      });
      await backend.write("x", source);
      assert.equal(await textOf(backend, "x"), "abcdef");
    },
  },
  {
    name: "I3: never replaces an object",
    async run({ backend }) {
      const first = await put(backend, "x", "first");
      await refuses("PRECONDITION", () => put(backend, "x", "second"));
      assert.equal(await textOf(backend, "x"), "first");
      assert.deepEqual(stated(await backend.stat("x")), stated(first));
    },
  },
  {
    name: "I3: never replaces an object, not even with the same bytes",
    async run({ backend }) {
      await put(backend, "x", "same");
      await refuses("PRECONDITION", () => put(backend, "x", "same"));
    },
  },
  {
    name: "I3: never replaces an object that came while the bytes were written",
    async run({ backend }) {
      const confirm = async () => void (await put(backend, "x", "winner"));
      await refuses("PRECONDITION", () => backend.write("x", sourceOf("loser", { confirm })));
      assert.equal(await textOf(backend, "x"), "winner");
    },
  },
  {
    name: "I3: of many writers of one key exactly one wins",
    async run({ backend }) {
      const texts = Array.from({ length: 8 }, (_, index) => `writer ${index}`);
      const results = await Promise.allSettled(texts.map((text) => put(backend, "x", text)));
      const winners = texts.filter((_, index) => results[index]?.status === "fulfilled");
      assert.equal(winners.length, 1, `${winners.length} writers won`);
      assert.equal(await textOf(backend, "x"), winners[0]);
    },
  },
  {
    name: "writers of different keys in one new directory do not disturb each other",
    async run({ backend }) {
      const keys = Array.from({ length: 16 }, (_, index) => `new/deep/dir/${String(index).padStart(2, "0")}`);
      await Promise.all(keys.map((key) => put(backend, key, key)));
      assert.deepEqual(await keysOf(backend), keys);
    },
  },
  {
    name: "I4: publishes nothing when the bytes do not have the promised hash",
    async run({ backend }) {
      const { sha256 } = sourceOf("right");
      await refuses("CORRUPT", () => backend.write("x", sourceOf("wrong", { sha256 })));
      assert.equal(await backend.stat("x"), undefined);
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "I4: publishes nothing when there are fewer bytes than promised",
    async run({ backend }) {
      const { bytes } = sourceOf("abc");
      await refuses("CORRUPT", () => backend.write("x", sourceOf("abcdef", { bytes })));
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "I4: publishes nothing when there are more bytes than promised",
    async run({ backend }) {
      const { bytes } = sourceOf("abcdef");
      await refuses("CORRUPT", () => backend.write("x", sourceOf("abc", { bytes })));
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "publishes nothing when the source fails, and passes its error on",
    async run({ backend }) {
      const source = sourceOf("abcdef", {
        async *bytes() {
          yield Buffer.from("abc");
          throw Object.assign(new Error("the cable"), { code: "CABLE" });
        },
      });
      await refuses("CABLE", () => backend.write("x", source));
      assert.deepEqual(await keysOf(backend), []);
      await put(backend, "x", "again");
      assert.equal(await textOf(backend, "x"), "again");
    },
  },
  {
    name: "publishes nothing when it is told to stop",
    async run({ backend }) {
      const controller = new AbortController();
      const source = sourceOf("abcdef", {
        signal: controller.signal,
        async *bytes() {
          yield Buffer.from("abc");
          controller.abort();
          yield Buffer.from("def");
        },
      });
      await refuses("ABORTED", () => backend.write("x", source));
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "asks for the last word once, before the object can be seen",
    async run({ backend }) {
      let asked = 0;
      const confirm = async () => {
        asked += 1;
        assert.equal(await backend.stat("x"), undefined, "published before the last word");
      };
      await backend.write("x", sourceOf("1", { confirm }));
      assert.equal(asked, 1);
    },
  },
  {
    name: "publishes nothing when the last word is no",
    async run({ backend }) {
      const confirm = () => Promise.reject(Object.assign(new Error("no"), { code: "NO" }));
      await refuses("NO", () => backend.write("x", sourceOf("1", { confirm })));
      assert.deepEqual(await keysOf(backend), []);
    },
  },
  {
    name: "leaves no temporary behind, whether it succeeds or fails",
    async run({ backend }) {
      await put(backend, "x", "1");
      await refuses("PRECONDITION", () => backend.write("x", sourceOf("2", { confirm: agree })));
      await refuses("CORRUPT", () => backend.write("y", sourceOf("2", { sha256: "0".repeat(64) })));
      for await (const leftover of backend.leftovers()) assert.fail(`left ${leftover.handle}`);
    },
  },
  {
    name: "tells of every byte that it moved",
    async run({ backend }) {
      let told = 0;
      const onBytes = (count: number) => {
        told += count;
      };
      await backend.write("x", sourceOf(noise(300_000), { onBytes }));
      assert.equal(told, 300_000);
    },
  },
];
