import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { WriteSource } from "../src/backend/backend.js";
import { type Hands, hands } from "../src/backend/hands.js";
import { openDisk } from "../src/backend/local/disk.js";
import { handed } from "../src/backend/local/handed.js";
import { localVersion } from "../src/backend/local-version.js";
import { sha256Hex } from "../src/lib/json.js";

const made: string[] = [];
afterEach(async () => {
  await hands().close();
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder with a source, and what a write of it into another one is told. */
function place(text: string) {
  const root = mkdtempSync(join(tmpdir(), "stowage-hands-"));
  made.push(root);
  for (const name of ["a", "b"]) mkdirSync(join(root, name));
  const path = join(root, "a", "x");
  writeFileSync(path, text);
  const stat = statSync(path, { bigint: true });
  const source: WriteSource = {
    ...{ sha256: sha256Hex(text), size: text.length, mtime: stat.mtimeNs, path },
    file: { location: "a", root: join(root, "a"), key: "x", version: localVersion(stat) },
    async *bytes() {
      yield Buffer.from(text);
    },
  };
  return { root, source, disk: openDisk("b", join(root, "b"), { hardLinks: true }) };
}

describe("small files in threads", () => {
  it.each([true, false])("says that the source was read whole when the thread says so: %s", async (whole) => {
    const { source, disk } = place("1");
    const entry = { key: "x", size: 1, mtime: 0n, version: "v" };
    const fake = { start() {}, ready: () => true, write: async () => ({ entry, whole }) } as unknown as Hands;
    const onWhole = vi.fn();
    expect(await handed(disk, fake, 0).write("x", { ...source, onWhole })).toEqual(entry);
    expect(onWhole).toHaveBeenCalledTimes(whole ? 1 : 0);
  });

  it("a thread that has read the source to its end says so, and one that found another version writes nothing", async () => {
    const { root, source, disk } = place("some bytes");
    hands().start();
    while (!hands().ready()) await sleep(1);
    const { file, path = "", sha256, size, mtime } = source;
    const order = { path, sha256, size, mtime, run: "r" };
    const written = await hands().write(disk, "x", { ...order, file: file! }, undefined);
    expect(written).toMatchObject({ whole: true, entry: { key: "x", size } });
    expect(readFileSync(join(root, "b", "x"), "utf8")).toBe("some bytes");
    const other = { ...file!, version: "another" };
    expect(await hands().write(disk, "y", { ...order, file: other }, undefined)).toBeUndefined();
  });
});
