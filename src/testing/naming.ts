import assert from "node:assert/strict";
import {
  agree,
  type ConformanceCase,
  codeThrown,
  drain,
  keysOf,
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
];

const names: ConformanceCase[] = NAMES.map((key) => ({
  name: `keeps the name ${JSON.stringify(key.length > 40 ? `${key.slice(0, 10)}… (${key.length})` : key)} byte by byte`,
  async run({ backend, refuses: refused }) {
    if (refused?.(key)) {
      await refuses("UNSUPPORTED_NAME", () => put(backend, key, "1"));
      return assert.deepEqual(await keysOf(backend), []);
    }
    const entry = await put(backend, key, "1");
    assert.equal(entry.key, key);
    assert.deepEqual(await keysOf(backend), [key]);
    assert.equal(await textOf(backend, key), "1");
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
    async run({ backend }) {
      if (backend.features.foldsUnicode) return;
      await put(backend, "\u00fc", "composed");
      await put(backend, "u\u0308", "decomposed");
      assert.deepEqual([await textOf(backend, "\u00fc"), await textOf(backend, "u\u0308")], ["composed", "decomposed"]);
    },
  },
  {
    name: "a name that is too long is refused as such",
    async run({ backend }) {
      const key = "x".repeat(backend.features.maxNameBytes + 1);
      if (backend.features.maxNameBytes >= 1024) return;
      await refuses("UNSUPPORTED_NAME", () => put(backend, key, "1"));
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
