import { afterEach, describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { instant, sql } from "../src/catalog/sql.js";
import { StowageError } from "../src/lib/error.js";
import { sha256Hex } from "../src/lib/json.js";
import { checkLocations } from "../src/scan/check.js";
import { initLocation } from "../src/scan/init.js";
import { memoryStore, straight } from "../src/testing/memory-store.js";
import { type BucketPlace, LATER, openBucket, TRUSTED } from "./support/buckets.js";
import { CLOCK } from "./support/places.js";

let place: BucketPlace;
afterEach(() => place?.close());

const SAFE = { createOnly: true, conditionalRemove: true, listAfterWrite: true };
const s3 = () => place.config.locations[0]!;
const init = (options: Parameters<typeof initLocation>[4] = {}) =>
  initLocation(place.config, place.catalog, s3(), place.backends.get("s3")!, { backends: place.backends, ...options });
const stored = async (): Promise<{ features: string | null; uuid: string | null } | undefined> =>
  place.catalog.row(
    sql<{ features: string | null; uuid: string | null }>`SELECT features, uuid FROM storage_locations`,
  );

describe("verifying a bucket", () => {
  it("proves claims by reading, corrects wrong ones, and tells rot, change and loss apart (S1, S13, I4)", async () => {
    place = await openBucket();
    for (const key of ["changed", "claimed", "gone", "proven"]) place.putOwn(key, key);
    place.putOwn("wrong", "wrong", { "stowage-sha256": sha256Hex("a lie") });
    await place.scan();
    await place.catalog.run(
      sql`UPDATE file_locations SET proof = 'content', last_verified = ${instant(CLOCK)} WHERE key = 'proven'`,
    );
    place.store.objects.get("proven")!.bytes = Buffer.from("rotten");
    place.putOwn("changed", "by others");
    place.store.objects.delete("gone");

    expect(await place.verify()).toMatchObject({
      ...{ checked: 5, ok: 1, counts: { rot: 1, changed: 1, missing: 1, unreadable: 0, archived: 0, corrected: 1 } },
      rot: [{ key: "proven", expected: sha256Hex("proven"), actual: sha256Hex("rotten") }],
      corrected: [{ location: "s3", key: "wrong", expected: sha256Hex("a lie"), actual: sha256Hex("wrong") }],
    });
    expect(await place.rows("state, proof, sha256, last_verified")).toEqual([
      { key: "changed", state: "present", proof: "claim", sha256: sha256Hex("changed"), last_verified: null },
      { key: "claimed", state: "present", proof: "content", sha256: sha256Hex("claimed"), last_verified: LATER },
      { key: "gone", state: "missing", proof: "claim", sha256: sha256Hex("gone"), last_verified: null },
      { key: "proven", state: "rot", proof: "content", sha256: sha256Hex("proven"), last_verified: CLOCK },
      { key: "wrong", state: "present", proof: "content", sha256: sha256Hex("wrong"), last_verified: LATER },
    ]);
  });

  it("says of archived objects that they can not be read: that is neither rot nor loss", async () => {
    place = await openBucket();
    place.putOwn("cold", "1");
    place.putOwn("warm", "2");
    await place.scan();
    const read: typeof place.backend.read = (key, options) =>
      key === "cold"
        ? failing(new StowageError("ARCHIVED", "s3:cold lies in GLACIER"))
        : place.backend.read(key, options);
    place.backends.set("s3", { ...place.backend, read });
    expect(await place.verify()).toMatchObject({
      ...{ ok: 1, counts: { rot: 0, missing: 0, unreadable: 0, archived: 1 } },
      archived: [{ location: "s3", key: "cold", message: "s3:cold lies in GLACIER" }],
    });
    expect(await place.rows("state, proof, archived")).toEqual([
      { key: "cold", state: "present", proof: "claim", archived: "s3:cold lies in GLACIER" },
      { key: "warm", state: "present", proof: "content", archived: null },
    ]);
    place.backends.set("s3", place.backend);
    await place.verify();
    expect((await place.rows("proof, archived"))[0]).toEqual({ key: "cold", proof: "content", archived: null });
  });

  it("compares the store's own checksums where that is asked for, and reads where there are none", async () => {
    const location = { verify: { every: 1, method: "checksum" as const } };
    place = await openBucket({ hashes: true, verdicts: TRUSTED, location });
    for (const key of ["good", "rotten"]) place.putOwn(key, key);
    await place.scan();
    place.store.objects.get("rotten")!.bytes = Buffer.from("other bytes");
    place.requests();
    expect(await place.verify({ due: true })).toMatchObject({ checked: 2, ok: 1, counts: { rot: 1, corrected: 0 } });
    expect(place.requests()).toMatchObject({ head: ["good", "rotten"], read: [] });
    expect(await place.rows("state, proof, last_verified")).toEqual([
      { key: "good", state: "present", proof: "checksum", last_verified: LATER },
      { key: "rotten", state: "rot", proof: "checksum", last_verified: null },
    ]);
    await place.close();

    place = await openBucket({ location });
    place.putOwn("good", "good");
    await place.scan();
    place.requests();
    expect(await place.verify()).toMatchObject({ ok: 1 });
    expect(place.requests().read).toEqual(["good"]);
    expect(await place.rows("proof")).toEqual([{ key: "good", proof: "content" }]);
  });

  it("reads several objects at a time, as many as transfers may", async () => {
    place = await openBucket();
    place.config.settings.transfer.concurrency = 5;
    for (let index = 0; index < 40; index++) place.putOwn(`k${index}`, `${index}`);
    await place.scan();
    let [running, most] = [0, 0];
    place.backends.set("s3", {
      ...place.backend,
      async *read(key, options) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        yield* place.backend.read(key, options);
        running--;
      },
    });
    expect(await place.verify()).toMatchObject({ ok: 40 });
    expect(most).toBe(5);
  });

  it("S1: reads what nobody knows yet, because a scan does not", async () => {
    place = await openBucket();
    place.store.overwrite("foreign", Buffer.from("1"), {});
    await place.scan();
    expect(await place.rows("proof")).toEqual([{ key: "foreign", proof: null }]);
    expect(await place.verify()).toMatchObject({ checked: 1, ok: 0, counts: { identified: 1, rot: 0 } });
    expect(await place.rows("proof")).toEqual([{ key: "foreign", proof: "content" }]);
    place.putOwn("claimed", "2");
    await place.scan();
    expect(await place.verify({ claimed: true })).toMatchObject({ checked: 1, ok: 1 });
  });

  it("leaves a location in peace outside its windows, where it only reads what is due", async () => {
    const windows = [{ from: 22 * 60, to: 6 * 60 + 30 }];
    place = await openBucket({ location: { windows, verify: { every: 1, method: "content" } } });
    place.putOwn("x", "1");
    await place.scan();
    const noon = LATER + 12 * 3_600_000;
    expect(await place.verify({ due: true, now: noon })).toMatchObject({
      checked: 0,
      skipped: [{ location: "s3", reason: "it is outside its windows (22:00-06:30)", waits: true }],
    });
    expect(await place.verify({ now: noon })).toMatchObject({ checked: 1, skipped: [] });
    expect(await place.verify({ due: true, now: noon + 12 * 3_600_000 })).toMatchObject({ checked: 1, skipped: [] });
  });
});

