import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CRC32C } from "@google-cloud/storage";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { crc32c } from "../src/backend/gcs/crc32c.js";
import { refused, saidIn } from "../src/backend/gcs/errors.js";
import type { ObjectStore } from "../src/backend/store.js";
import { type FakeGcs, fakeGcs } from "./support/gcs/fake.js";
import { BUCKET, bytesOf, listed, openOn, put, uploadOf } from "./support/gcs/location.js";
import { crc32cOf, md5Of, publish } from "./support/gcs/objects.js";
import { testKey, writeKeyFile } from "./support/gcs/signed.js";

const key = testKey();
const folder = mkdtempSync(join(tmpdir(), "stowage-gcs-"));
const keyFile = writeKeyFile(join(folder, "key.json"), key);
let fake: FakeGcs;
let store: ObjectStore;

beforeAll(async () => {
  fake = await fakeGcs({ pageSize: 7, key });
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  fake.buckets.clear();
  fake.bucket(BUCKET);
  fake.defects.clear();
  fake.trouble = undefined;
  fake.seen.length = 0;
  store = await openOn(fake);
});

const code = (expected: string) => expect.objectContaining({ code: expected });
const live = (name: string) => fake.buckets.get(BUCKET)?.live.get(name);

describe("checksums of Cloud Storage", () => {
  it.each([0, 1, 7, 8, 9, 255, 4096, 100_003])("CRC32C of %i bytes is the SDK's, in one piece or several", (size) => {
    const bytes = randomBytes(size);
    const sdk = new CRC32C();
    sdk.update(bytes);
    const cut = Math.floor(size / 3);
    const text = Buffer.alloc(4);
    text.writeUInt32BE(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))));
    expect(text.toString("base64")).toBe(sdk.toString());
    expect(crc32cOf(bytes)).toBe(sdk.toString());
  });
});

describe("objects in Cloud Storage (fake)", () => {
  it("token of put, head and listing are the same generation (S13)", async () => {
    const made = await put(store, "a/b", "hello");
    expect(made.token).toMatch(/^\d+$/);
    expect(await store.head("a/b")).toEqual(made);
    expect(await listed(store)).toEqual([made]);
  });

  it("notes md5 and CRC32C beside the SHA-256 and proves it by them; they are not told (S1)", async () => {
    const made = await put(store, "a", "hello");
    expect(made.sha256).toBe("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    expect(live("a")?.metadata).toMatchObject({
      "stowage-md5": md5Of(Buffer.from("hello")),
      "stowage-crc32c": crc32cOf(Buffer.from("hello")),
    });
    expect(Object.keys(made.metadata ?? {}).sort()).toEqual(["mtime", "stowage-sha256", "stowage-upload"]);
  });

  it("a SHA-256 that was noted for other bytes is no proof (S1)", async () => {
    await put(store, "a", "hello");
    const bucket = fake.buckets.get(BUCKET)!;
    publish(bucket, { name: "b", metadata: live("a")!.metadata, contentType: "x" }, Buffer.from("other"), {});
    const copied = await store.head("b");
    expect(copied?.metadata?.["stowage-sha256"]).toBeDefined();
    expect(copied?.sha256).toBeUndefined();
  });

  it("storage class and key are those of the location", async () => {
    const kmsKey = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    const cold = await openOn(fake, { storageClass: "ARCHIVE", kmsKey, threshold: 10 });
    const small = await put(cold, "small", "x");
    const large = await put(cold, "large", "more than ten bytes");
    const copy = await cold.copy?.(
      { name: "small", bucket: cold.address, token: small.token },
      "copy",
      uploadOf(Buffer.from("x")),
    );
    for (const made of [small, large, copy]) expect(made?.storageClass).toBe("ARCHIVE");
    for (const name of ["small", "large", "copy"]) expect(live(name)?.kmsKeyName).toBe(kmsKey);
    expect((await bytesOf(cold, "large")).toString()).toBe("more than ten bytes");
  });

  it.each([
    {
      title: "rclone's time is kept as it is",
      metadata: { mtime: "2020-01-02T03:04:05.000000006Z" },
      mtime: "2020-01-02T03:04:05.000000006Z",
    },
    {
      title: "gsutil's time is read",
      metadata: { "goog-reserved-file-mtime": "1577934245" },
      mtime: "2020-01-02T03:04:05.000Z",
    },
    {
      title: "rclone's time goes before gsutil's",
      metadata: { MTime: "2020-01-02T03:04:05Z", "goog-reserved-file-mtime": "1" },
      mtime: "2020-01-02T03:04:05Z",
    },
    { title: "without either there is none", metadata: {}, mtime: undefined },
  ])("$title (S11)", async ({ metadata, mtime }) => {
    publish(fake.buckets.get(BUCKET)!, { name: "a", metadata, contentType: "x" } as never, Buffer.from("1"), {});
    expect((await store.head("a"))?.metadata?.["mtime"]).toBe(mtime);
  });

  it("reads from the middle, and what was stored packed is not unpacked", async () => {
    const packed = gzipSync("hello hello hello");
    const described = { name: "z", metadata: {}, contentType: "text/plain", contentEncoding: "gzip" };
    publish(fake.buckets.get(BUCKET)!, described, packed, {});
    expect(await bytesOf(store, "z")).toEqual(packed);
    expect(await bytesOf(store, "z", undefined, 5)).toEqual(packed.subarray(5));
  });

  it("names with every kind of character arrive as they are (S15)", async () => {
    const names = ["a b", "ä/ö", "a#b?c", "100%", "+", "..x/y", "e\u0301", "💚", "a\\b", "\"'<>&"];
    for (const name of names) await put(store, name, name);
    expect((await listed(store)).map(({ name }) => name).sort()).toEqual([...names].sort());
    for (const name of names) expect((await bytesOf(store, name)).toString()).toBe(name);
  });
});

