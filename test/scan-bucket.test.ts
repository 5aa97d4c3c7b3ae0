import { afterEach, describe, expect, it } from "vitest";
import type { Matcher } from "../src/config/config.js";
import { StowageError } from "../src/lib/error.js";
import { sha256Hex } from "../src/lib/json.js";
import { type BucketPlace, LATER, openBucket, TRUSTED } from "./support/buckets.js";
import { CLOCK, DAY } from "./support/places.js";

let place: BucketPlace;
afterEach(() => place?.close());

const NOTHING = { head: [], read: [], tags: [] };
const MTIME = 1_700_000_000_500;

/** Makes the bytes others without the store noticing. */
const rot = (name: string, bytes: string) => {
  const version = place.store.objects.get(name);
  if (version) version.bytes = Buffer.from(bytes);
};

describe("scanning a bucket", () => {
  it("costs a listing and one question for each new object, and downloads nothing (S1, S13)", async () => {
    place = await openBucket();
    place.putOwn("a/one.jpg", "one", { camera: "X100" });
    place.put("foreign.mp4", "two", { mtime: "1700000000.5" });
    place.requests();
    const { locations } = await place.scan();
    expect(locations).toMatchObject([{ status: "complete", files: 2, added: 2, hashed: 0, problemCount: 0 }]);
    expect(place.requests()).toEqual({ ...NOTHING, head: ["a/one.jpg", "foreign.mp4"] });
    const facts = {
      state: "present",
      size: 3,
      mtime: MTIME,
      last_verified: null,
      storage_class: "STANDARD",
      archived: null,
    };
    expect(
      await place.rows(
        "sha256, proof, state, size, epoch_ms(mtime) AS mtime, last_verified, mime, media_type, attrs, storage_class, archived, tags",
      ),
    ).toEqual([
      {
        key: "a/one.jpg",
        sha256: sha256Hex("one"),
        proof: "claim",
        ...facts,
        mime: "image/jpeg",
        media_type: "image",
        attrs: '{"camera":"X100"}',
        tags: null,
      },
      {
        key: "foreign.mp4",
        sha256: null,
        proof: null,
        ...facts,
        mime: "video/mp4",
        media_type: "video",
        attrs: null,
        tags: null,
      },
    ]);

    await place.scan({ now: CLOCK + DAY });
    expect(place.requests()).toEqual(NOTHING);
    place.putOwn("a/one.jpg", "another");
    place.putOwn("b", "one");
    expect((await place.scan({ now: CLOCK + 2 * DAY })).locations).toMatchObject([{ added: 1, changed: 1 }]);
    expect(place.requests()).toEqual({ ...NOTHING, head: ["a/one.jpg", "b"] });
    expect(await place.rows("sha256, first_seen")).toMatchObject([
      { sha256: sha256Hex("another"), first_seen: CLOCK + 2 * DAY },
      { sha256: sha256Hex("one"), first_seen: CLOCK + 2 * DAY },
      { sha256: null, first_seen: CLOCK },
    ]);
  });

  it("asks nothing at all where the listing tells everything", async () => {
    place = await openBucket({ listsMetadata: true });
    place.putOwn("x", "1");
    place.requests();
    await place.scan();
    expect(place.requests()).toEqual(NOTHING);
    expect(await place.rows("sha256, proof, epoch_ms(mtime) AS mtime")).toEqual([
      { key: "x", sha256: sha256Hex("1"), proof: "claim", mtime: MTIME },
    ]);
  });

  it("takes a checksum that the store computed for more than a claim (S1)", async () => {
    place = await openBucket({ hashes: true, verdicts: TRUSTED });
    place.putOwn("x", "1", { "stowage-sha256": sha256Hex("a lie") });
    await place.scan();
    expect(await place.rows("sha256, proof")).toEqual([{ key: "x", sha256: sha256Hex("1"), proof: "checksum" }]);
  });

  it("finds names, projects and attributes, and the layout wins over metadata", async () => {
    const layout = { text: "{project}/{shoot}/**", re2: "([^/]+)/([^/]+)/.*", captures: ["project", "shoot"] };
    place = await openBucket({ location: { layout } });
    place.putOwn("p/s/one.jpg", "1", { shoot: "metadata", stars: "4", odd: 'q"\u0000' });
    await place.scan();
    expect(await place.rows("project, attrs, stars")).toEqual([
      { key: "p/s/one.jpg", project: "p", attrs: expect.any(String), stars: 4 },
    ]);
    const [row] = await place.rows("attrs");
    expect(JSON.parse(String(row?.["attrs"]))).toEqual({ shoot: "s", stars: "4", odd: 'q"\u0000' });

    place.config.locations[0]!.layout = { text: "{shoot}/**", re2: "([^/]+)/.*", captures: ["shoot"] };
    await place.scan();
    const [after] = await place.rows("project, attrs");
    expect(after).toMatchObject({ project: null });
    expect(JSON.parse(String(after?.["attrs"]))).toMatchObject({ shoot: "p", stars: "4" });
  });

  it("reads every object with hash all: claims are proven or corrected, and a wrong claim is no rot (S1)", async () => {
    place = await openBucket();
    place.putOwn("right.txt", "1");
    place.putOwn("wrong.txt", "2", { "stowage-sha256": sha256Hex("a lie") });
    place.put("foreign.txt", "3");
    place.requests();
    expect((await place.scan({ hash: "all" })).locations).toMatchObject([{ hashed: 3, rot: [] }]);
    expect(place.requests().read).toEqual(["foreign.txt", "right.txt", "wrong.txt"]);
    const proven = { proof: "content", state: "present", last_verified: CLOCK };
    const known = [
      { key: "foreign.txt", sha256: sha256Hex("3"), ...proven },
      { key: "right.txt", sha256: sha256Hex("1"), ...proven },
      { key: "wrong.txt", sha256: sha256Hex("2"), ...proven },
    ];
    expect(await place.rows("sha256, proof, state, last_verified")).toEqual(known);

    await place.scan({ now: LATER });
    expect(place.requests()).toEqual(NOTHING);
    expect(await place.rows("sha256, proof, state, last_verified")).toEqual(known);
    rot("right.txt", "x");
    const { locations } = await place.scan({ now: LATER, hash: "all" });
    expect(locations[0]?.rot).toEqual([{ key: "right.txt", expected: sha256Hex("1"), actual: sha256Hex("x") }]);
    expect((await place.rows("state, proof"))[1]).toEqual({ key: "right.txt", state: "rot", proof: "content" });
  });

  it("corrects a claim that an earlier scan believed", async () => {
    place = await openBucket();
    place.putOwn("x", "2", { "stowage-sha256": sha256Hex("a lie") });
    await place.scan();
    expect((await place.scan({ hash: "all" })).locations).toMatchObject([{ rot: [], hashed: 1 }]);
    expect(await place.rows("sha256, proof, state")).toEqual([
      { key: "x", sha256: sha256Hex("2"), proof: "content", state: "present" },
    ]);
  });

  it("keeps what is known of an object that could not be read, because it is the same version", async () => {
    place = await openBucket();
    place.putOwn("x", "1");
    await place.scan();
    const broken = { ...place.backend, read: () => failing(new StowageError("UNAVAILABLE", "s3: slow down")) };
    place.backends.set("s3", broken);
    expect((await place.scan({ hash: "all" })).locations).toMatchObject([
      { status: "complete", problems: [{ key: "x", code: "unreadable", message: "s3: slow down" }] },
    ]);
    expect(await place.rows("sha256, proof")).toEqual([{ key: "x", sha256: sha256Hex("1"), proof: "claim" }]);
  });

  it("asks about many objects at once, and never about more than 32", async () => {
    place = await openBucket();
    for (let index = 0; index < 200; index++) place.putOwn(`k${index}`, `${index}`);
    let [running, most] = [0, 0];
    const stat = place.backend.stat;
    place.backends.set("s3", {
      ...place.backend,
      async stat(key) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
        return await stat(key);
      },
    });
    expect((await place.scan()).locations).toMatchObject([{ added: 200, problemCount: 0 }]);
    expect(most).toBe(32);
  });

  it("takes an object about which the store does not answer for neither gone nor known, and asks again (I5)", async () => {
    place = await openBucket();
    place.putOwn("x", "1");
    place.putOwn("y", "2");
    await place.scan();
    place.putOwn("x", "1 anew");
    place.putOwn("z", "3");
    const denied = new StowageError("ACCESS_DENIED", "s3:x: not allowed");
    for (const key of ["x", "z"]) place.broken.set(key, denied);
    expect((await place.scan()).locations).toMatchObject([
      {
        status: "complete",
        missing: 0,
        problemCount: 2,
        problems: [{ code: "unreadable", message: "s3:x: not allowed" }, {}],
      },
    ]);
    expect(await place.rows("sha256, state, mime")).toEqual([
      { key: "x", sha256: null, state: "present", mime: null },
      { key: "y", sha256: sha256Hex("2"), state: "present", mime: "application/octet-stream" },
      { key: "z", sha256: null, state: "present", mime: null },
    ]);
    place.requests();
    await place.scan();
    expect(place.requests().head).toEqual(["x", "z"]);
    place.broken.clear();
    await place.scan();
    expect((await place.rows("sha256")).map((row) => row["sha256"])).toEqual(["1 anew", "2", "3"].map(sha256Hex));
    place.requests();
    await place.scan();
    expect(place.requests()).toEqual(NOTHING);
  });

  it("changes nothing when the store stops to answer in the midst, and does not ask it about everything else (S14)", async () => {
    place = await openBucket();
    place.putOwn("x", "1");
    await place.scan();
    for (let index = 0; index < 5_000; index++) place.putOwn(`y${index}`, `${index}`);
    let asked = 0;
    const stat = async () => {
      asked++;
      place.store.unplug();
      throw new StowageError("UNAVAILABLE", "s3: does not answer");
    };
    place.backends.set("s3", { ...place.backend, stat });
    expect((await place.scan()).locations).toMatchObject([
      { status: "suspect", suspect: expect.stringMatching(/does not answer/) },
    ]);
    expect(asked).toBeLessThan(5_000);
    expect(await place.rows("state")).toEqual([{ key: "x", state: "present" }]);
  });

  it("keeps what it was told when it is stopped, and goes on from there", async () => {
    place = await openBucket();
    for (let index = 0; index < 100; index++) place.putOwn(`k${index}`, `${index}`);
    const stop = new AbortController();
    const stat = place.backend.stat;
    let asked = 0;
    place.backends.set("s3", {
      ...place.backend,
      stat: (key) => {
        if (++asked === 40) stop.abort();
        return stat(key);
      },
    });
    expect((await place.scan({ signal: stop.signal })).locations).toMatchObject([{ status: "partial", missing: 0 }]);
    const kept = await place.rows("sha256");
    expect(kept.every((row) => row["sha256"] !== null)).toBe(true);
    expect(kept.length).toBeLessThan(100);
    place.requests();
    await place.scan();
    expect(place.requests().head).toHaveLength(100 - kept.length);
    expect(await place.rows("state")).toHaveLength(100);
  });

  it("notices that a lifecycle rule archived an object, and that it was restored, though nobody wrote it", async () => {
    place = await openBucket();
    place.putOwn("x", "1");
    place.putOwn("y", "2");
    await place.scan();
    place.requests();
    place.shelves.set("x", { storageClass: "GLACIER", archived: "It lies in GLACIER." });
    await place.scan();
    expect(place.requests()).toEqual({ ...NOTHING, head: ["x"] });
    expect(await place.rows("storage_class, archived, proof")).toEqual([
      { key: "x", storage_class: "GLACIER", archived: "It lies in GLACIER.", proof: "claim" },
      { key: "y", storage_class: "STANDARD", archived: null, proof: "claim" },
    ]);
    await place.scan({ hash: "all" });
    expect(place.requests().read).toEqual(["y"]);
    await place.scan();
    expect(place.requests()).toEqual(NOTHING);
    place.shelves.set("x", { storageClass: "GLACIER" });
    await place.scan();
    expect((await place.rows("archived"))[0]).toEqual({ key: "x", archived: null });
  });

  it("asks for tags only where something looks at them, and then once for each object", async () => {
    place = await openBucket();
    place.putOwn("x", "1");
    place.putOwn("y", "2");
    place.tags.set("x", ["hero", "rating=4.5"]);
    await place.scan();
    expect(place.requests().tags).toEqual([]);
    const pattern = { glob: "hero", re2: "hero" };
    const match: Matcher = { op: "not", of: { op: "tag", field: "tags", pattern, source: "hero" } };
    place.config.sets.push({ name: "hero", line: 1, match });
    await place.scan();
    expect(place.requests().tags).toEqual(["x", "y"]);
    expect(await place.rows("tags, stars, sha256")).toEqual([
      { key: "x", tags: ["hero", "rating=4.5"], stars: 4.5, sha256: sha256Hex("1") },
      { key: "y", tags: [], stars: null, sha256: sha256Hex("2") },
    ]);
    await place.scan();
    expect(place.requests()).toEqual(NOTHING);
  });

  it("reports keys that a folder can not hold, and never touches them", async () => {
    place = await openBucket();
    for (const key of ["folder/", "a//b", "../up", "fine"]) place.put(key, "");
    const { locations } = await place.scan();
    expect(locations).toMatchObject([{ status: "complete", files: 1, unnamed: 3, problemCount: 3 }]);
    expect(locations[0]?.problems).toEqual([
      { key: "../up", code: "name", message: 'the key contains "..": no folder can hold it, and it is left alone' },
      {
        key: "a//b",
        code: "name",
        message: "the key has an empty path segment: no folder can hold it, and it is left alone",
      },
      { key: "folder/", code: "name", message: expect.stringMatching(/empty path segment/) },
    ]);
    expect(await place.rows("state")).toEqual([{ key: "fine", state: "present" }]);
  });

  it("S15: counts all impossible names, and tells of the first thousand", async () => {
    place = await openBucket();
    for (let n = 0; n < 1_200; n++) place.put(`a//${n}`, "1");
    place.put("ok", "1");
    const { locations } = await place.scan();
    expect(locations).toMatchObject([{ status: "complete", files: 1, unnamed: 1_200, problemCount: 1_000 }]);
  });

  it("takes a page that was listed twice for what it is", async () => {
    place = await openBucket({ defects: ["lists a page twice"] });
    for (const key of ["a", "b", "c"]) place.putOwn(key, key);
    expect((await place.scan()).locations).toMatchObject([{ files: 3, added: 3 }]);
    expect(await place.rows("state")).toHaveLength(3);
  });

  it("takes nothing for gone when the listing fails, and marks what is missing from a whole one (S10, S14)", async () => {
    place = await openBucket();
    for (const key of ["a", "b", "c", "d"]) place.putOwn(key, key);
    await place.scan();
    place.store.objects.delete("a");
    const list = () => failing(new StowageError("UNAVAILABLE", "s3: page 2 did not come"));
    place.backends.set("s3", { ...place.backend, list });
    expect((await place.scan()).locations).toMatchObject([
      { status: "partial", suspect: expect.stringMatching(/page 2/) },
    ]);
    expect(await place.rows("state")).toHaveLength(4);
    place.backends.set("s3", place.backend);
    expect((await place.scan()).locations).toMatchObject([{ status: "complete", missing: 1 }]);
    expect((await place.rows("state"))[0]).toEqual({ key: "a", state: "missing" });

    for (const key of ["b", "c"]) place.store.objects.delete(key);
    expect((await place.scan()).locations).toMatchObject([
      { status: "suspect", suspect: expect.stringMatching(/2 of its 3 contents are gone/) },
    ]);
  });

  it("does not believe a bucket without its marker, or with another one (S14)", async () => {
    place = await openBucket();
    place.putOwn("a", "1");
    await place.scan();
    await place.backend.writeMarker("99999999-9999-4999-8999-999999999999", { replace: true });
    expect((await place.scan()).locations).toMatchObject([
      { status: "suspect", suspect: expect.stringMatching(/another storage/) },
    ]);
    place.store.objects.delete(".stowage-location");
    expect((await place.scan()).locations).toMatchObject([
      { status: "suspect", suspect: expect.stringMatching(/marker/) },
    ]);
    expect(await place.rows("state")).toEqual([{ key: "a", state: "present" }]);
  });

  it("holds times that no catalog can hold", async () => {
    place = await openBucket();
    place.putOwn("x", "1", { mtime: "99999999999999" });
    place.putOwn("y", "2", { mtime: "-99999999999999" });
    expect((await place.scan()).locations).toMatchObject([{ status: "complete", added: 2 }]);
  });

  it("scans thousands of objects in groups", async () => {
    place = await openBucket();
    for (let index = 0; index < 9_000; index++) place.putOwn(`d${index % 13}/k${index}`, `${index}`);
    expect((await place.scan({ checkpoint: 0 })).locations).toMatchObject([{ added: 9_000, problemCount: 0 }]);
    expect((await place.rows("proof")).every((row) => row["proof"] === "claim")).toBe(true);
  });
});

// biome-ignore lint/correctness/useYield: a stream that fails at once
async function* failing(error: Error): AsyncGenerator<never> {
  throw error;
}