describe("adopting and checking a bucket", () => {
  it("writes a marker and keeps what the store honours", async () => {
    place = await openBucket({ unmarked: true, versioned: true });
    const { outcome, uuid, features } = await init();
    expect([outcome, features?.store]).toEqual(["adopted", expect.objectContaining(SAFE)]);
    expect(await place.backend.marker()).toBe(uuid);
    const row = await stored();
    expect(row?.uuid).toBe(uuid);
    expect(JSON.parse(row?.features ?? "null")).toMatchObject({
      readsBack: false,
      store: { ...SAFE, versioned: true },
    });
    expect([...place.store.objects.keys()]).toEqual([".stowage-location"]);
    expect((await init()).outcome).toBe("known");
  });

  it("tries nothing in a location that is only read", async () => {
    place = await openBucket({ location: { readOnly: true } });
    const before = place.store.log.length;
    expect((await init()).features).toBeUndefined();
    expect(place.store.log.slice(before).filter((line) => /^(put|remove|discard)/.test(line))).toEqual([]);
    expect((await stored())?.features).toBeNull();
  });

  it("says how to make a bucket that is not there, and never makes one", async () => {
    place = await openBucket({ unmarked: true });
    const gone = async () => {
      throw new StowageError("UNAVAILABLE", "s3: the bucket does not exist");
    };
    place.backends.set("s3", { ...place.backend, identity: gone, marker: gone });
    await expect(init({ create: true })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "s3: the bucket does not exist",
      hint: expect.stringMatching(/provider's own tools/),
    });
  });

  it("takes a bucket and a prefix in it for one storage, and two prefixes for two (S14)", async () => {
    place = await openBucket({ address: "s3://host/bucket" });
    const other = (prefix: string) =>
      bucketBackend("other", prefix, memoryStore({ address: "s3://host/bucket" }), straight, {
        allowUnconditionalDelete: false,
      });
    place.config.locations.push({ ...s3(), name: "other", order: 1, domain: "other" });
    place.backends.set("other", other("a/"));
    await expect(place.scan()).rejects.toMatchObject({
      code: "SAME_STORAGE",
      message: expect.stringMatching(/lies inside/),
    });
    place.backends.set("s3", bucketBackend("s3", "ab/", place.store, straight, { allowUnconditionalDelete: false }));
    expect((await place.scan()).locations).toHaveLength(2);
  });

  it("takes a bucket that is reached by two addresses, and a prefix in it, for one storage (S14)", async () => {
    place = await openBucket({ address: "s3://host/bucket" });
    const alias = { ...place.store, address: "s3://host.local/bucket" };
    const other = bucketBackend("other", "a/", alias, straight, { allowUnconditionalDelete: false });
    await other.writeMarker("22222222-2222-4222-8222-222222222222");
    place.config.locations.push({ ...s3(), name: "other", order: 1, domain: "other" });
    place.backends.set("other", other);
    await expect(place.scan()).rejects.toMatchObject({
      code: "SAME_STORAGE",
      message: expect.stringMatching(/other lies inside s3/),
    });
    const checks = await checkLocations(place.config, place.catalog, place.backends);
    expect(checks[1]?.suspect).toMatch(/the same storage as "s3": other lies inside s3/);
  });

  it("probes again when it is asked to look, and says how fast it answers", async () => {
    place = await openBucket({ defects: ["ignores the condition of a removal"] });
    await place.scan();
    const [check] = await checkLocations(place.config, place.catalog, place.backends);
    expect(check).toMatchObject({
      suspect: null,
      unwritable: null,
      features: { store: { conditionalRemove: false, createOnly: true } },
    });
    expect(check?.latency).toBeGreaterThan(0);
    expect(JSON.parse((await stored())?.features ?? "null")).toMatchObject({ store: { conditionalRemove: false } });
    expect([...place.store.objects.keys()]).toEqual([".stowage-location"]);
  });

  it("finds by trying that nothing can be written", async () => {
    place = await openBucket();
    await place.scan();
    const probe = async () => {
      throw new StowageError("ACCESS_DENIED", "s3: not allowed to write", { hint: "Allow s3:PutObject." });
    };
    place.backends.set("s3", { ...place.backend, probe });
    expect(await checkLocations(place.config, place.catalog, place.backends)).toMatchObject([
      { unwritable: "not allowed to write", hint: "Allow s3:PutObject." },
    ]);
  });
});

// biome-ignore lint/correctness/useYield: a stream that fails at once
async function* failing(error: Error): AsyncGenerator<never> {
  throw error;
}