describe("names that Cloud Storage does not have (S15)", () => {
  it.each(["", ".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x"])("%j is never asked for", async (name) => {
    const upload = uploadOf(Buffer.from("1"));
    const parts = await openOn(fake, { threshold: 0 });
    fake.seen.length = 0;
    for (const body of [
      () => store.head(name),
      () => bytesOf(store, name),
      () => store.put(name, upload, { absent: true }),
      () => parts.put(name, upload, { absent: true }),
      () => store.remove(name, "1"),
      () => store.discard(name),
    ]) {
      await expect(body()).rejects.toEqual(code("UNSUPPORTED_NAME"));
    }
    expect(fake.seen).toEqual([]);
  });
});

describe("conditions (I2, I3)", () => {
  it("creating never replaces", async () => {
    await put(store, "a", "1");
    await expect(put(store, "a", "2")).rejects.toEqual(code("PRECONDITION"));
    expect((await bytesOf(store, "a")).toString()).toBe("1");
  });

  it("a taken name is refused when a resumable upload ends, too", async () => {
    const parts = await openOn(fake, { threshold: 0, part: 262_144 });
    const bytes = randomBytes(600_000);
    fake.trouble = ({ headers }) => {
      if (headers["content-range"]?.toString().startsWith("bytes 262144-")) {
        publish(fake.buckets.get(BUCKET)!, { name: "a", metadata: {}, contentType: "x" }, Buffer.from("theirs"), {});
      }
      return undefined;
    };
    await expect(parts.put("a", uploadOf(bytes), { absent: true })).rejects.toEqual(code("PRECONDITION"));
    expect(live("a")?.bytes.toString()).toBe("theirs");
  });

  it.each(["0", "", "abc", "-1", "1.0", "00"])("the token %j is no request without a condition", async (token) => {
    await put(store, "a", "1");
    fake.seen.length = 0;
    await expect(store.remove("a", token)).rejects.toEqual(code("PRECONDITION"));
    await expect(bytesOf(store, "a", token)).rejects.toEqual(code("PRECONDITION"));
    await expect(store.put("a", uploadOf(Buffer.from("2")), { token })).rejects.toEqual(code("PRECONDITION"));
    expect(fake.seen).toEqual([]);
    expect(live("a")?.bytes.toString()).toBe("1");
  });

  it("reading, replacing and removing another generation is refused", async () => {
    const old = await put(store, "a", "1");
    const now = await store.put("a", uploadOf(Buffer.from("2")), { token: old.token });
    await expect(bytesOf(store, "a", old.token)).rejects.toEqual(code("PRECONDITION"));
    await expect(store.put("a", uploadOf(Buffer.from("3")), { token: old.token })).rejects.toEqual(
      code("PRECONDITION"),
    );
    await expect(store.remove("a", old.token)).rejects.toEqual(code("PRECONDITION"));
    await store.remove("a", now.token);
    expect(await store.head("a")).toBeUndefined();
    await expect(store.remove("a", now.token)).rejects.toEqual(code("NOT_FOUND"));
  });

  it("an older version is not read as the object", async () => {
    fake.bucket(BUCKET, { versioning: true });
    const old = await put(store, "a", "1");
    await store.put("a", uploadOf(Buffer.from("2")), { token: old.token });
    await expect(bytesOf(store, "a", old.token)).rejects.toEqual(code("PRECONDITION"));
  });

  it("with versioning a removal leaves a version, and says so beforehand", async () => {
    fake.bucket(BUCKET, { versioning: true });
    expect(await store.versioned()).toBe(true);
    const made = await put(store, "a", "1");
    await store.remove("a", made.token);
    expect(fake.buckets.get(BUCKET)?.noncurrent.map(({ generation }) => generation)).toEqual([made.token]);
    expect(await listed(store)).toEqual([]);
  });

  it("who may not ask for versioning is taken for one without, and keeps trash", async () => {
    fake.trouble = ({ path }) => (path === `/storage/v1/b/${BUCKET}` ? { status: 403 } : undefined);
    expect(await store.versioned()).toBe(false);
  });
});

