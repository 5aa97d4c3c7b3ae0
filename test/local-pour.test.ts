import { describe, expect, it } from "vitest";
import { pourInto } from "../src/backend/local/pour.js";
import { noise } from "../src/testing/subject.js";

const MIB = 1 << 20;
const LARGE = 200 * MIB;

/** A file in memory that takes what it is given in portions, late. */
function file(options: { syncs?: () => Promise<void>; writes?: () => Promise<void> } = {}) {
  const [written, open] = [Buffer.alloc(LARGE), { syncs: 0, most: 0, all: 0 }];
  let position = 0;
  return {
    open,
    bytes: () => written.subarray(0, position),
    async write(bytes: Uint8Array, offset: number, length: number) {
      await options.writes?.();
      const taken = Math.min(length, 700_000);
      written.set(bytes.subarray(offset, offset + taken), position);
      position += taken;
      return { bytesWritten: taken, buffer: bytes };
    },
    async datasync() {
      open.syncs++;
      open.all++;
      open.most = Math.max(open.most, open.syncs);
      await options.syncs?.().finally(() => open.syncs--);
      if (!options.syncs) open.syncs--;
    },
  };
}

type Handle = Parameters<typeof pourInto>[0];
const pour = (to: ReturnType<typeof file>, size: number) => pourInto(to as unknown as Handle, size);

describe("writing many bytes", () => {
  it.each([
    0,
    1,
    MIB,
    MIB + 1,
    3 * MIB + 5,
  ])("keeps all %d bytes in their order, whoever uses the pieces again", async (size) => {
    const [to, bytes, piece] = [file(), noise(size), Buffer.alloc(70_001)];
    const into = pour(to, size);
    for (let at = 0; at < size; at += piece.length) {
      const length = bytes.copy(piece, 0, at);
      await into.add(piece.subarray(0, length));
      piece.fill(0);
    }
    await into.end();
    expect(to.bytes().equals(bytes)).toBe(true);
  });

  it("lets the disk begin while more bytes come, once at a time, and waits for it in the end", async () => {
    const to = file({ syncs: () => new Promise((resolve) => setTimeout(resolve, 20)) });
    const into = pour(to, LARGE);
    for (let at = 0; at < LARGE; at += 8 * MIB) await into.add(Buffer.alloc(8 * MIB));
    await into.end();
    expect(to.open.all).toBeGreaterThan(0);
    expect(to.open).toMatchObject({ syncs: 0, most: 1 });
  });

  it.each([
    "syncs",
    "writes",
  ] as const)("I4: what fails on the way (%s) is an error in the end: a later fsync may not tell of it again", async (which) => {
    let count = 0;
    const fail = async (): Promise<void> => {
      if (++count === 1) throw new Error("EIO");
    };
    const to = file({ [which]: fail });
    const into = pour(to, LARGE);
    const all = async (): Promise<void> => {
      for (let at = 0; at < LARGE; at += 8 * MIB) await into.add(Buffer.alloc(8 * MIB));
      await into.end();
    };
    await expect(all()).rejects.toThrow("EIO");
  });
});
