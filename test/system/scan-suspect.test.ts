import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { localBackend } from "../../src/backend/local.js";
import { sql } from "../../src/catalog/sql.js";
import { checkLocations } from "../../src/scan/check.js";
import { initLocation } from "../../src/scan/init.js";
import { verify } from "../../src/scan/verify.js";
import { CLOCK, DAY, openPlaces, type Places, scanAsNobody, uuidOf } from "../support/places.js";

let places: Places;
afterEach(() => places?.close());

const OTHER = "99999999-9999-4999-8999-999999999999";
const TREE = ["f1", "f2", "sub/f3", "sub/f4"];

/** Two locations with some files, scanned once. */
async function scanned(): Promise<Places> {
  places = await openPlaces({ a: {}, b: {} });
  for (const key of TREE) places.put(`a:${key}`, key);
  places.put("b:x", "x");
  await places.scan();
  return places;
}

const location = (name: string) => {
  const found = places.config.locations.find((each) => each.name === name);
  if (!found) throw new Error(name);
  return found;
};
const backend = (name: string) => places.backends.get(name) ?? localBackend(name, location(name).root);
const init = (name: string, options = {}) =>
  initLocation(places.config, places.catalog, location(name), backend(name), { backends: places.backends, ...options });

describe("a location that can not be believed keeps its rows, and the others are scanned (S14)", () => {
  it.each([
    {
      name: "the root is gone",
      harm: () => rmSync(places.root("a"), { recursive: true }),
      reason: /root does not exist/,
    },
    {
      name: "the root is a file",
      harm: () => {
        rmSync(places.root("a"), { recursive: true });
        writeFileSync(places.root("a"), "");
      },
      reason: /not a directory/,
    },
    {
      name: "the mount point is empty",
      harm: () => {
        rmSync(places.root("a"), { recursive: true });
        mkdirSync(places.root("a"));
      },
      reason: /marker .* is missing/,
    },
    {
      name: "only the marker is gone",
      harm: () => places.remove("a:.stowage-location"),
      reason: /marker .* is missing/,
    },
    {
      name: "the marker is garbage",
      harm: () => void places.put("a:.stowage-location", "\u0000?"),
      reason: /marker .* is missing/,
    },
    {
      name: "another storage is mounted",
      harm: () => backend("a").writeMarker(OTHER, { replace: true }),
      reason: /another storage/,
    },
    {
      name: "most contents are gone",
      harm: () => ["f1", "f2", "sub/f3"].forEach((key) => void places.remove(`a:${key}`)),
      reason: /3 of its 4 contents are gone \(75 %/,
    },
    {
      name: "most contents were replaced",
      harm: () => ["f1", "f2", "sub/f3"].forEach((key) => void places.put(`a:${key}`, "encrypted!")),
      reason: /3 of its 4 contents are gone/,
    },
  ])("$name", async ({ harm, reason }) => {
    await scanned();
    const before = await places.rows("*");
    await harm();
    places.put("b:y", "y");

    const { locations } = await places.scan({ now: CLOCK + DAY });
    expect(locations).toMatchObject([
      { location: "a", status: "suspect", suspect: expect.stringMatching(reason), hint: expect.any(String) },
      { location: "b", status: "complete", added: 1 },
    ]);
    expect((await places.suspects())["a"]).toMatch(reason);
    expect((await places.rows("*")).filter(({ location }) => location === "a")).toEqual(
      before.filter(({ location }) => location === "a"),
    );
  });

  it("is believed again when it is back, and nothing is missing", async () => {
    await scanned();
    renameSync(places.root("a"), `${places.root("a")}.away`);
    await places.scan();
    renameSync(`${places.root("a")}.away`, places.root("a"));
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", missing: 0, hashed: 0 }, {}]);
    expect(await places.suspects()).toEqual({ a: null, b: null });
  });

  it.each([
    { name: "before the files are read", phase: "hash" },
    { name: "while it is listed", phase: "walk" },
  ])("a storage that is taken away $name loses nothing", async ({ phase }) => {
    await scanned();
    places.put("a:new", "new");
    let done = false;
    const { locations } = await places.scan({
      locations: ["a"],
      onEvent: (event) => {
        if (done || event.phase !== phase) return;
        done = true;
        renameSync(places.root("a"), `${places.root("a")}.away`);
        mkdirSync(places.root("a"));
      },
    });
    expect(locations).toMatchObject([{ status: "suspect" }]);
    expect((await places.rows()).filter(({ state }) => state === "present")).toHaveLength(5);
  });

  it.each([
    { name: "a directory that can not be listed", exclude: [], status: "partial" },
    {
      name: "one that is excluded as a whole does no harm",
      exclude: [{ glob: "/sub/**", re2: "(?s:sub/.*)" }],
      status: "complete",
    },
    {
      name: "one of whose files some are excluded",
      exclude: [{ glob: "/sub/*.tmp", re2: "sub/[^/]*\\.tmp" }],
      status: "partial",
    },
  ])("$name", async ({ exclude, status }) => {
    await scanned();
    location("a").exclude = exclude;
    chmodSync(join(places.root("a"), "sub"), 0);
    const report = await scanAsNobody(places);
    const folders = status === "partial" ? 1 : 0;
    expect(report.locations[0]).toMatchObject({ status, problemCount: folders, problemFolders: folders });
    expect(report.suspects["a"]).toEqual(
      status === "partial" ? "sub could not be listed: EACCES: permission denied" : null,
    );
    const states = (await places.rows()).map(({ at, state }) => `${at} ${state}`);
    expect(states).toEqual([
      ...(status === "partial" ? TREE : TREE.slice(0, 2)).map((key) => `a:${key} present`),
      "b:x present",
    ]);
  });

  it("names the files of a directory that can be listed and not entered", async () => {
    await scanned();
    chmodSync(join(places.root("a"), "sub"), 0o444);
    const { locations } = await scanAsNobody(places);
    const below = TREE.filter((key) => key.startsWith("sub/"));
    expect(locations[0]).toMatchObject({ status: "partial", problemCount: below.length, problemFolders: 0 });
    expect(locations[0]?.problems.map(({ key }) => key)).toEqual(below);
  });

  it("an unreadable root", async () => {
    await scanned();
    chmodSync(places.root("a"), 0o600);
    const report = await scanAsNobody(places);
    expect(report.locations).toMatchObject([{ status: "suspect" }, { status: "complete" }]);
    expect(await places.rows()).toHaveLength(5);
  });

  it("what we removed is no shrink where another file got its name", async () => {
    places = await openPlaces();
    for (const key of ["a", "b", "c", "d"]) places.put(`a:${key}`, key);
    await places.scan();
    for (const key of ["a", "b", "c"]) places.put(`a:${key}`, `another ${key}`);
    const removed = ["a", "b", "c"].map((key) => ({ location: "a", key }));
    expect((await places.scan({ removed })).locations).toMatchObject([{ status: "complete", changed: 3 }]);
    for (const key of ["a", "b", "d"]) places.put(`a:${key}`, `a third ${key}`);
    expect((await places.scan()).locations).toMatchObject([{ status: "suspect" }]);
  });

  it("half of the contents is not yet a shrink, a renamed tree is none at all", async () => {
    await scanned();
    for (const key of ["f1", "f2"]) places.remove(`a:${key}`);
    renameSync(join(places.root("a"), "sub"), join(places.root("a"), "elsewhere"));
    expect((await places.scan({ locations: ["a"] })).locations).toMatchObject([
      { status: "complete", missing: 4, added: 2 },
    ]);
  });

  it("a shrink is counted against the last complete scan: what was missing before counts no more", async () => {
    await scanned();
    for (const key of ["f1", "f2"]) places.remove(`a:${key}`);
    await places.scan();
    places.remove("a:sub/f3");
    expect((await places.scan({ locations: ["a"] })).locations).toMatchObject([{ status: "complete", missing: 1 }]);
    places.remove("a:sub/f4");
    expect((await places.scan({ locations: ["a"] })).locations).toMatchObject([{ status: "suspect" }]);
  });

  it("was never adopted: nothing in it is looked at", async () => {
    places = await openPlaces({ a: { unmarked: true } });
    places.put("a:x", "x");
    expect((await places.scan()).locations).toMatchObject([
      { status: "suspect", files: 0, hint: "Run `stowage init`." },
    ]);
    expect(await places.rows()).toEqual([]);
  });

  it("the journal's UUID counts where the catalog was deleted", async () => {
    await scanned();
    await places.forget();
    const expectedUuids = new Map([["a", OTHER]]);
    expect((await places.scan({ expectedUuids })).locations).toMatchObject([
      { status: "suspect" },
      { status: "complete" },
    ]);
    expect((await places.scan({ expectedUuids: new Map([["a", uuidOf("a")]]) })).locations).toMatchObject([
      { status: "complete" },
      {},
    ]);
  });
});

describe("one storage under two names is an error that names both (S14)", () => {
  it.each([
    { name: "one directory", root: (dir: string) => join(dir, "a"), why: /same directory/ },
    { name: "a symlink to it", root: (dir: string) => join(dir, "link"), why: /same directory/ },
    { name: "one inside the other", root: (dir: string) => join(dir, "a", "inner"), why: /lies inside/ },
    { name: "one around the other", root: (dir: string) => dir, why: /lies inside/ },
    { name: "a copied marker", root: (dir: string) => join(dir, "copy"), why: /both have the marker/ },
  ])("$name", async ({ root, why }) => {
    places = await openPlaces();
    mkdirSync(join(places.root("a"), "inner"));
    mkdirSync(join(places.dir, "copy"));
    places.symlink("a:../link", "a");
    const second = { ...location("a"), name: "second", root: root(places.dir), order: 1 };
    places.config.locations.push(second);
    places.backends.set("second", localBackend("second", second.root));
    if (second.root.endsWith("copy")) await backend("second").writeMarker(uuidOf("a"));

    await expect(places.scan()).rejects.toMatchObject({
      code: "SAME_STORAGE",
      message: expect.stringMatching(/"a" and "second"/),
      hint: expect.any(String),
    });
    await expect(places.scan()).rejects.toThrow(why);
    await expect(init("second")).rejects.toMatchObject({ code: "SAME_STORAGE" });
  });

  it("neighbours whose names begin alike are two", async () => {
    places = await openPlaces({ media: {}, "media-2": {} });
    expect((await places.scan()).locations).toMatchObject([{ status: "complete" }, { status: "complete" }]);
  });
});

describe("storage.yaml decides which locations there are", () => {
  it("offline is not scanned and keeps its rows; retired and removed ones are forgotten (status)", async () => {
    await scanned();
    location("b").status = "offline";
    const report = await places.scan();
    expect(report.locations.map((each) => each.location)).toEqual(["a"]);
    expect(report.offline).toEqual(["b"]);
    expect(await places.rows()).toHaveLength(5);
    location("b").status = "retired";
    await places.scan();
    expect(await places.rows()).toHaveLength(4);
    places.config.locations.pop();
    await places.scan();
    expect(await places.catalog.rows(sql`SELECT name, status FROM storage_locations`)).toEqual([
      { name: "a", status: "active" },
    ]);
  });

  it("scans the named locations only, and names those there are for an unknown one", async () => {
    await scanned();
    expect((await places.scan({ locations: ["b"] })).locations).toMatchObject([{ location: "b" }]);
    await expect(places.scan({ locations: ["nas"] })).rejects.toMatchObject({
      code: "UNKNOWN_LOCATION",
      hint: "The locations are: a, b.",
      exit: 64,
    });
  });

  it.each([
    "offline",
    "retired",
  ] as const)("refuses to scan or verify a location by name that is %s", async (status) => {
    await scanned();
    location("b").status = status;
    const refusal = {
      ...{ code: "LOCATION_AWAY", message: expect.stringContaining(`"b" is ${status}`) },
      ...{ hint: expect.stringContaining("status: active"), exit: 64 },
    };
    await expect(places.scan({ locations: ["a", "b"] })).rejects.toMatchObject(refusal);
    const { config, catalog, backends } = places;
    await expect(verify(config, catalog, backends, { now: CLOCK, locations: ["b"] })).rejects.toMatchObject(refusal);
    expect((await places.scan({ locations: ["a"] })).offline).toEqual([]);
  });
});

describe("init adopts locations (S14)", () => {
  it("writes a marker, probes, remembers; and changes nothing the second time", async () => {
    places = await openPlaces({ a: { unmarked: true } });
    const first = await init("a");
    expect(first).toMatchObject({
      outcome: "adopted",
      created: false,
      features: { foldsCase: false, hardLinks: true, maxNameBytes: 255 },
    });
    expect(await init("a")).toEqual({ ...first, outcome: "known" });
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", files: 0 }]);
    const [check] = await checkLocations(places.config, places.catalog, places.backends);
    expect(check).toMatchObject({
      ...{ location: "a", uuid: first.uuid, suspect: null, features: first.features },
      ...{ totalBytes: expect.any(Number), freeBytes: expect.any(Number), latency: expect.any(Number) },
    });
  });

  it("creates a missing root only when told to", async () => {
    places = await openPlaces({ a: { unmarked: true } });
    rmSync(places.root("a"), { recursive: true });
    await expect(init("a")).rejects.toMatchObject({ code: "ROOT_MISSING", hint: expect.stringContaining("--create") });
    expect(await init("a", { create: true })).toMatchObject({ outcome: "adopted", created: true });
  });

  it.each([
    { name: "a marker that was lost", harm: () => places.remove("a:.stowage-location"), outcome: "adopted" },
    { name: "another storage", harm: () => backend("a").writeMarker(OTHER, { replace: true }), outcome: "accepted" },
  ])("takes $name only by the owner's word", async ({ harm, outcome }) => {
    await scanned();
    await harm();
    await places.scan();
    await expect(init("a")).rejects.toMatchObject({ code: "NOT_ADOPTED", hint: expect.stringContaining("--adopt a") });
    expect((await places.suspects())["a"]).not.toBeNull();

    expect(await init("a", { adopt: true })).toMatchObject({ outcome });
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", missing: 0 }, {}]);
    expect((await places.suspects())["a"]).toBeNull();
  });

  it("takes a shrink once by the owner's word", async () => {
    await scanned();
    for (const key of TREE.slice(0, 3)) places.remove(`a:${key}`);
    await places.scan();
    expect(await init("a", { adopt: true })).toMatchObject({ outcome: "accepted" });
    expect((await places.scan()).locations).toMatchObject([{ status: "complete", missing: 3 }, {}]);
    places.remove("a:sub/f4");
    expect((await places.scan()).locations).toMatchObject([{ status: "suspect" }, {}]);
  });

  it("does not write to a location that is read only but for its marker", async () => {
    places = await openPlaces({ a: { unmarked: true, readOnly: true } });
    expect(await init("a")).not.toHaveProperty("features");
  });

  it("init and check remove what a killed probe left among the temporaries, and nothing else", async () => {
    await scanned();
    const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const own = join(places.root("a"), ".stowage-tmp");
    for (const run of [() => init("a"), () => checkLocations(places.config, places.catalog, places.backends)]) {
      mkdirSync(own, { recursive: true });
      const names = [`probe.${host}.${pid}.ab12.link`, `probe.${host}.${process.pid}.ab12.link`, "run.ab12"];
      for (const name of names) writeFileSync(join(own, name), "");
      await run();
      expect(readdirSync(own).sort()).toEqual(names.slice(1).sort());
    }
  });

  it("check says what is wrong now, and touches no offline location", async () => {
    await scanned();
    rmSync(places.root("a"), { recursive: true });
    location("b").status = "offline";
    expect(await checkLocations(places.config, places.catalog, places.backends)).toMatchObject([
      { location: "a", suspect: expect.stringMatching(/does not exist/), uuid: null },
      { location: "b", status: "offline", suspect: null, latency: null },
    ]);
  });
});