describe("wrong bytes (I4)", () => {
  it("what the store changes is removed again, and is CORRUPT", async () => {
    fake.defects.add("ignores checksums").add("flips a byte");
    await expect(put(store, "a", "hello")).rejects.toEqual(code("CORRUPT"));
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
    const parts = await openOn(fake, { threshold: 0 });
    await expect(put(parts, "b", "hello")).rejects.toEqual(code("CORRUPT"));
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
  });

  it("only our own generation is removed then", async () => {
    fake.defects.add("ignores checksums").add("flips a byte");
    fake.trouble = ({ method }) => {
      if (method === "DELETE")
        publish(fake.buckets.get(BUCKET)!, { name: "a", metadata: {}, contentType: "x" }, Buffer.from("theirs"), {});
      return undefined;
    };
    await expect(put(store, "a", "hello")).rejects.toEqual(code("CORRUPT"));
    expect(live("a")?.bytes.toString()).toBe("theirs");
  });

  it("bytes that end with an error are never made visible, whatever their number", async () => {
    const parts = await openOn(fake, { threshold: 0, part: 262_144 });
    for (const size of [0, 10, 262_144, 524_288, 700_000]) {
      const bytes = randomBytes(size);
      const upload = uploadOf(bytes, {
        async *bytes() {
          yield bytes.subarray(0, Math.max(0, size - 1));
          throw Object.assign(new Error("not the hash"), { code: "CORRUPT" });
        },
      });
      await expect(parts.put(`a${size}`, upload, { absent: true })).rejects.toEqual(code("CORRUPT"));
    }
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
    expect(fake.uploads.open()).toBe(0);
  });

  it.each([-1, 1])("%i bytes more than declared are never made visible", async (more) => {
    for (const threshold of [0, 1_000_000]) {
      const each = await openOn(fake, { threshold, part: 262_144 });
      const bytes = randomBytes(600_000);
      const upload = { ...uploadOf(bytes), size: bytes.length - more };
      await expect(each.put("a", upload, { absent: true })).rejects.toEqual(code("CORRUPT"));
    }
    expect(fake.buckets.get(BUCKET)?.live.size).toBe(0);
  });
});

describe("server-side copies", () => {
  const source = async (bytes: Uint8Array) => {
    const made = await put(store, "from", bytes);
    return { name: "from", bucket: store.address, token: made.token };
  };

  it("of many calls: all bytes, new metadata, the proof goes along", async () => {
    const bytes = randomBytes(3_500_000);
    const from = await source(bytes);
    const counts: number[] = [];
    const upload = { ...uploadOf(bytes), onBytes: (count: number) => counts.push(count) };
    upload.metadata["stowage-upload"] = "another mark";
    const made = await store.copy?.(from, "to", upload);
    expect(made).toEqual(await store.head("to"));
    expect(made).toMatchObject({ size: bytes.length, sha256: upload.sha256 });
    expect(made?.metadata).toEqual(upload.metadata);
    expect(live("to")?.bytes.equals(bytes)).toBe(true);
    expect(counts.length).toBe(4);
    expect(counts.reduce((sum, count) => sum + count)).toBe(bytes.length);
  });

  it("of a source that proves nothing is a claim only (S1)", async () => {
    publish(fake.buckets.get(BUCKET)!, { name: "from", metadata: {}, contentType: "x" }, Buffer.from("hello"), {});
    const token = live("from")!.generation;
    const made = await store.copy?.(
      { name: "from", bucket: store.address, token },
      "to",
      uploadOf(Buffer.from("hello")),
    );
    expect(made?.sha256).toBeUndefined();
  });

  it("is refused where the source is another by now, and where the name is taken", async () => {
    const from = await source(Buffer.from("hello"));
    const upload = uploadOf(Buffer.from("hello"));
    await put(store, "to", "theirs");
    await expect(store.copy?.(from, "to", upload)).rejects.toEqual(code("PRECONDITION"));
    await store.put("from", uploadOf(Buffer.from("other")), { token: from.token });
    await expect(store.copy?.(from, "new", upload)).rejects.toEqual(code("PRECONDITION"));
    expect(await store.head("new")).toBeUndefined();
    expect(live("to")?.bytes.toString()).toBe("theirs");
  });

  it("of a source that is proven to be other bytes does not happen", async () => {
    const from = await source(Buffer.from("hello"));
    await expect(store.copy?.(from, "to", uploadOf(Buffer.from("jello")))).rejects.toEqual(code("CORRUPT"));
    expect(await store.head("to")).toBeUndefined();
  });

  it("go on where a call failed", async () => {
    const bytes = randomBytes(3_000_000);
    const from = await source(bytes);
    let calls = 0;
    fake.trouble = ({ path }) => (/rewriteTo/.test(path) && calls++ % 2 === 0 ? { status: 503 } : undefined);
    await store.copy?.(from, "to", uploadOf(bytes));
    expect(live("to")?.bytes.equals(bytes)).toBe(true);
  });
});

