import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSpool } from "../src/catalog/spool.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "stowage-spool-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const PIECES = ["one\n", "", "twenty\n", "three hundred\n", "4\n"];

const filled = (kept: number) => {
  const spool = openSpool(join(folder, "catalog"), kept);
  for (const piece of PIECES) spool.add(Buffer.from(piece));
  return spool;
};

const read = (spool: Iterable<Buffer>): string[] => [...spool].map(String);

describe("a spool", () => {
  it.each([0, 4, 5, 11, 1_000])("gives its pieces in their order, %i bytes of them from memory", (kept) => {
    const spool = filled(kept);
    expect(read(spool)).toEqual(PIECES);
    expect(read(spool)).toEqual(PIECES);
  });

  it("can be gone through by several, and added to in between", () => {
    const spool = filled(4);
    const [one, other] = [spool[Symbol.iterator](), spool[Symbol.iterator]()];
    for (let n = 0; n < 3; n++) expect(String(one.next().value)).toBe(PIECES[n]);
    spool.add(Buffer.from("last\n"));
    expect(String(other.next().value)).toBe("one\n");
    expect(String(one.next().value)).toBe("three hundred\n");
    expect(read(spool)).toEqual([...PIECES, "last\n"]);
  });

  it("leaves nothing beside the catalog, not even while it is read", () => {
    const spool = filled(0);
    expect(readdirSync(folder)).toEqual([]);
    expect(read(spool)).toEqual(PIECES);
  });

  it("needs no file as long as all fits into memory", () => {
    rmSync(folder, { recursive: true });
    expect(read(filled(1_000))).toEqual(PIECES);
  });

  it("says where it can not be laid out", () => {
    rmSync(folder, { recursive: true });
    expect(() => filled(10)).toThrow(/can not be laid out beside the catalog .*ENOENT/);
  });
});
