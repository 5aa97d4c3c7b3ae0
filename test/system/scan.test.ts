import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import type { Catalog } from "../../src/catalog/catalog.js";
import { recordGone, recordPresent } from "../../src/catalog/entries.js";
import { EARLIEST, LATEST } from "../../src/catalog/mtime.js";
import { sql } from "../../src/catalog/sql.js";
import { sha256Hex } from "../../src/lib/json.js";
import type { ScanOptions } from "../../src/scan/scan.js";
import {
  CLOCK,
  DAY,
  openPlaces,
  type Places,
  type Setting,
  scanAsNobody,
  uuidOf,
  type Way,
} from "../support/places.js";

let places: Places;
afterEach(() => places?.close());

describe.each<Way>(["threads", "backend"])("scan through %s", (way) => {
  const open = (locations?: Record<string, Setting>, settings = {}) => openPlaces(locations, { way, ...settings });

  it("reads every file once and finds its content, size, time and kind (S1, S13)", async () => {
    places = await open();
    places.put("a:photos/one.jpg", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]));
    places.put("a:notes.txt", "hello", CLOCK - 5 * DAY);
    places.put("a:empty", "");
    places.put("a:big.bin", Buffer.alloc(1_000_003, 7));

    const { locations } = await places.scan();
    expect(locations).toMatchObject([
      { location: "a", status: "complete", files: 4, hashed: 4, added: 4, changed: 0, problemCount: 0 },
    ]);
    expect(await places.rows("sha256, size, epoch_ms(mtime) AS mtime, state, media_type, mime")).toEqual([
      row("a:big.bin", Buffer.alloc(1_000_003, 7), "other", "application/octet-stream"),
      row("a:empty", "", "other", "application/octet-stream"),
      { ...row("a:notes.txt", "hello", "text", "text/plain"), mtime: CLOCK - 5 * DAY },
      row("a:photos/one.jpg", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]), "image", "image/jpeg"),
    ]);
  });

  it("keeps the hash of an unchanged file without reading it again (S13)", async () => {
    places = await open();
    for (let index = 0; index < 50; index++) places.put(`a:dir${index % 7}/f${index}`, `content ${index}`);
    await places.scan();
    const before = await places.rows("*");

    const again = await places.scan({ now: CLOCK + DAY });
    expect(again.locations).toMatchObject([
      { status: "complete", files: 50, hashed: 0, added: 0, changed: 0, missing: 0 },
    ]);
    expect(await places.rows("*")).toEqual(before);
  });

  it("reads a changed file again, and its time here begins anew only with new content (S11, S13)", async () => {
    places = await open();
    places.put("a:rewritten", "one");
    places.put("a:touched", "same");
    await places.scan();
    places.put("a:rewritten", "two");
    places.put("a:touched", "same", CLOCK - DAY);

    const again = await places.scan({ now: CLOCK + DAY });
    expect(again.locations).toMatchObject([{ hashed: 2, added: 0, changed: 2 }]);
    expect(await places.rows("sha256, first_seen, last_verified")).toEqual([
      { at: "a:rewritten", sha256: sha256Hex("two"), first_seen: CLOCK + DAY, last_verified: CLOCK + DAY },
      { at: "a:touched", sha256: sha256Hex("same"), first_seen: CLOCK, last_verified: CLOCK + DAY },
    ]);
  });

  it("reads a racily clean file once more: its bytes may change under the same token (S13)", async () => {
    places = await open();
    places.put("a:racy", "one", CLOCK - 1_000);
    places.put("a:calm", "one", CLOCK - 3_000);
    await places.scan();
    await forge("racy", "a", sha256Hex("other"));

    expect((await places.scan({ now: CLOCK + DAY })).locations).toMatchObject([{ hashed: 1, rot: [] }]);
    expect(await places.rows("sha256, state")).toEqual([
      { at: "a:calm", sha256: sha256Hex("one"), state: "present" },
      { at: "a:racy", sha256: sha256Hex("one"), state: "present" },
    ]);
    expect((await places.scan({ now: CLOCK + 2 * DAY })).locations).toMatchObject([{ hashed: 0 }]);
  });

  it("tells rot from change: other bytes under the same token keep the hash they should have (S13, I4)", async () => {
    places = await open();
    places.put("a:rotten", "bytes");
    await places.scan();
    const recorded = sha256Hex("what it was");
    await forge("rotten", "a", recorded);

    expect((await places.scan({ now: CLOCK + DAY })).locations).toMatchObject([{ hashed: 0, rot: [] }]);
    const found = await places.scan({ now: CLOCK + DAY, hash: "all" });
    expect(found.locations[0]?.rot).toEqual([{ key: "rotten", expected: recorded, actual: sha256Hex("bytes") }]);
    const rotten = [{ at: "a:rotten", sha256: recorded, state: "rot", last_verified: CLOCK }];
    expect(await places.rows("sha256, state, last_verified")).toEqual(rotten);

    await places.scan({ now: CLOCK + 2 * DAY });
    expect(await places.rows("sha256, state, last_verified")).toEqual(rotten);
    places.put("a:rotten", "replaced by a good copy");
    await places.scan({ now: CLOCK + 3 * DAY });
    expect(await places.rows("sha256, state")).toEqual([
      { at: "a:rotten", sha256: sha256Hex("replaced by a good copy"), state: "present" },
    ]);
  });

  it("reads nothing with hash none, and catches up later (S1)", async () => {
    places = await open();
    places.put("a:movie.MP4", "not really");
    expect((await places.scan({ hash: "none" })).locations).toMatchObject([{ hashed: 0, added: 1 }]);
    expect(await places.rows("sha256, last_verified, media_type, mime")).toEqual([
      { at: "a:movie.MP4", sha256: null, last_verified: null, media_type: "video", mime: "video/mp4" },
    ]);
    await places.scan({ now: CLOCK + DAY });
    expect(await places.rows("sha256, first_seen")).toEqual([
      { at: "a:movie.MP4", sha256: sha256Hex("not really"), first_seen: CLOCK },
    ]);
  });

  it("leaves a file alone that is still being written (settle)", async () => {
    places = await open({ a: {} }, { settle: 120_000 });
    places.put("a:old", "1");
    places.put("a:young", "2", CLOCK - 60_000);
    places.put("a:just ahead", "3", CLOCK + 60_000);
    places.put("a:far ahead", "4", CLOCK + DAY);
    expect((await places.scan()).locations).toMatchObject([{ files: 4, hashed: 2, settling: 2 }]);
    const states = [
      { at: "a:far ahead", state: "present", known: true },
      { at: "a:just ahead", state: "settling", known: false },
      { at: "a:old", state: "present", known: true },
      { at: "a:young", state: "settling", known: false },
    ];
    expect(await places.rows("state, sha256 IS NOT NULL AS known")).toEqual(states);
    expect((await places.scan({ now: CLOCK + 10_000 })).locations).toMatchObject([{ hashed: 0, settling: 2 }]);

    expect((await places.scan({ now: CLOCK + 10 * 60_000 })).locations).toMatchObject([{ hashed: 2, settling: 0 }]);
    expect(await places.rows("state")).toEqual(states.map(({ at }) => ({ at, state: "present" })));
  });

  it("marks what is gone as missing and remembers it (S10)", async () => {
    places = await open();
    for (const key of ["a", "b", "c"]) places.put(`a:${key}`, key);
    await places.scan();
    places.remove("a:b");
    expect((await places.scan({ now: CLOCK + DAY })).locations).toMatchObject([{ status: "complete", missing: 1 }]);
    expect(await places.rows("state, sha256")).toContainEqual({ at: "a:b", state: "missing", sha256: sha256Hex("b") });
    expect((await places.scan({ now: CLOCK + DAY })).locations).toMatchObject([{ missing: 0 }]);

    places.put("a:b", "b");
    expect((await places.scan({ now: CLOCK + 2 * DAY })).locations).toMatchObject([{ added: 1 }]);
    expect(await places.rows("state, first_seen")).toContainEqual({ at: "a:b", state: "present", first_seen: CLOCK });
  });

  it("forgets what we removed ourselves: neither missing nor a shrink (S10, S14)", async () => {
    places = await open();
    for (const key of ["a", "b", "c"]) places.put(`a:${key}`, key);
    await places.scan();
    for (const key of ["a", "b", "c"]) places.remove(`a:${key}`);
    const removed = ["a", "b", "c"].map((key) => ({ location: "a", key }));
    expect((await places.scan({ removed })).locations).toMatchObject([{ status: "complete", missing: 0 }]);
    expect(await places.rows()).toEqual([]);
  });

  it("does not believe in a removal of a file that is there", async () => {
    places = await open();
    places.put("a:a", "a");
    await places.scan({ removed: [{ location: "a", key: "a" }] });
    expect(await places.rows()).toEqual([{ at: "a:a", state: "present" }]);
  });

  it("takes what is excluded as not part of the location, by NFC and in linear time (S15)", async () => {
    const exclude = [
      { glob: "*.tmp", re2: "(?s:(?:.*/)?[^/]*\\.tmp)" },
      { glob: "/caf\u00e9/**", re2: "caf\u00e9/.*" },
      { glob: "evil", re2: "(a|a|a?)*b" },
    ];
    places = await open({ a: { exclude } });
    places.put("a:keep.txt", "1");
    places.put("a:deep/x.tmp", "2");
    places.put("a:cafe\u0301/menu", "3");
    places.put(`a:${"a".repeat(200)}`, "4");
    await places.scan();
    expect((await places.rows()).map(({ at }) => at)).toEqual([`a:${"a".repeat(200)}`, "a:keep.txt"]);
  });

  it("forgets files that a new exclude takes out: that is neither loss nor shrink (S14)", async () => {
    places = await open();
    for (const key of ["1.tmp", "2.tmp", "3"]) places.put(`a:${key}`, key);
    await places.scan();
    (places.config.locations[0] as { exclude: unknown }).exclude = [{ glob: "*.tmp", re2: "[^/]*\\.tmp" }];
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", missing: 0 }]);
    expect(await places.rows()).toEqual([{ at: "a:3", state: "present" }]);
  });

  it("lists neither stowage's own files nor a state directory inside the location", async () => {
    places = await open();
    places.put("a:.stowage-tmp/x", "1");
    places.put("a:.stowage-trash/run/y", "2");
    places.put("a:sub/.stowage-tmp/z", "3");
    places.put("a:.stowage/catalog.duckdb", "4");
    places.config.settings.state = join(places.root("a"), ".stowage");
    await places.scan();
    const expected = way === "threads" ? [] : ["a:.stowage/catalog.duckdb"];
    expect((await places.rows()).map(({ at }) => at)).toEqual([...expected, "a:sub/.stowage-tmp/z"]);
  });

  it("follows no symlink, not even a loop, and counts them and special files (S16)", async () => {
    places = await open();
    places.put("a:real/file", "1");
    places.symlink("a:loop", ".");
    places.symlink("a:real/up", "..");
    places.symlink("a:to file", "real/file");
    places.symlink("a:dangling", "nowhere");
    execFileSync("mkfifo", [join(places.root("a"), "pipe")]);
    expect((await places.scan()).locations).toMatchObject([{ files: 1, symlinks: 4, special: 1, status: "complete" }]);
    expect(await places.rows()).toEqual([{ at: "a:real/file", state: "present" }]);
  });

  it("remembers where nothing can be put as long as that is so, also where no file has changed (S9, S16)", async () => {
    places = await open();
    const others = async () => (await places.catalog.rows(sql`FROM others ORDER BY key`)) as object[];
    const at = (key: string) => ({ location: "a", key });
    places.put("a:d/file", "1");
    places.symlink("a:d/link", "file");
    await places.scan();
    expect(await others()).toEqual([at("d/link")]);
    execFileSync("mkfifo", [join(places.root("a"), "d/pipe")]);
    await places.scan({ now: CLOCK + 10 * DAY });
    await places.scan({ now: CLOCK + 11 * DAY });
    expect(await others()).toEqual([at("d/link"), at("d/pipe")]);
    places.remove("a:d/link");
    await places.scan({ now: CLOCK + 12 * DAY });
    expect(await others()).toEqual([at("d/pipe")]);
  });

  it("knows hard links as one copy (S6, S16)", async () => {
    places = await open();
    places.put("a:x", "1");
    places.link("a:y", "a:x");
    places.put("a:z", "1");
    await places.scan();
    const [x, y, z] = (await places.rows("physical")).map(({ physical }) => physical);
    expect(x).toBe(`${places.stat("a:x").dev}:${places.stat("a:x").ino}`);
    expect(y).toBe(x);
    expect(z).not.toBe(x);
  });

  it.each([
    { name: "control characters", keys: ["a\nb", "c\u0001d/e\tf", "\u001b[31mred"] },
    { name: "255-byte names", keys: ["n".repeat(255), `${"\u00e9".repeat(127)}x`] },
    { name: "NFC and NFD twins", keys: ["\u00e9", "e\u0301"] },
    { name: "case twins", keys: ["Photo.JPG", "photo.jpg"] },
    {
      name: "quotes, backslashes, wildcards and a lone replacement character",
      keys: ["it's", 'a"b', "back\\slash", "*?[x]", "\ufffd", " ", "~"],
    },
    { name: "characters beyond the basic plane", keys: ["\u{1f980}", "\u202eabc"] },
  ])("keeps names byte-exact: $name (S15)", async ({ keys }) => {
    places = await open();
    for (const key of keys) places.put(`a:${key}`, key);
    expect((await places.scan()).locations).toMatchObject([
      { status: "complete", files: keys.length, problemCount: 0 },
    ]);
    const rows = await places.rows("norm_key, sha256");
    expect(new Set(rows.map(({ at }) => at))).toEqual(new Set(keys.map((key) => `a:${key}`)));
    for (const { at, norm_key, sha256 } of rows) {
      expect(norm_key).toBe(String(at).slice(2).normalize("NFC"));
      expect(sha256).toBe(sha256Hex(String(at).slice(2)));
    }
    expect((await places.scan()).locations).toMatchObject([{ hashed: 0, added: 0, missing: 0 }]);
  });

  it("reports names that are not valid UTF-8 and leaves them alone (S15)", async () => {
    places = await open();
    places.put("a:fine", "1");
    writeFileSync(Buffer.concat([Buffer.from(`${places.root("a")}/b`), Buffer.from([0xff, 0xfe])]), "2");
    const { locations } = await places.scan();
    expect(locations).toMatchObject([
      { status: "complete", files: 1, unnamed: 1, problemCount: 1, problems: [{ code: "name" }] },
    ]);
    expect(await places.rows()).toEqual([{ at: "a:fine", state: "present" }]);
  });

  it("names parts of the key by the layout, also when the layout changes (layout)", async () => {
    const layout = (re2: string, captures: string[]) => ({ text: "", re2, captures });
    places = await open({ a: { layout: layout("([^/]*)/([^/]*)/.*", ["project", "shoot"]) } });
    places.put("a:acme/day 1/x.raw", "1");
    places.put("a:loose", "2");
    await places.scan();
    expect(await places.rows("project, attrs")).toEqual([
      { at: "a:acme/day 1/x.raw", project: "acme", attrs: '{"shoot":"day 1"}' },
      { at: "a:loose", project: null, attrs: null },
    ]);
    (places.config.locations[0] as { layout: unknown }).layout = layout("([^/]*)/.*", ["client"]);
    expect((await places.scan()).locations).toMatchObject([{ hashed: 0 }]);
    expect((await places.rows("project, attrs"))[0]).toEqual({
      at: "a:acme/day 1/x.raw",
      project: null,
      attrs: '{"client":"acme"}',
    });
  });

  it("reports a file that changes or vanishes between listing and reading, and claims no hash of it (I4)", async () => {
    places = await open();
    for (const key of ["changes", "vanishes", "stays"]) places.put(`a:${key}`, key);
    let done = false;
    const { locations } = await places.scan({
      onEvent: ({ phase }) => {
        if (phase !== "hash" || done) return;
        done = true;
        places.put("a:changes", "while we read");
        places.remove("a:vanishes");
      },
    });
    expect(locations).toMatchObject([{ status: "complete", hashed: 1, problemCount: 2 }]);
    expect(locations[0]?.problems.map(({ key, code }) => [key, code])).toEqual([
      ["changes", "changed"],
      ["vanishes", "vanished"],
    ]);
    expect(await places.rows("sha256")).toEqual([
      { at: "a:changes", sha256: null },
      { at: "a:stays", sha256: sha256Hex("stays") },
    ]);
    await places.scan({ now: CLOCK + DAY });
    expect(await places.rows("sha256")).toContainEqual({ at: "a:changes", sha256: sha256Hex("while we read") });
  });

  it("keeps what was read when it is stopped, and takes nothing for gone", async () => {
    places = await open();
    for (let index = 0; index < 20; index++) places.put(`a:f${index}`, `${index}`);
    await places.scan();
    for (let index = 0; index < 8; index++) places.remove(`a:f${index}`);
    places.put("a:new", "new");
    const stop = new AbortController();
    const { locations } = await places.scan({
      signal: stop.signal,
      onEvent: ({ phase }) => phase === "hash" && stop.abort(),
    });
    expect(locations).toMatchObject([{ status: "partial", missing: 0 }]);
    expect(await places.suspects()).toEqual({ a: null });
    expect((await places.rows()).filter(({ state }) => state === "present").length).toBeGreaterThanOrEqual(20);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", missing: 8 }]);
  });

  it("reads no rows with a layout that only a stopped scan has seen (layout)", async () => {
    const layout = (captures: string[]) => ({ text: "", re2: "([^/]*)/.*", captures });
    places = await open({ a: { layout: layout(["project"]) } });
    for (let index = 0; index < 20; index++) places.put(`a:dune/f${index}`, `${index}`);
    await places.scan();
    const use = (captures: string[]) => {
      (places.config.locations[0] as { layout: unknown }).layout = layout(captures);
    };
    use(["client"]);
    places.put("a:dune/new", "new");
    const stop = new AbortController();
    const onEvent: ScanOptions["onEvent"] = ({ phase }) => phase === "hash" && stop.abort();
    expect((await places.scan({ signal: stop.signal, onEvent })).locations).toMatchObject([{ status: "partial" }]);
    places.remove("a:dune/new");
    use(["project"]);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete" }]);
    const [row, ...others] = await places.rows("project, attrs");
    expect({ ...row, others: others.length }).toEqual({ at: "a:dune/f0", project: "dune", attrs: null, others: 19 });
    expect(new Set((await places.rows("project, attrs")).map(({ project, attrs }) => `${project} ${attrs}`)).size).toBe(
      1,
    );
  });

  it("keeps damage that was found right after the file was written until it is repaired (I4, S13)", async () => {
    places = await open();
    const path = places.put("a:x", "good", CLOCK - 500);
    await places.scan();
    await places.catalog.run(sql`UPDATE file_locations SET state = 'rot', sha256 = ${sha256Hex("was")}`);
    for (const now of [CLOCK + 1_000, CLOCK + DAY]) {
      await places.scan({ now });
      expect(await places.rows("sha256, state")).toEqual([{ at: "a:x", sha256: sha256Hex("was"), state: "rot" }]);
    }
    writeFileSync(path, "was");
    await places.scan({ now: CLOCK + 2 * DAY });
    expect(await places.rows("sha256, state")).toEqual([{ at: "a:x", sha256: sha256Hex("was"), state: "present" }]);
  });

  it("knows the other names of a file again where only they have changed (S6)", async () => {
    places = await open();
    places.put("a:x", "1");
    places.link("a:y", "a:x");
    await places.scan();
    const known = await places.rows("physical");
    await places.catalog.run(sql`UPDATE file_locations SET physical = NULL WHERE key = 'x'`);
    await places.scan();
    expect(await places.rows("physical")).toEqual(known);
  });

  it("forgets what an apply that began before has written of a location that left the file", async () => {
    places = await open();
    places.put("a:x", "1");
    await places.scan();
    await recordPresent(
      places.catalog,
      [{ location: "old", key: "x", sha256: "00", size: 1, mtime: 0n, version: "v" }],
      CLOCK,
    );
    await places.scan();
    expect((await places.rows()).map(({ at }) => at)).toEqual(["a:x"]);
  });

  it("sees the time of access of a file that did not change otherwise", async () => {
    places = await open();
    const path = places.put("a:x", "1");
    await places.scan();
    if (way === "backend") return;
    utimesSync(path, (CLOCK - DAY) / 1000, (CLOCK - 100 * DAY) / 1000);
    // utimes also moves ctime, so the token is new; the content is the same.
    await places.scan();
    expect(await places.rows("accessed")).toEqual([{ at: "a:x", accessed: CLOCK - DAY }]);
  });
});

