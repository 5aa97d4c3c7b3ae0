import { appendFileSync, existsSync, linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { gc } from "../src/apply/gc.js";
import { journalFile } from "../src/apply/journal.js";
import { acquireLock } from "../src/apply/lock.js";
import { recallProofs } from "../src/apply/proofs.js";
import { recordRun, unrecordedRemovals } from "../src/apply/record.js";
import { type Catalog, openCatalog } from "../src/catalog/catalog.js";
import { recordPresent } from "../src/catalog/entries.js";
import { sql } from "../src/catalog/sql.js";
import { sha256Hex } from "../src/lib/json.js";
import { cleanup, harvest, localWorld, NOW, planOf, run, scratch, trashed, type World } from "./setup/apply.js";

afterEach(cleanup);
const DAY = 86_400_000;

async function catalogOf(world: World): Promise<Catalog> {
  const catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
  for (const [location, backend] of world.backends) {
    for await (const { key, size, mtime, version } of backend.list()) {
      const sha256 = sha256Hex(harvest(world.root)[`${location}:${key}`] ?? "");
      await recordPresent(catalog, [{ location, key, sha256, size, mtime, version }], NOW - DAY);
    }
  }
  return catalog;
}

const rowsOf = (catalog: Catalog) =>
  catalog.rows(sql<{ location: string; key: string; version: string; state: string; verified: number }>`
    SELECT location, key, version, state, epoch_ms(last_verified) AS verified FROM file_locations ORDER BY ALL`);

describe("recordRun", () => {
  it("knows a new file's type by a file of the same content whose name ends alike, as a scan does (S2, S12)", async () => {
    const catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
    const row = (location: string, key: string) => ({
      ...{ location, key, sha256: sha256Hex("same"), size: 4, mtime: 1n, version: `v-${location}-${key}` },
    });
    await recordPresent(catalog, [row("a", "clip.MP4"), row("a", "notes.txt"), row("a", "song.wav")], NOW - DAY);
    await catalog.run(sql`UPDATE file_locations SET mime = CASE key WHEN 'clip.MP4' THEN 'video/mp4' WHEN 'song.wav' THEN 'audio/wav' ELSE 'text/plain' END,
      media_type = CASE key WHEN 'clip.MP4' THEN 'video' WHEN 'song.wav' THEN 'audio' ELSE 'text' END`);
    await recordPresent(catalog, [row("b", "x.mp4"), row("b", "y.txt"), row("b", "z.wav"), row("b", "other")], NOW);
    const types = await catalog.rows(
      sql`SELECT key, media_type, mime FROM file_locations WHERE location = 'b' ORDER BY key`,
    );
    expect(types).toEqual([
      { key: "other", media_type: "video", mime: "video/mp4" },
      { key: "x.mp4", media_type: "video", mime: "video/mp4" },
      { key: "y.txt", media_type: "text", mime: "text/plain" },
      { key: "z.wav", media_type: "audio", mime: "audio/wav" },
    ]);
    await catalog.close();
  });

  it("leaves the catalog as a scan would find it: rows for what is there, none for what was removed", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:y": "2", "b:y": "2", "a:z": "3" });
    const catalog = await catalogOf(world);
    const plan = await planOf(world.backends, [
      { kind: "move", from: "a:x", to: "b:x", content: "1" },
      { kind: "delete", from: "a:y", content: "2", witnesses: ["b:y"] },
    ]);
    const report = await run(world, plan);
    await recordRun(catalog, report);
    const stat = async (location: string, key: string) => (await world.backends.get(location)?.stat(key))?.version;
    expect(await rowsOf(catalog)).toEqual([
      { location: "a", key: "z", version: await stat("a", "z"), state: "present", verified: NOW - DAY },
      { location: "b", key: "x", version: await stat("b", "x"), state: "present", verified: NOW },
      { location: "b", key: "y", version: await stat("b", "y"), state: "present", verified: NOW },
    ]);
    expect(await catalog.rows(sql`SELECT run, status, moved, deleted, bytes FROM runs`)).toEqual([
      { run: report.run, status: "complete", moved: 1, deleted: 1, bytes: 1 },
    ]);
    expect(await unrecordedRemovals(world.state, catalog)).toEqual([]);
    await recordRun(catalog, report);
    expect((await rowsOf(catalog)).length).toBe(3);
    await catalog.close();
  });

  it("knows again what earlier runs have proven when the catalog was lost, of the very same versions only", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:y": "2" });
    const plan = await planOf(world.backends, [
      { kind: "copy", from: "a:x", to: "b:x", content: "1" },
      { kind: "copy", from: "a:y", to: "b:y", content: "2" },
    ]);
    await run(world, plan);
    const catalog = await catalogOf(world);
    await catalog.run(sql`UPDATE file_locations SET proof = 'claim', last_verified = NULL`);
    await catalog.run(sql`UPDATE file_locations SET version = 'another' WHERE location = 'b' AND key = 'y'`);
    await catalog.run(sql`UPDATE file_locations SET sha256 = ${sha256Hex("other")} WHERE location = 'a' AND key = 'y'`);
    await recallProofs(world.state, catalog, () => expect.unreachable());
    const proofs = sql`SELECT location || ':' || key AS at, proof, epoch_ms(last_verified) AS verified FROM file_locations ORDER BY ALL`;
    expect(await catalog.rows(proofs)).toEqual([
      { at: "a:x", proof: "content", verified: NOW },
      { at: "a:y", proof: "claim", verified: null },
      { at: "b:x", proof: "content", verified: NOW },
      { at: "b:y", proof: "claim", verified: null },
    ]);
    await catalog.close();
  });

  it("knows again what a journal has proven before it was damaged, tells of the damage, and asks for nothing that is known", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const copy = await planOf(world.backends, [{ kind: "copy", from: "a:x", to: "b:x", content: "1" }]);
    const report = await run(world, copy);
    const id = report.run;
    const catalog = await catalogOf(world);
    const damaged: string[] = [];
    const recall = () => recallProofs(world.state, catalog, (each) => void damaged.push(each));
    await recall();
    expect(damaged).toEqual([]);
    await catalog.run(sql`UPDATE file_locations SET proof = 'claim', last_verified = NULL`);
    appendFileSync(journalFile(world.state, id), "garbage\nmore\n");
    writeFileSync(journalFile(world.state, "20250601T000000Z-ffffffff"), "");
    await recall();
    expect(damaged).toEqual([id]);
    expect(await catalog.rows(sql`SELECT DISTINCT proof FROM file_locations`)).toEqual([{ proof: "content" }]);
    await recordRun(catalog, report);
    await catalog.run(sql`UPDATE file_locations SET proof = 'claim'`);
    await recall();
    expect(await catalog.rows(sql`SELECT DISTINCT proof FROM file_locations`)).toEqual([{ proof: "claim" }]);
    await catalog.close();
  });

  it("S1: what does not hold what it claims has an unknown content from then on", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "1" });
    const catalog = await catalogOf(world);
    await catalog.run(sql`UPDATE file_locations SET proof = 'claim' WHERE location = 'b'`);
    const report = await run(world, await planOf(world.backends, []));
    const disproved = [{ location: "b", key: "x" }];
    const outcome = { present: [], removed: [], rot: [], disproved } as unknown as (typeof report.outcomes)[number];
    await recordRun(catalog, { ...report, outcomes: [outcome] });
    expect(
      await catalog.rows(sql`SELECT location, proof, sha256 IS NULL AS unknown FROM file_locations ORDER BY ALL`),
    ).toEqual([
      { location: "a", proof: "content", unknown: false },
      { location: "b", proof: null, unknown: true },
    ]);
    await catalog.close();
  });

  it("marks what was found damaged", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "rotten" });
    const catalog = await catalogOf(world);
    const report = await run(world, await planOf(world.backends, [{ kind: "verify", from: "a:x", content: "gooood" }]));
    await recordRun(catalog, report);
    expect(await rowsOf(catalog)).toMatchObject([{ key: "x", state: "rot" }]);
    await catalog.close();
  });

  it("a repaired file and a key that was taken over are present again", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "gooood", "b:x": "rotten", "a:y": "new", "b:y": "old" });
    const catalog = await catalogOf(world);
    const plan = await planOf(world.backends, [
      { kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair" },
      { kind: "delete", from: "b:y", content: "old", required: 0, reason: "conflict" },
      { kind: "copy", from: "a:y", to: "b:y", content: "new", expect: "absent", depends_on: ["a2"] },
    ]);
    await recordRun(catalog, await run(world, plan));
    const rows = await catalog.rows(
      sql`SELECT location || ':' || key AS at, sha256, state FROM file_locations ORDER BY ALL`,
    );
    expect(rows).toEqual([
      { at: "a:x", sha256: sha256Hex("gooood"), state: "present" },
      { at: "a:y", sha256: sha256Hex("new"), state: "present" },
      { at: "b:x", sha256: sha256Hex("gooood"), state: "present" },
      { at: "b:y", sha256: sha256Hex("new"), state: "present" },
    ]);
    await catalog.close();
  });
});

