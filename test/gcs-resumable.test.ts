import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FakeGcs, fakeGcs, type Seen, type Trouble } from "./support/gcs/fake.js";
import { BUCKET, bytesOf, openOn, uploadOf } from "./support/gcs/location.js";

const PART = 262_144;
let fake: FakeGcs;

beforeAll(async () => {
  fake = await fakeGcs();
});
afterAll(() => fake.close());
beforeEach(() => {
  fake.bucket(BUCKET);
  fake.defects.clear();
  fake.trouble = undefined;
  fake.keeping = (length) => length;
  fake.seen.length = 0;
});

const store = (retries = 8) => openOn(fake, { threshold: 0, part: PART, retries });
const live = (name: string) => fake.buckets.get(BUCKET)?.live.get(name);
const isPart = ({ path, bytes }: Seen) => path.startsWith("/upload/session/") && bytes > 0;

/** Every third request to the upload meets with this. */
function everyThird(trouble: Trouble): (seen: Seen) => Trouble | undefined {
  let count = 0;
  return ({ path }) => (path.startsWith("/upload/session/") && count++ % 3 === 0 ? trouble : undefined);
}

describe("resumable uploads (fake)", () => {
  it.each([0, 1, PART - 1, PART, PART + 1, 3 * PART, 1_000_003])("%i bytes arrive, in parts", async (size) => {
    const bytes = randomBytes(size);
    const made = await (await store()).put("a", uploadOf(bytes), { absent: true });
    expect(made).toEqual(await (await store()).head("a"));
    expect(made).toMatchObject({ size, sha256: uploadOf(bytes).sha256 });
    expect(live("a")?.bytes.equals(bytes)).toBe(true);
    expect(fake.seen.filter(isPart).length).toBe(Math.ceil(size / PART));
  });

  it.each<{ name: string; trouble: Trouble }>([
    { name: "errors of the store", trouble: { status: 503 } },
    { name: "broken connections", trouble: "reset" },
    { name: "lost answers", trouble: "lost answer" },
    { name: "answers that end early", trouble: "half an answer" },
  ])("go on after $name (I6)", async ({ trouble }) => {
    const bytes = randomBytes(5 * PART + 77);
    fake.trouble = everyThird(trouble);
    const made = await (await store()).put("a", uploadOf(bytes), { absent: true });
    expect(made.sha256).toBe(uploadOf(bytes).sha256);
    expect(live("a")?.bytes.equals(bytes)).toBe(true);
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(1);
  });

  it("sends again what the store did not keep of a part", async () => {
    const bytes = randomBytes(9 * PART + 1000);
    fake.keeping = (length) => Math.min(length, PART);
    const large = await openOn(fake, { threshold: 0, part: 4 * PART });
    await large.put("a", uploadOf(bytes), { absent: true });
    expect(live("a")?.bytes.equals(bytes)).toBe(true);
    expect(fake.seen.filter(isPart).length).toBe(10);
  });

  it("a store that keeps nothing is not asked for ever", async () => {
    fake.keeping = () => 0;
    const putting = (await store(1)).put("a", uploadOf(randomBytes(PART + 1)), { absent: true });
    await expect(putting).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
  });

  it("begins anew when the store has forgotten the upload", async () => {
    const bytes = randomBytes(4 * PART);
    let parts = 0;
    fake.trouble = (seen) => {
      if (isPart(seen) && ++parts === 3) fake.uploads.forget();
      return undefined;
    };
    await (await store()).put("a", uploadOf(bytes), { absent: true });
    expect(live("a")?.bytes.equals(bytes)).toBe(true);
  });

  it("gives up, and ends the upload, when the store does not come back (I6)", async () => {
    fake.trouble = (seen) => (isPart(seen) && seen.method === "PUT" ? { status: 500 } : undefined);
    const putting = (await store(1)).put("a", uploadOf(randomBytes(3 * PART)), { absent: true });
    await expect(putting).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(fake.uploads.open()).toBe(0);
  });

  it("stops when it is told to, and ends the upload", async () => {
    const stop = new AbortController();
    fake.trouble = (seen) => {
      if (isPart(seen)) stop.abort();
      return undefined;
    };
    const upload = uploadOf(randomBytes(3 * PART), { signal: stop.signal });
    await expect((await store()).put("a", upload, { absent: true })).rejects.toMatchObject({ code: "ABORTED" });
    expect(fake.uploads.open()).toBe(0);
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
  });

  it("bytes that change on the way are refused by the checksums of the last part (I4)", async () => {
    fake.keeping = (length) => length;
    const bytes = randomBytes(2 * PART);
    fake.trouble = (seen) => {
      // Another part's bytes in the store than were sent.
      if (isPart(seen) && seen.headers["x-goog-hash"]) seen.headers["x-goog-hash"] = "crc32c=AAAAAA==";
      return undefined;
    };
    await expect((await store()).put("a", uploadOf(bytes), { absent: true })).rejects.toMatchObject({
      code: "CORRUPT",
    });
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
  });

  it("who may not change metadata has the object all the same, with a hash that is a claim (S1)", async () => {
    fake.trouble = ({ method }) => (method === "PATCH" ? { status: 403 } : undefined);
    const bytes = randomBytes(PART * 2);
    const made = await (await store()).put("a", uploadOf(bytes), { absent: true });
    expect(made.sha256).toBe(uploadOf(bytes).sha256);
    expect((await (await store()).head("a"))?.sha256).toBeUndefined();
    expect((await bytesOf(await store(), "a", made.token)).equals(bytes)).toBe(true);
  });
});

describe("small uploads and downloads on bad connections (fake)", () => {
  it.each<Trouble>([
    { status: 503 },
    { status: 429, headers: { "retry-after": "0" } },
    "reset",
  ])("a put is repeated after %j, and makes one object", async (trouble) => {
    let count = 0;
    fake.trouble = () => (count++ < 2 ? trouble : undefined);
    const made = await (await openOn(fake)).put("a", uploadOf(Buffer.from("1")), { absent: true });
    expect(live("a")?.generation).toBe(made.token);
  });

  it("a put whose answer was lost is refused when it is repeated, for the core to settle (I6)", async () => {
    let count = 0;
    fake.trouble = () => (count++ < 1 ? "lost answer" : undefined);
    const putting = (await openOn(fake)).put("a", uploadOf(Buffer.from("1")), { absent: true });
    await expect(putting).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(live("a")?.metadata["stowage-upload"]).toBe("mark");
  });

  it("a removal whose answer was lost is done; one of an object that never was is not (I6)", async () => {
    const there = await openOn(fake);
    const made = await there.put("a", uploadOf(Buffer.from("1")), { absent: true });
    let count = 0;
    fake.trouble = () => (count++ < 1 ? "lost answer" : undefined);
    await there.remove("a", made.token);
    expect(live("a")).toBeUndefined();
    fake.trouble = undefined;
    await expect(there.remove("a", made.token)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("a download that ends early is UNAVAILABLE, never a shorter object", async () => {
    const there = await openOn(fake);
    const bytes = randomBytes(300_000);
    await there.put("a", uploadOf(bytes), { absent: true });
    fake.trouble = ({ query }) => (query.get("alt") === "media" ? "half an answer" : undefined);
    await expect(bytesOf(there, "a")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