it.runIf(existsSync("/dev/shm"))("takes any time that a disk may say, and no file is read twice for it", async () => {
  const root = mkdtempSync("/dev/shm/stowage-times-");
  try {
    places = await openPlaces({ a: { root } });
    await places.backends.get("a")?.writeMarker(uuidOf("a"));
    const times = ["-9000000000000000", "-30000000000", "-9203803199", "9250000000", "9000000000000000"];
    for (const [index, time] of times.entries())
      execFileSync("touch", ["-d", `@${time}`, places.put(`a:${index}`, `${index}`)]);
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", files: 5, hashed: 5 }]);
    const [first, last] = [String(EARLIEST), String(LATEST)];
    const found = (await places.rows("epoch_ns(mtime)::VARCHAR AS ns")).map(({ ns }) => ns);
    expect(found).toEqual([first, first, first, last, last]);
    expect((await places.scan({ now: CLOCK + DAY })).locations).toMatchObject([{ hashed: 0, changed: 0 }]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

it("knows folders without files: nothing can be put there either (S9)", async () => {
  places = await openPlaces();
  mkdirSync(join(places.root("a"), "empty/inner"), { recursive: true });
  await places.scan();
  const known = await places.catalog.rows(sql<{ dir: string }>`SELECT dir FROM directories ORDER BY dir`);
  expect(known.map(({ dir }) => dir)).toEqual(["", "empty", "empty/inner"]);
});

describe("a directory that looks as it did is passed over, and everything else is looked at (S13)", () => {
  const spied = { same: 0, digests: 0 };
  /** The stage is gone after a scan: look at it in the last transaction. */
  const spy = () => {
    const { catalog } = places;
    const transaction: Catalog["transaction"] = async (body) => {
      const count = async (table: string) =>
        (await catalog.rows(sql`SELECT 1 FROM duckdb_tables() WHERE table_name = ${table}`)).length > 0
          ? (await catalog.rows({ text: `SELECT * FROM work.${table}`, values: [] })).length
          : 0;
      spied.same = await count("same");
      spied.digests = await count("digests");
      return catalog.transaction(body);
    };
    const seen: Catalog = { ...catalog, transaction };
    return (options = {}) => places.scan({ now: CLOCK + 10 * DAY, ...options }, seen);
  };

  beforeEach(async () => {
    places = await openPlaces();
    for (const key of ["x", "one/a", "one/b", "two/c", "two/deep/d"]) places.put(`a:${key}`, key);
    await places.scan();
  });

  it("all of them", async () => {
    const before = await places.rows("*");
    expect((await spy()()).locations).toMatchObject([{ status: "complete", files: 5, hashed: 0, missing: 0 }]);
    expect(spied).toEqual({ same: 4, digests: 0 });
    expect(await places.rows("*")).toEqual(before);
  });

  it.each([
    { name: "a new file", harm: () => places.put("a:one/new", "1"), expected: { added: 1, hashed: 1 }, same: 3 },
    { name: "a changed file", harm: () => places.put("a:two/c", "2"), expected: { changed: 1, hashed: 1 }, same: 3 },
    { name: "a file that is gone", harm: () => places.remove("a:one/a"), expected: { missing: 1 }, same: 3 },
    { name: "a directory that is gone", harm: () => places.remove("a:two/deep"), expected: { missing: 1 }, same: 3 },
    { name: "a new directory", harm: () => places.put("a:three/e", "3"), expected: { added: 1 }, same: 4 },
    {
      name: "a symlink in a file's place",
      harm: () => {
        places.remove("a:x");
        places.symlink("a:x", "one");
      },
      expected: { missing: 1, symlinks: 1 },
      same: 3,
    },
  ])("but $name", async ({ harm, expected, same }) => {
    harm();
    expect((await spy()()).locations).toMatchObject([{ status: "complete", ...expected }]);
    expect(spied.same).toBe(same);
    expect((await spy()()).locations).toMatchObject([{ added: 0, changed: 0, missing: 0, hashed: 0 }]);
  });

  it.each([
    {
      name: "somebody else changed the rows",
      change: () => recordGone(places.catalog, [{ location: "a", key: "x" }]),
      expected: { added: 1 },
    },
    {
      name: "a row came that no file belongs to any more",
      change: () =>
        recordPresent(
          places.catalog,
          [{ location: "a", key: "one/ghost", sha256: "0".repeat(64), size: 1, mtime: 0n, version: "1-0-0-1" }],
          CLOCK,
        ),
      expected: { missing: 1 },
    },
    {
      name: "every file is to be read",
      change: () => undefined,
      options: { hash: "all" as const },
      expected: { hashed: 5 },
    },
    { name: "the clock went back", change: () => undefined, options: { now: CLOCK - 200 * DAY }, expected: {} },
    {
      name: "more is excluded",
      change: () => {
        const [first] = places.config.locations;
        if (first) first.exclude = [{ glob: "/one/**", re2: "one/.*" }];
      },
      expected: { files: 3, missing: 0 },
    },
  ])("none when $name", async ({ change, options = {}, expected }) => {
    await change();
    expect((await spy()(options)).locations).toMatchObject([{ status: "complete", ...expected }]);
    expect(spied.same).toBe(0);
  });

  it.each([
    {
      name: "settling",
      setting: { settle: 3_600_000 },
      age: 60_000,
      later: CLOCK + 7_200_000,
      expected: { hashed: 1, settling: 0 },
    },
    { name: "racily clean", setting: {}, age: 1_000, later: CLOCK + DAY, expected: { hashed: 1 } },
    {
      name: "from the future",
      setting: { settle: 3_600_000 },
      age: -7_200_000,
      later: CLOCK + 7_200_000,
      expected: { settling: 1 },
    },
  ])("not one with a file that is $name", async ({ setting, age, later, expected }) => {
    await places.close();
    places = await openPlaces({ a: {} }, setting);
    places.put("a:dir/x", "x", CLOCK - age);
    places.put("a:y", "y");
    await places.scan();
    expect((await spy()({ now: later })).locations).toMatchObject([expected]);
    expect(spied).toEqual({ same: 1, digests: 1 });
  });

  it("not one of a scan that read nothing", async () => {
    await places.close();
    places = await openPlaces();
    places.put("a:x", "x");
    await places.scan({ hash: "none" });
    expect((await spy()()).locations).toMatchObject([{ hashed: 1 }]);
  });

  it("a directory that vanished is found though it was never at rest", async () => {
    places.put("a:restless/new", "1", CLOCK + 10 * DAY - 1_000);
    await spy()();
    places.remove("a:restless");
    expect((await spy()({ now: CLOCK + 20 * DAY })).locations).toMatchObject([{ missing: 1 }]);
  });

  it("names that are not valid UTF-8 are reported every time", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${places.root("a")}/one/`), Buffer.from([0xff])]), "");
    expect((await spy()()).locations).toMatchObject([{ problemCount: 1 }]);
    expect((await spy()()).locations).toMatchObject([{ problemCount: 1 }]);
  });
});

describe("scan", () => {
  it("tells of its progress by phase, with totals while it reads", async () => {
    places = await openPlaces();
    for (const key of ["a", "b", "c"]) places.put(`a:${key}`, "1234");
    const events: string[] = [];
    await places.scan({
      onEvent: ({ type: _, location, ...event }) => events.push(`${location} ${JSON.stringify(event)}`),
    });
    expect(events).toContain('a {"phase":"walk","files":3,"bytes":12}');
    expect(events).toContain('a {"phase":"hash","totalFiles":3,"totalBytes":12,"files":3,"bytes":12}');
    expect(events.at(-1)).toBe('a {"phase":"done","files":3,"bytes":12}');
  });

  it("records each scan and its problems", async () => {
    places = await openPlaces();
    places.put("a:x", "1234");
    await places.scan();
    await places.scan({ now: CLOCK + 1 });
    const scans = await places.catalog.rows(
      sql`SELECT id, location, status, files, bytes, hashed, added FROM scans ORDER BY id`,
    );
    expect(scans).toEqual([
      { id: 1, location: "a", status: "complete", files: 1, bytes: 4, hashed: 1, added: 1 },
      { id: 2, location: "a", status: "complete", files: 1, bytes: 4, hashed: 0, added: 0 },
    ]);
    expect(
      await places.catalog.rows(
        sql`SELECT last_scan, last_complete_scan, uuid, total_bytes > 0 AS sized FROM storage_locations`,
      ),
    ).toEqual([{ last_scan: 2, last_complete_scan: 2, uuid: expect.stringMatching(/^0{8}-/), sized: true }]);
  });

  it("rebuilds the catalog from nothing: it is a cache", async () => {
    places = await openPlaces({ a: {}, b: {} });
    places.put("a:x", "1");
    places.put("b:y", "2");
    await places.scan();
    const before = await places.rows("*");
    await places.forget();
    await places.scan();
    expect(await places.rows("*")).toEqual(before);
  });

  it("sees the same versions through worker threads and through the backend (S13)", async () => {
    places = await openPlaces();
    for (const key of ["x", "sub/y"]) places.put(`a:${key}`, key);
    places.put("a:before 1970", "z", -1_234.5);
    await places.scan();
    const { root: _, ...plain } = places.backends.get("a") as Backend;
    places.backends.set("a", plain);
    expect((await places.scan()).locations).toMatchObject([
      { status: "complete", hashed: 0, added: 0, changed: 0, missing: 0 },
    ]);
  });

  it("lists a wide and deep tree completely with several threads", async () => {
    places = await openPlaces();
    const keys: string[] = [];
    for (let index = 0; index < 900; index++) {
      const digits = String(index).padStart(4, "0");
      keys.push(index % 3 === 0 ? `wide/${digits}` : `deep/${[...digits].join("/")}/f${index}`);
    }
    for (const key of keys) places.put(`a:${key}`, key);
    expect((await places.scan({ threads: 4 })).locations).toMatchObject([{ files: keys.length, hashed: keys.length }]);
    expect((await places.rows()).map(({ at }) => String(at).slice(2))).toEqual(keys.sort());
  });

  it("a long scan that is killed has kept the new files that it read, and changed nothing else (S14)", async () => {
    places = await openPlaces();
    for (const key of ["1", "2", "3"]) places.put(`a:${key}`, key);
    await places.scan();
    for (const key of ["1", "2"]) places.put(`a:${key}`, `${key} again`);
    places.remove("a:3");
    places.put("a:new", "new");
    const before = await places.rows("*");
    const killed = { ...places.catalog, transaction: dying };
    await expect(places.scan({ checkpoint: -1 }, killed)).rejects.toThrow("killed");

    const after = await places.rows("*");
    expect(after.slice(0, 3)).toEqual(before);
    expect(after[3]).toMatchObject({ at: "a:new", sha256: sha256Hex("new"), state: "present" });
  });

  it.each([
    { name: "in this scan", clock: CLOCK, kill: false },
    { name: "in one that was killed", clock: CLOCK + DAY, kill: true },
  ])("new files that were kept $name hide no shrink (S14)", async ({ clock, kill }) => {
    places = await openPlaces();
    for (const key of ["1", "2", "3"]) places.put(`a:${key}`, key);
    await places.scan();
    for (let index = 0; index < 9; index++) places.put(`a:new ${index}`, `new ${index}`);
    const killed = { ...places.catalog, transaction: dying };
    if (kill) await expect(places.scan({ now: clock, checkpoint: -1 }, killed)).rejects.toThrow("killed");
    for (const key of ["1", "2"]) places.remove(`a:${key}`);
    expect((await places.scan({ now: clock, checkpoint: -1 })).locations).toMatchObject([
      { status: "suspect", suspect: expect.stringMatching(/2 of its 3 contents/) },
    ]);
  });

  it("keeps unreadable files without a hash: they count as no copy (I5)", async () => {
    places = await openPlaces();
    chmodSync(places.put("a:locked", "1"), 0);
    places.put("a:open", "2");
    const { locations } = await scanAsNobody(places);
    expect(locations).toMatchObject([
      { status: "complete", problemCount: 1, problems: [{ key: "locked", code: "unreadable" }] },
    ]);
  });
});

const row = (at: string, bytes: string | Buffer, media_type: string, mime: string) => ({
  ...{
    at,
    sha256: sha256Hex(bytes),
    size: Buffer.byteLength(bytes),
    mtime: CLOCK - 100 * DAY,
    state: "present",
    media_type,
    mime,
  },
});

/** Makes the catalog believe in another hash. */
const forge = (key: string, location: string, sha256: string) =>
  places.catalog.run(sql`UPDATE file_locations SET sha256 = ${sha256} WHERE location = ${location} AND key = ${key}`);

/** The process dies when it is about to write what the scan came to. What the catalog knows of the locations is as it should be: nothing is written before. */
const dying: Catalog["transaction"] = async () => {
  throw new Error("killed");
};
