import fs, { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { localVersion } from "../src/backend/local-version.js";
import type { Catalog } from "../src/catalog/catalog.js";
import { patternOf } from "../src/config/match.js";
import { sha256Hex } from "../src/lib/json.js";
import { earlyReader, earlyRule } from "../src/scan/early.js";
import { CLOCK, DAY, openPlaces, type Places, scanAsNobody } from "./support/places.js";

vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const watched = { ...real, readSync: vi.fn(real.readSync) };
  return { ...watched, default: watched };
});

const RULE = { unless: [], now: CLOCK, settle: 120_000, after: 0 };

describe("a file is read as soon as it is found", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "stowage-early-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const put = (name: string, text: string, time = CLOCK - DAY): string => {
    writeFileSync(join(dir, name), text);
    utimesSync(join(dir, name), time / 1000, time / 1000);
    return join(dir, name);
  };
  const read = (path: string, rule = RULE) => earlyReader()(path, "x", rule);

  it("its hash is that of the state that is told with it (S13)", () => {
    const path = put("x.txt", "text");
    expect(read(path)).toEqual({
      stat: expect.objectContaining({ size: 4n, ino: fs.statSync(path, { bigint: true }).ino }),
      ...{ sha256: sha256Hex("text"), mime: "text/plain" },
    });
  });

  it.each([
    { name: "is written", harm: (path: string) => writeFileSync(path, "other") },
    {
      name: "gets as many other bytes under its old time",
      harm: (path: string) => void put(path.slice(dir.length + 1), "TEXT"),
    },
    { name: "grows", harm: (path: string) => fs.appendFileSync(path, "more") },
  ])("claims no hash of a file that $name while it is read (S13, I4)", async ({ harm }) => {
    const path = put("x", "text");
    const { readSync } = await vi.importActual<typeof fs>("node:fs");
    vi.mocked(fs.readSync).mockImplementationOnce(((...given: Parameters<typeof readSync>) => {
      const count = readSync(...given);
      harm(path);
      return count;
    }) as typeof readSync);
    expect(read(path)).toEqual({ stat: expect.objectContaining({ size: 4n }) });
  });

  it.each([
    { name: "that is still being written (settle)", time: CLOCK - 60_000, text: "text" },
    { name: "that is large", time: CLOCK - DAY, text: "x".repeat(200_000) },
  ])("not one $name", ({ time, text }) => {
    expect(read(put("x", text, time))).not.toHaveProperty("sha256");
  });

  it.each([
    { name: "a symlink", make: (path: string) => fs.symlinkSync("/etc/passwd", path) },
    { name: "a directory", make: (path: string) => mkdirSync(path) },
    { name: "nothing", make: () => undefined },
  ])("leaves $name in its place to those who look closer (S16)", ({ make }) => {
    make(join(dir, "x"));
    expect(read(join(dir, "x"))).toBeUndefined();
  });

  it("not one that `exclude` may take out, and none where only a pattern can tell", () => {
    const path = put("x", "text");
    const rule = earlyRule([patternOf("*.tmp", "path"), patternOf("/cache/\u00e9*", "path")], CLOCK, 0);
    if (!rule) throw new Error("these can be told");
    const reads = (key: string) => earlyReader()(path, key, { ...rule, after: 0 }) !== undefined;
    expect(["a.tmp", "cache/e\u0301.jpg", "a.jpg", "cache/x"].map(reads)).toEqual([false, false, true, true]);
    expect(earlyRule([patternOf("[ab]*", "path")], CLOCK, 0)).toBeUndefined();
  });
});

describe("the first scan of a large tree reads it while it is listed", () => {
  let places: Places;
  afterEach(() => places?.close());
  const [DIRS, FILES] = [60, 40];
  const keys = Array.from({ length: DIRS * FILES }, (_, index) => `d${index % DIRS}/f${index}.jpg`);

  /** A clock with which no file is settling. */
  async function large(): Promise<void> {
    places = await openPlaces({ a: { exclude: [patternOf("*.tmp", "path")] } });
    for (const key of keys) places.put(`a:${key}`, key);
    places.put("a:d1/left.tmp", "left out");
  }
  const hashes = async () => (await places.rows("sha256")).map(({ at, sha256 }) => [at, sha256]);
  const expected = keys.map((key) => [`a:${key}`, sha256Hex(key)]).sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));

  it("and finds what any other scan finds (S1, S13)", async () => {
    await large();
    const { locations } = await places.scan();
    expect(locations).toMatchObject([{ status: "complete", added: keys.length, hashed: keys.length, problemCount: 0 }]);
    expect(await hashes()).toEqual(expected);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", hashed: 0, added: 0, changed: 0 }]);
    expect((await places.scan({ hash: "all", now: CLOCK + DAY })).locations).toMatchObject([
      { hashed: keys.length, rot: [] },
    ]);
  });

  it("says of each what Node says of it, however it was looked at (S13)", async () => {
    await large();
    await places.scan({ threads: 1 });
    const versions = (await places.rows("version")).map(({ at, version }) => [at, version]);
    expect(versions).toEqual(expected.map(([at = ""]) => [at, localVersion(places.stat(at))]));
  });

  it("reads nothing with hash none (S1)", async () => {
    await large();
    expect((await places.scan({ hash: "none" })).locations).toMatchObject([{ added: keys.length, hashed: 0 }]);
  });

  it("says of those that it may not read what any other scan says (I5)", async () => {
    await large();
    for (const key of keys.slice(-DIRS)) chmodSync(join(places.root("a"), key), 0);
    const { locations } = await scanAsNobody(places);
    expect(locations).toMatchObject([{ status: "complete", problemCount: DIRS, hashed: keys.length - DIRS }]);
    expect((await hashes()).filter(([, sha256]) => sha256 === null)).toHaveLength(DIRS);
  });

  it("has kept what it read when it is killed, and goes on from there (S14)", async () => {
    await large();
    let transactions = 0;
    const transaction: Catalog["transaction"] = (body) => {
      if (transactions++ > 0) throw new Error("killed");
      return places.catalog.transaction(body);
    };
    await expect(places.scan({ checkpoint: -1 }, { ...places.catalog, transaction })).rejects.toThrow("killed");
    expect(await hashes()).toEqual(expected);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", hashed: 0, files: keys.length }]);
  });

  it("writes once what it has kept on the way (S13)", async () => {
    await large();
    expect((await places.scan({ checkpoint: -1 })).locations).toMatchObject([
      { status: "complete", added: keys.length, hashed: keys.length, changed: 0 },
    ]);
    expect(await hashes()).toEqual(expected);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", hashed: 0, added: 0, changed: 0 }]);
  });

  it("and keeps it where a directory can not be listed (I5)", async () => {
    await large();
    chmodSync(join(places.root("a"), "d7"), 0);
    // Each thread lists the first thousand files without reading them.
    const report = await scanAsNobody(places, { threads: 1 });
    const kept = await hashes();
    expect(kept).toHaveLength(keys.length - FILES - 1_000);
    expect(report.locations).toMatchObject([{ status: "partial", hashed: kept.length }]);
    expect(report.suspects["a"]).toMatch(/d7 could not be listed/);
    expect(expected).toEqual(expect.arrayContaining(kept));
  });
});
