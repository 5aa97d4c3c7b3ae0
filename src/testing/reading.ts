import assert from "node:assert/strict";
import type { Backend, ReadOptions } from "../backend/backend.js";
import { agree, bytesOf, type ConformanceCase, drain, noise, put, RUN, refuses, textOf } from "./subject.js";

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
