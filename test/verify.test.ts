import { chmodSync, closeSync, mkdirSync, openSync, renameSync, statSync, utimesSync, writeSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { instant, sql } from "../src/catalog/sql.js";
import { sha256Hex } from "../src/lib/json.js";
import { type VerifyOptions, verify } from "../src/scan/verify.js";
import { CLOCK, DAY, openPlaces, type Places, type Way } from "./support/places.js";

let places: Places;
afterEach(() => places?.close());

const LATER = CLOCK + 10 * DAY;
const run = (options: Partial<VerifyOptions> = {}) =>
  verify(places.config, places.catalog, places.backends, { now: LATER, threads: 2, ...options });

/** Makes the catalog expect other bytes: what rot under an unchanged token looks like. */
const rot = (key: string) =>
  places.catalog.run(sql`UPDATE file_locations SET sha256 = ${sha256Hex(`good ${key}`)} WHERE key = ${key}`);

describe.each<Way>(["threads", "backend"])("verify through %s", (way) => {
  it("re-reads every file, and those with the right bytes are verified as of now", async () => {
    places = await openPlaces({ a: {}, b: {} }, { way });
    places.put("a:x", "12345");
    places.put("b:big", Buffer.alloc(300_000, 1));
    await places.scan();
    expect(await run()).toMatchObject({
      checked: 2,
      bytes: 300_005,
      ok: 2,
      rot: [],
      changed: [],
      missing: [],
      ...{ unreadable: [], archived: [], corrected: [] },
      skipped: [],
    });
    expect(await places.rows("last_verified, state")).toEqual([
      { at: "a:x", last_verified: LATER, state: "present" },
      { at: "b:big", last_verified: LATER, state: "present" },
    ]);
  });

  it("tells rot, change and loss apart (S13, I4)", async () => {
    places = await openPlaces({ a: {} }, { way });
    for (const key of ["fine", "rotten", "edited", "gone"]) places.put(`a:${key}`, key);
    await places.scan();
    await rot("rotten");
    places.put("a:edited", "by hand");
    places.remove("a:gone");

    const report = await run();
    expect(report).toMatchObject({
      ...{ checked: 4, ok: 1, counts: { rot: 1, changed: 1, missing: 1, unreadable: 0, archived: 0, corrected: 0 } },
      rot: [{ location: "a", key: "rotten", expected: sha256Hex("good rotten"), actual: sha256Hex("rotten") }],
      changed: [{ location: "a", key: "edited" }],
      missing: [{ location: "a", key: "gone" }],
    });
    expect(await places.rows("state, sha256, last_verified")).toEqual([
      { at: "a:edited", state: "present", sha256: sha256Hex("edited"), last_verified: CLOCK },
      { at: "a:fine", state: "present", sha256: sha256Hex("fine"), last_verified: LATER },
      { at: "a:gone", state: "missing", sha256: sha256Hex("gone"), last_verified: CLOCK },
      { at: "a:rotten", state: "rot", sha256: sha256Hex("good rotten"), last_verified: CLOCK },
    ]);
  });
});

describe("verify", () => {
  it("finds bytes that changed on the disk without a trace in size, time and inode (S13)", async () => {
    places = await openPlaces();
    const path = places.put("a:photo", "the good bytes");
    await places.scan();
    const file = openSync(path, "r+");
    writeSync(file, "X", 4);
    closeSync(file);
    utimesSync(path, (CLOCK - 100 * DAY) / 1000, (CLOCK - 100 * DAY) / 1000);
    const { size, mtimeNs, ctimeNs, ino } = places.stat("a:photo");
    await places.catalog.run(sql`UPDATE file_locations SET version = ${`${size}-${mtimeNs}-${ctimeNs}-${ino}`}`);
    expect((await run()).rot).toMatchObject([{ key: "photo", expected: sha256Hex("the good bytes") }]);
  });

  it("takes other bytes under the old time for rot, and a new mode or owner for nothing (S13)", async () => {
    places = await openPlaces({ a: {} });
    for (const key of ["flipped", "chmod"]) places.put(`a:${key}`, key);
    await places.scan();
    const path = (key: string) => `${places.config.locations[0]?.root}/${key}`;
    const { atimeMs, mtimeMs } = statSync(path("flipped"));
    const fd = openSync(path("flipped"), "r+");
    writeSync(fd, "F", 0);
    closeSync(fd);
    utimesSync(path("flipped"), atimeMs / 1000, mtimeMs / 1000);
    chmodSync(path("chmod"), 0o600);
    expect(await run()).toMatchObject({ ok: 1, rot: [{ key: "flipped" }], changed: [] });
    expect(await run()).toMatchObject({ ok: 1, rot: [{ key: "flipped" }], changed: [] });
  });

  it("takes a racily clean file of a coarse clock with other bytes as changed, not as rot (S13)", async () => {
    places = await openPlaces();
    places.put("a:x", "x", CLOCK - 1000);
    await places.scan();
    await rot("x");
    expect((await run()).counts).toMatchObject({ rot: 0, changed: 1, missing: 0, unreadable: 0 });
    expect(await places.rows()).toEqual([{ at: "a:x", state: "present" }]);
  });

  it("a rotten file that has its bytes back is present again", async () => {
    places = await openPlaces();
    places.put("a:x", "x");
    await places.scan();
    await places.catalog.run(sql`UPDATE file_locations SET state = 'rot'`);
    expect((await run()).ok).toBe(1);
    expect(await places.rows()).toEqual([{ at: "a:x", state: "present" }]);
  });

  it("reads what is due and nothing else (--due)", async () => {
    places = await openPlaces({ a: { verify: { every: 5 * DAY, method: "content" } }, b: {} });
    for (const at of ["a:old", "a:fresh", "b:never asked"]) places.put(at, at);
    await places.scan();
    await places.catalog.run(
      sql`UPDATE file_locations SET last_verified = ${instant(LATER - DAY)} WHERE key = 'fresh'`,
    );
    expect(await run({ due: true })).toMatchObject({ checked: 1, ok: 1 });
    expect(await run({ due: true })).toMatchObject({ checked: 0 });
  });

  it("a sample is that part of the files, the same at the same clock and another at another (--sample)", async () => {
    places = await openPlaces();
    for (let index = 0; index < 60; index++) places.put(`a:f${index}`, `${index}`);
    await places.scan();
    const chosen = async (now: number) => {
      await places.catalog.run(sql`UPDATE file_locations SET last_verified = NULL`);
      expect(await run({ sample: 0.1, now })).toMatchObject({ checked: 6, ok: 6 });
      return (await places.rows("last_verified")).filter((row) => row["last_verified"] !== null).map(({ at }) => at);
    };
    const first = await chosen(LATER);
    expect(await chosen(LATER)).toEqual(first);
    expect(await chosen(LATER + 1)).not.toEqual(first);
    expect(await run({ sample: 0.001 })).toMatchObject({ checked: 1 });
  });

  it("does not read a location that is suspect, and says so (S14)", async () => {
    places = await openPlaces({ a: {}, b: {} });
    places.put("a:x", "x");
    places.put("b:y", "y");
    await places.scan();
    places.remove("a:.stowage-location");
    expect(await run()).toMatchObject({
      checked: 1,
      ok: 1,
      skipped: [{ location: "a", reason: expect.stringMatching(/marker/) }],
    });
  });

  it("believes nothing of a storage that was taken away meanwhile (I5)", async () => {
    places = await openPlaces();
    for (const key of ["x", "y"]) places.put(`a:${key}`, key);
    await places.scan();
    let done = false;
    const report = await run({
      onEvent: () => {
        if (done) return;
        done = true;
        renameSync(places.root("a"), `${places.root("a")}.away`);
        mkdirSync(places.root("a"));
      },
    });
    expect(report).toMatchObject({ checked: 0, missing: [], skipped: [{ location: "a" }] });
    expect(await places.rows()).toEqual(["a:x", "a:y"].map((at) => ({ at, state: "present" })));
  });

  it("when stopped, keeps what it has verified", async () => {
    places = await openPlaces();
    places.put("a:x", "x");
    await places.scan();
    const stop = new AbortController();
    expect(await run({ signal: stop.signal, onEvent: () => stop.abort() })).toMatchObject({
      missing: [],
      rot: [],
      skipped: [],
    });
    expect(await places.rows()).toEqual([{ at: "a:x", state: "present" }]);
  });
});
