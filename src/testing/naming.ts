import assert from "node:assert/strict";
import {
  agree,
  type ConformanceCase,
  codeThrown,
  drain,
  keysOf,
  leftoversOf,
  put,
  RUN,
  refuses,
  sourceOf,
  textOf,
} from "./subject.js";

const NAMES = [
  "with space",
  " leading and trailing ",
  "-dash",
  ".hidden",
  "...",
  "a.b.c",
  'quote\'s "double"',
  "back\\slash",
  "new\nline",
  "percent%20",
  "star*?[x]{y}",
  "#hash;semi&amp",
  "grüße",
  "gru\u0308\u00dfe NFD",
  "日本語",
  "😀.png",
  "‮rtl",
  `${"n".repeat(251)}.txt`,
  "a/b/c/d/e/f/g/h/i/j/k",
  ".stowage",
  "sub/.stowage-tmp/x",
  "con.txt",
  "a+b c",
  "%2F%00%",
  "a=b&c=d;e,f@g:h$i!",
  "what?versionId=1",
  "tab\tand \u0001",
  "<xml>&amp;</xml>",
  "~tilde^caret|pipe",
];

/** `length` bytes in segments that every folder can hold. */
const longKey = (length: number): string => {
  const key = `${"k".repeat(200)}/`.repeat(Math.ceil(length / 201)).slice(0, length);
  return key.endsWith("/") ? `${key.slice(0, -1)}k` : key;
};

/** Names of which one is the beginning of the other, or that sort between a folder and what is in it. */
const NEAR = ["a", "a!", "a-b", "a.b", "a b", "a/b", "a/b/c", "a/bc", "a0", "ab", "a/.b", "a/ b"];

const names: ConformanceCase[] = NAMES.map((key) => ({
  name: `keeps the name ${JSON.stringify(key.length > 40 ? `${key.slice(0, 10)}… (${key.length})` : key)} byte by byte`,
  async run({ backend, refuses: refused, removes }) {
    if (refused?.(key)) {
      await refuses("UNSUPPORTED_NAME", () => put(backend, key, "1"));
      return assert.deepEqual(await keysOf(backend), []);
    }
    const entry = await put(backend, key, "1");
    assert.equal(entry.key, key);
    assert.deepEqual(await keysOf(backend), [key]);
    assert.equal(await textOf(backend, key), "1");
    if (!removes) return;
    await backend.remove(key, { version: entry.version, run: RUN, trash: false, confirm: agree });
    assert.deepEqual(await keysOf(backend), []);
  },
}));

const IMPOSSIBLE = ["", "/absolute", "a//b", "../x", "a/../../x", "./x", "x/", "nul\0byte"];

const impossible: ConformanceCase[] = IMPOSSIBLE.map((key) => ({
  name: `S15: refuses ${JSON.stringify(key)} as a key, whatever is asked`,
  async run({ backend }) {
    await refuses("UNSUPPORTED_NAME", () => backend.stat(key));
    await refuses("UNSUPPORTED_NAME", () => drain(backend.read(key)));
    await refuses("UNSUPPORTED_NAME", () => put(backend, key, "1"));
    await refuses("UNSUPPORTED_NAME", () =>
      backend.remove(key, { version: "1", run: RUN, trash: false, confirm: agree }),
    );
  },
}));

export const naming: ConformanceCase[] = [
  ...names,
  ...impossible,
  {
    name: "S15: two names that differ in case only are two objects, unless the storage folds case",
    async run({ backend }) {
      if (backend.features.foldsCase) return;
      await put(backend, "x", "small");
      await put(backend, "X", "large");
      assert.deepEqual([await textOf(backend, "x"), await textOf(backend, "X")], ["small", "large"]);
    },
  },
  {
    name: "S15: two names that differ in Unicode form only are two objects, unless the storage folds them",
    async run({ backend, refuses: refused }) {
      if (backend.features.foldsUnicode || refused?.("\u00fc")) return;
      await put(backend, "\u00fc", "composed");
      await put(backend, "u\u0308", "decomposed");
      assert.deepEqual([await textOf(backend, "\u00fc"), await textOf(backend, "u\u0308")], ["composed", "decomposed"]);
    },
  },
  {
    name: "a name that is too long is refused as such",
    async run({ backend }) {
      const { maxNameBytes, maxKeyBytes = Number.POSITIVE_INFINITY } = backend.features;
      if (maxNameBytes < maxKeyBytes)
        await refuses("UNSUPPORTED_NAME", () => put(backend, "x".repeat(maxNameBytes + 1), "1"));
      if (Number.isFinite(maxKeyBytes))
        await refuses("UNSUPPORTED_NAME", () => put(backend, longKey(maxKeyBytes + 1), "1"));
    },
  },
  {
    name: "keeps the longest key, also in the trash",
    async run({ backend, removes }) {
      const key = longKey(backend.features.maxKeyBytes ?? 900);
      const { version } = await put(backend, key, "1");
      assert.deepEqual(await keysOf(backend), [key]);
      assert.equal(await textOf(backend, key), "1");
      if (!removes) return;
      await backend.remove(key, { version, run: RUN, trash: true, confirm: agree });
      const left = await leftoversOf(backend);
      assert.deepEqual(
        left.map(({ kind, key, run, size }) => ({ kind, key, run, size })),
        [{ kind: "trash", key, run: RUN, size: 1 }],
      );
      for (const leftover of left) await backend.purge(leftover);
      assert.deepEqual([await keysOf(backend), await leftoversOf(backend)], [[], []]);
    },
  },
  {
    name: "tells names apart that are near each other",
    async run({ backend, refuses: refused }) {
      const kept: string[] = [];
      for (const key of NEAR.filter((each) => !refused?.(each))) {
        const written = await put(backend, key, key).catch((error: { code?: string }) => error.code);
        // Where there are folders, a name can not be a file and a folder.
        if (typeof written === "object") kept.push(key);
        else assert.match(String(written), /^(PRECONDITION|UNSUPPORTED_NAME)$/);
      }
      assert.ok(kept.length >= 7);
      assert.deepEqual(await keysOf(backend), kept.toSorted());
      for (const key of kept) assert.equal(await textOf(backend, key), key);
    },
  },
  {
    name: "an object where another key wants a directory is refused, or both are kept",
    async run({ backend }) {
      await put(backend, "a", "file");
      const both = await put(backend, "a/b", "below").then(
        () => true,
        () => false,
      );
      if (both) assert.equal(await textOf(backend, "a/b"), "below");
      else
        assert.match(
          await codeThrown(() => backend.write("a/b", sourceOf("below"))),
          /^(PRECONDITION|UNSUPPORTED_NAME)$/,
        );
      assert.equal(await textOf(backend, "a"), "file");
    },
  },
];