describe("listing", () => {
  it.each([
    { title: "nothing", names: [] },
    { title: "one full page", names: [...Array(7).keys()].map((n) => `a/${n}`) },
    { title: "many pages in one folder", names: [...Array(100).keys()].map((n) => `a/${n}`) },
    { title: "folders in folders", names: [...Array(200).keys()].map((n) => `p/${n % 3}/${n % 5}/${n}`) },
    { title: "more folders than are looked at singly", names: [...Array(90).keys()].map((n) => `p/${n}/x`) },
    {
      title: "objects beside folders, and odd names",
      names: ["p/", "p//x", "p/a", "p/a/", "p/a/b", "p/a.b", "p/ä", "p/💚/1", "p/\uffff"].flatMap((name) => [
        name,
        `${name}1`,
        `${name}/2`,
      ]),
    },
  ])("tells $title, each object once", async ({ names }) => {
    const bucket = fake.buckets.get(BUCKET)!;
    for (const name of [...names, "other", "q/1"])
      publish(bucket, { name, metadata: {}, contentType: "x" }, Buffer.from("1"), {});
    const prefix = names[0]?.slice(0, 2) ?? "none/";
    const wanted = names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await listed(store, prefix)).map(({ name }) => name)).toEqual(wanted);
    expect((await listed(store)).length).toBe(names.length + 2);
  });

  it("that can not be completed throws; nobody takes it for all there is (I5)", async () => {
    for (let n = 0; n < 30; n++) await put(store, `a${n}`, "1");
    const hasty = await openOn(fake, { retries: 0 });
    let pages = 0;
    fake.trouble = ({ path }) => (path.endsWith("/o") && ++pages > 3 ? { status: 500 } : undefined);
    await expect(listed(hasty)).rejects.toEqual(code("UNAVAILABLE"));
  });

  it("a page that comes twice is noticed", async () => {
    for (let n = 0; n < 30; n++) await put(store, `a${n}`, "1");
    fake.trouble = ({ query }) => {
      if (query.get("pageToken")) query.delete("pageToken");
      return undefined;
    };
    await expect(listed(await openOn(fake, { retries: 0 }))).rejects.toEqual(code("UNAVAILABLE"));
  });
});

describe("links", () => {
  const day = 24 * 3600_000;

  it("let anybody read one object until they expire", async () => {
    const signing = await openOn(fake, { credentialsPath: keyFile });
    await put(store, "a b/ä", "hello");
    const link = await signing.presign?.("a b/ä", { method: "GET", expires: 60_000 });
    expect(await (await fetch(link!)).text()).toBe("hello");
    expect((await fetch(link!.replace("/a%20b/", "/other/"))).status).toBe(403);
    const over = await signing.presign?.("a b/ä", { method: "GET", expires: -60_000 }).catch(() => undefined);
    expect(over).toBeUndefined();
  });

  it("that upload create, and never replace (I3)", async () => {
    const signing = await openOn(fake, { credentialsPath: keyFile });
    const link = (await signing.presign?.("new", { method: "PUT", expires: 60_000 })) ?? "";
    const send = (headers: Record<string, string>) => fetch(link, { method: "PUT", body: "1", headers });
    expect((await send({})).status).toBe(403);
    expect((await send({ "x-goog-if-generation-match": "0" })).status).toBe(200);
    expect((await send({ "x-goog-if-generation-match": "0" })).status).toBe(412);
  });

  it("need a key, and last seven days at most", async () => {
    await expect(store.presign?.("a", { method: "GET", expires: 1000 })).rejects.toMatchObject({
      code: "ACCESS_DENIED",
      hint: expect.stringContaining("credentials_path"),
    });
    const signing = await openOn(fake, { credentialsPath: keyFile });
    await expect(signing.presign?.("a", { method: "GET", expires: 8 * day })).rejects.toEqual(code("BAD_VALUE"));
  });
});

