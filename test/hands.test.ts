import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { WriteSource } from "../src/backend/backend.js";
import { type Hands, hands } from "../src/backend/hands.js";
import { type Disk, openDisk } from "../src/backend/local/disk.js";
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

  /** Removes `key` of a folder in a thread. */
  async function removal(disk: Disk, key: string): Promise<string | undefined> {
    const stat = statSync(join(disk.root, key), { bigint: true });
    let left: string | undefined;
    const otherName = (version: string): void => {
      left = version;
    };
    const options = { version: localVersion(stat), run: "r", trash: false, confirm: async () => undefined, otherName };
    await hands().remove(disk, key, options);
    return left;
  }

  async function started(): Promise<void> {
    hands().start();
    while (!hands().ready()) await sleep(1);
  }

  it("a thread that has removed one name tells the version that the other one has now", async () => {
    const { root } = place("1");
    const disk = openDisk("a", join(root, "a"), { hardLinks: true });
    linkSync(join(root, "a", "x"), join(root, "b", "x"));
    await started();
    const left = await removal(disk, "x");
    expect(left).toBe(localVersion(statSync(join(root, "b", "x"), { bigint: true })));
    expect(existsSync(join(root, "a", "x"))).toBe(false);
  });

  it("folders that are emptied go, at any time and by any number at once, and links are looked for anew", async () => {
    const { root } = place("1");
    const disk = openDisk("a", join(root, "a"), { hardLinks: true });
    await started();
    for (let round = 0; round < 3; round += 1) {
      mkdirSync(join(root, "a/d/e"), { recursive: true });
      const keys = Array.from({ length: 20 }, (_, index) => `d/e/${index}`);
      for (const key of keys) {
        writeFileSync(join(root, "a", key), "1");
        linkSync(join(root, "a", key), join(root, "b", key.replaceAll("/", "-") + round));
      }
      await Promise.all(keys.map((key) => removal(disk, key)));
      expect(existsSync(join(root, "a/d"))).toBe(false);
    }
    await sleep(20);
    mkdirSync(join(root, "b/e"), { recursive: true });
    writeFileSync(join(root, "b/e/0"), "1");
    linkSync(join(root, "b/e/0"), join(root, "b/e/1"));
    symlinkSync(join(root, "b"), join(root, "a/d"));
    await expect(removal(disk, "d/e/0")).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(existsSync(join(root, "b/e/0"))).toBe(true);
  });
});