describe("gc", () => {
  const trashing = async (): Promise<World> => {
    const world = await localWorld(["a", "b"], { "a:d/x": "1", "b:x": "1" });
    linkSync(join(world.root, "b/x"), join(world.root, "b/y"));
    await run(
      world,
      await planOf(world.backends, [{ kind: "delete", from: "a:d/x", content: "1", witnesses: ["b:x"] }]),
    );
    return world;
  };

  it("S10: keeps trash until its time, then deletes it, and only it", async () => {
    const world = await trashing();
    const young = await gc(world.backends, { state: world.state, trash: 30 * DAY, now: Date.now() + 29 * DAY });
    expect([young.purged, young.kept, trashed(world.root)]).toEqual([
      [],
      [{ location: "a", files: 1, bytes: 1 }],
      ["1"],
    ]);
    const old = await gc(world.backends, { state: world.state, trash: 30 * DAY, now: Date.now() + 30 * DAY });
    expect([old.purged.map(({ location, key }) => `${location}:${key}`), old.bytes, trashed(world.root)]).toEqual([
      ["a:d/x"],
      1,
      [],
    ]);
    expect(harvest(world.root)).toEqual({ "b:x": "1", "b:y": "1" });
    expect(existsSync(join(world.root, "a/.stowage-trash"))).toBe(false);
  });

  it("a dry run tells what would go and deletes nothing", async () => {
    const world = await trashing();
    const { purged } = await gc(world.backends, { state: world.state, trash: 0, now: NOW + DAY, dry: true });
    expect([purged.length, trashed(world.root)]).toEqual([1, ["1"]]);
  });

  it("leaves what a run of another state directory may be working on, for a day", async () => {
    const world = await trashing();
    writeFileSync(join(world.root, "b/.stowage-tmp/20250601T000000Z-ffffffff.abc"), "12");
    const soon = await gc(world.backends, { state: scratch(), trash: 0, now: Date.now() + DAY / 2 });
    expect(soon.purged.map(({ kind }) => kind)).toEqual([]);
    const later = await gc(world.backends, { state: scratch(), trash: 0, now: Date.now() + 2 * DAY });
    expect(later.purged.map(({ kind }) => kind)).toEqual(["trash", "temporary"]);
  });

  it("does not run beside an apply", async () => {
    const world = await trashing();
    const lock = await acquireLock(world.state, NOW);
    await expect(gc(world.backends, { state: world.state, trash: 0, now: NOW })).rejects.toMatchObject({
      code: "LOCKED",
    });
    await lock.release();
  });

  it("a location that can not be read is told, and the others are swept", async () => {
    const world = await trashing();
    const { localBackend } = await import("../src/backend/local.js");
    world.backends.set("c", localBackend("c", join(world.root, "missing")));
    const report = await gc(world.backends, { state: world.state, trash: 0, now: NOW });
    expect([report.problems.map(({ location, code }) => [location, code]), report.purged.length]).toEqual([
      [["c", "UNAVAILABLE"]],
      1,
    ]);
  });
});