describe("errors in the words of the contract", () => {
  it("a missing object is undefined; a missing bucket never is, and is not asked for again and again (I5)", async () => {
    expect(await store.head("none")).toBeUndefined();
    fake.buckets.clear();
    fake.seen.length = 0;
    await expect(store.head("none")).rejects.toEqual(code("UNAVAILABLE"));
    await expect(put(store, "a", "1")).rejects.toEqual(code("UNAVAILABLE"));
    await expect(listed(store)).rejects.toEqual(code("UNAVAILABLE"));
    await expect(store.remove("a", "1")).rejects.toEqual(code("UNAVAILABLE"));
    await expect(store.discard("a")).rejects.toEqual(code("UNAVAILABLE"));
    await expect(bytesOf(store, "a")).rejects.toEqual(code("UNAVAILABLE"));
    expect(fake.seen.length).toBe(6);
  });

  it("a 404 without a word is told apart by looking at the bucket", async () => {
    fake.trouble = ({ path }) => (path.endsWith("/o/none") ? { status: 404, body: "Not Found" } : undefined);
    expect(await store.head("none")).toBeUndefined();
    fake.buckets.clear();
    await expect(store.head("none")).rejects.toEqual(code("UNAVAILABLE"));
  });

  it.each([
    [401, "authError", "ACCESS_DENIED"],
    [403, "forbidden", "ACCESS_DENIED"],
    [403, "rateLimitExceeded", "UNAVAILABLE"],
    [403, "quotaExceeded", "OUT_OF_SPACE"],
    [404, "notFound", "NOT_FOUND"],
    [408, "", "UNAVAILABLE"],
    [412, "conditionNotMet", "PRECONDITION"],
    [429, "rateLimitExceeded", "UNAVAILABLE"],
    [400, "invalid", "STORE_REFUSED"],
    [500, "backendError", "UNAVAILABLE"],
    [502, "", "UNAVAILABLE"],
    [503, "", "UNAVAILABLE"],
    [507, "", "OUT_OF_SPACE"],
  ])("%i %s is %s", (status, reason, expected) => {
    const text = reason ? JSON.stringify({ error: { code: status, message: "m", errors: [{ reason }] } }) : "<html>";
    expect(refused("gs://b/o", { status, headers: {}, text }).code).toBe(expected);
  });

  it("what the store wants to wait is passed on", () => {
    const error = refused("x", { status: 429, headers: { "retry-after": "7" }, text: "" });
    expect(error).toMatchObject({ retryAfter: 7000, throttled: true });
    expect(saidIn("plain").message).toBe("plain");
  });

  it("a success that holds an error, and one that holds nothing, are no success", async () => {
    const hasty = await openOn(fake, { retries: 0 });
    for (const body of ['{"error":{"code":404,"message":"No such object"}}', "{}", "", "<html>"]) {
      fake.trouble = () => ({ status: 200, body });
      await expect(hasty.head("a")).rejects.toEqual(code("UNAVAILABLE"));
    }
  });

  it("where readers pay, the location's project does", async () => {
    fake.bucket(BUCKET, { requesterPays: true });
    await expect(store.head("a")).rejects.toMatchObject({ code: "STORE_REFUSED" });
    const paying = await openOn(fake, { project: "mine" });
    expect(await paying.head("a")).toBeUndefined();
  });

  it("no error tells the address of an upload", async () => {
    const hasty = await openOn(fake, { threshold: 0, retries: 0 });
    fake.trouble = ({ path }) => (path.startsWith("/upload/session/") ? { status: 500, body: path } : undefined);
    const error = await put(hasty, "a", "1").catch((thrown: unknown) => thrown);
    expect(error).toEqual(code("UNAVAILABLE"));
    const session = fake.seen
      .find(({ path }) => path.startsWith("/upload/session/"))
      ?.path.split("/")
      .at(-1);
    expect(session).toMatch(/^[0-9a-f]{24}$/);
    expect((error as Error).message).not.toContain(session);
  });
});
