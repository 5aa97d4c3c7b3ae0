import { setTimeout as sleep } from "node:timers/promises";
import { PutBucketVersioningCommand, PutObjectCommand, PutObjectTaggingCommand } from "@aws-sdk/client-s3";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { partSizeFor } from "../src/backend/s3/parts.js";
import { codeOf, messageOf } from "../src/lib/error.js";
import { collect } from "../src/lib/iter.js";
import { sha256Hex } from "../src/lib/json.js";
import { sourceOf } from "../src/testing/subject.js";
import { TRUSTED } from "./support/buckets.js";
import { type FakeS3, fakeS3 } from "./support/s3/fake.js";
import { dropBucket } from "./support/s3/server.js";
import { type Options, openWorld, type World } from "./support/s3/subject.js";
import { bytesOf, listed, namesOf, noise, textOf, uploadOf } from "./support/s3/upload.js";

const fake: FakeS3 = await fakeS3();
const worlds: World[] = [];

async function world(options: Options = {}): Promise<World & { inside(): NonNullable<ReturnType<typeof insideOf>> }> {
  const opened = await openWorld(fake, options);
  worlds.push(opened);
  return { ...opened, inside: () => insideOf(opened.bucket) };
}
function insideOf(bucket: string) {
  const found = fake.buckets.get(bucket);
  if (!found) throw new Error("the bucket is gone");
  return found;
}

/** How often a request has come, by its beginning. */
const asked = (begin: string): number => fake.log.filter((line) => line.startsWith(begin)).length;

afterEach(async () => {
  fake.fault = () => undefined;
  fake.delay = undefined;
  fake.pageSize = 1000;
  for (const each of worlds.splice(0)) await each.dispose();
  fake.log.length = 0;
});
afterAll(() => fake.close());

const refusal = async (body: Promise<unknown>): Promise<string | undefined> =>
  await body.then(
    () => "no error",
    (error: unknown) => codeOf(error),
  );

describe("S3 (fake): looking", () => {
  it("I5: takes a missing object for absent, and never a missing bucket", async () => {
    const { store, client, bucket } = await world();
    expect(await store.head("x")).toBeUndefined();
    await dropBucket(client, bucket);
    expect(await refusal(store.head("x"))).toBe("UNAVAILABLE");
    expect(await refusal(namesOf(store))).toBe("UNAVAILABLE");
    expect(await refusal(bytesOf(store, "x"))).toBe("UNAVAILABLE");
    expect(await refusal(store.put("x", uploadOf("1"), { absent: true }))).toBe("UNAVAILABLE");
    expect(await refusal(store.remove("x", "0"))).toBe("UNAVAILABLE");
  });

  it("asks once for a bucket that many find nothing in, and believes for a moment", async () => {
    const { store } = await world({ limits: { remembered: 60_000 } });
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.head(`x${index}`)));
    await store.head("y");
    expect(asked("HEAD x")).toBe(20);
    expect(fake.log.filter((line) => line === "HEAD ")).toHaveLength(1);
  });

  it("S1: knows the hash that the store computed over all bytes, and takes none of parts for one", async () => {
    const { store } = await world({ limits: { single: 10, part: 10 } });
    const small = uploadOf("small");
    const large = uploadOf(noise(25));
    expect((await store.put("small", small, { absent: true })).sha256).toBe(small.sha256);
    expect((await store.put("large", large, { absent: true })).sha256).toBeUndefined();
    expect((await store.head("small"))?.sha256).toBe(small.sha256);
    expect((await store.head("large"))?.sha256).toBeUndefined();
  });

  it.each([
    false,
    true,
  ])("put, head and listing tell of the same write in the same words (versioned: %s)", async (versioned) => {
    const { store } = await world({ versioned, store: { storageClass: "STANDARD_IA" } });
    const stored = await store.put("a b/ü+%.txt", uploadOf("1"), { absent: true });
    expect(await store.head("a b/ü+%.txt")).toEqual(stored);
    const { metadata: _, sha256: __, ...told } = stored;
    expect(await listed(store)).toEqual([told]);
  });

  it("S1: believes hashes of a store only that checks checksums itself, not the signed bytes alone", async () => {
    const { store, requests, inside } = await world();
    const open = () => bucketBackend("there", "p/", store, requests, { allowUnconditionalDelete: false });
    const honest = open();
    expect((await honest.probe?.())?.store?.checksums).toBe(true);
    await store.put("p/x", uploadOf("1"), { absent: true });
    expect((await honest.stat("x"))?.sha256).toBe(sha256Hex("1"));
    inside().echoes = true;
    const echoing = open();
    expect((await echoing.probe?.())?.store?.checksums).toBe(false);
    expect((await echoing.stat("x"))?.sha256).toBeUndefined();
  });

  it("tries the checksum along with the signature where a store takes nothing unsigned", async () => {
    const { store, requests } = await world();
    const refused = { status: 403, code: "AccessDenied" };
    fake.fault = (_, { "x-amz-content-sha256": signed }) => (signed === "UNSIGNED-PAYLOAD" ? refused : undefined);
    const backend = bucketBackend("there", "p/", store, requests, { allowUnconditionalDelete: false });
    expect((await backend.probe?.())?.store?.checksums).toBe(true);
  });

  it("does without checksums where the store refuses to tell them", async () => {
    const { store } = await world();
    await store.put("x", uploadOf("1"), { absent: true });
    fake.fault = (_, headers) =>
      headers["x-amz-checksum-mode"] ? { status: 400, code: "InvalidArgument" } : undefined;
    expect(await store.head("x")).toMatchObject({ name: "x", size: 1 });
  });

  it("reads the tags, and none where the store has no tags", async () => {
    const { store, client, bucket } = await world();
    await store.put("x", uploadOf("1"), { absent: true });
    const TagSet = [
      { Key: "project", Value: "a & b" },
      { Key: "hero", Value: "" },
    ];
    await client.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: "x", Tagging: { TagSet } }));
    expect(await store.tags?.("x")).toEqual(["hero", "project=a & b"]);
    fake.fault = (line) => (line.includes("tagging") ? { status: 501, code: "NotImplemented" } : undefined);
    expect(await store.tags?.("x")).toEqual([]);
  });

  it("takes suspended versioning for none", async () => {
    const { store, client, bucket } = await world();
    await client.send(
      new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Suspended" } }),
    );
    expect(await store.versioned()).toBe(false);
    expect((await store.put("x", uploadOf("1"), { absent: true })).token).not.toContain("@");
  });
});

describe("S3 (fake): archived classes", () => {
  it.each([
    { storageClass: "GLACIER", takes: "3 to 5 hours" },
    { storageClass: "DEEP_ARCHIVE", takes: "12 hours" },
  ])("says of $storageClass what would bring it back, and does not read it", async ({ storageClass, takes }) => {
    const { store, bucket, inside } = await world({ store: { storageClass } });
    const stored = await store.put("it's.jpg", uploadOf("1"), { absent: true });
    const command = `aws s3api restore-object --bucket ${bucket} --key 'it'\\''s.jpg' --restore-request`;
    for (const told of [stored, await store.head("it's.jpg"), (await listed(store))[0]]) {
      expect(told?.archived).toContain(command);
      expect(told?.archived).toContain(takes);
    }
    expect(await refusal(bytesOf(store, "it's.jpg"))).toBe("ARCHIVED");
    const [version] = inside().keys.get("it's.jpg") ?? [];
    if (version) version.restore = 'ongoing-request="true"';
    expect((await store.head("it's.jpg"))?.archived).toContain("being restored");
    if (version) version.restore = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"';
    expect((await store.head("it's.jpg"))?.archived).toBeUndefined();
    expect(await textOf(store, "it's.jpg")).toBe("1");
  });

  it("knows the archive tiers of INTELLIGENT_TIERING", async () => {
    const { store, inside } = await world({ store: { storageClass: "INTELLIGENT_TIERING" } });
    await store.put("x", uploadOf("1"), { absent: true });
    expect((await store.head("x"))?.archived).toBeUndefined();
    const [version] = inside().keys.get("x") ?? [];
    if (version) version.archiveStatus = "ARCHIVE_ACCESS";
    expect((await store.head("x"))?.archived).toContain("3 to 5 hours");
  });
});

describe("S3 (fake): errors", () => {
  it.each([
    { status: 403, code: "AccessDenied", throws: "ACCESS_DENIED" },
    { status: 403, code: "InvalidAccessKeyId", throws: "ACCESS_DENIED" },
    { status: 403, code: "SignatureDoesNotMatch", throws: "ACCESS_DENIED" },
    { status: 400, code: "ExpiredToken", throws: "ACCESS_DENIED" },
    { status: 412, code: "PreconditionFailed", throws: "PRECONDITION" },
    { status: 409, code: "ConditionalRequestConflict", throws: "PRECONDITION" },
    { status: 403, code: "QuotaExceeded", throws: "OUT_OF_SPACE" },
    { status: 507, code: "InsufficientStorage", throws: "OUT_OF_SPACE" },
    { status: 400, code: "KeyTooLongError", throws: "UNSUPPORTED_NAME" },
    { status: 400, code: "BadDigest", throws: "CORRUPT" },
    { status: 503, code: "SlowDown", throws: "UNAVAILABLE" },
    { status: 429, code: "TooManyRequests", throws: "UNAVAILABLE" },
    { status: 500, code: "InternalError", throws: "UNAVAILABLE" },
    { status: 502, code: "", throws: "UNAVAILABLE" },
    { status: 409, code: "OperationAborted", throws: "UNAVAILABLE" },
    { status: 403, code: "RequestTimeTooSkewed", throws: "UNAVAILABLE" },
    { status: 400, code: "InvalidStorageClass", throws: "STORE_REFUSED" },
  ])("$status $code is $throws, and nothing secret is said", async ({ status, code, throws }) => {
    const { store } = await world({ retries: 0 });
    await store.versioned();
    fake.fault = () => ({ status, code });
    const error: unknown = await store.put("x", uploadOf("1"), { absent: true }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(codeOf(error)).toBe(throws);
    expect(messageOf(error)).not.toMatch(/fakeaccess|fakesecret|Signature=/);
  });

  it("asks for what a store that throttles wants", async () => {
    const { store } = await world({ retries: 0 });
    await store.versioned();
    fake.fault = () => ({ status: 503, code: "SlowDown", headers: { "retry-after": "7" } });
    await expect(store.put("x", uploadOf("1"), { absent: true })).rejects.toMatchObject({
      ...{ throttled: true, retryAfter: 7000 },
    });
  });

  it("names the host, and no secret of it, when nobody answers", async () => {
    const { store } = await world({ retries: 0, store: { endpoint: "http://user:pass@127.0.0.1:9" } });
    await expect(store.head("x")).rejects.toThrow(/127\.0\.0\.1:9 does not answer/);
    await expect(store.head("x")).rejects.not.toThrow(/pass/);
  });

  it("learns the region from the store that names another", async () => {
    const { store } = await world({ retries: 1 });
    fake.fault = (_, { authorization }) =>
      authorization?.includes("/eu-north-1/s3/")
        ? undefined
        : { status: 301, code: "PermanentRedirect", headers: { "x-amz-bucket-region": "eu-north-1" } };
    expect(await store.head("x")).toBeUndefined();
    fake.log.length = 0;
    await store.head("x");
    expect(fake.log).toEqual(["HEAD x", "HEAD "]);
    fake.fault = () => undefined;
  });
});

describe("S3 (fake): parts", () => {
  const limits = { single: 1000, largest: 5000, part: 1000, memory: 3000, copy: 2000, copyPart: 1000 };

  it("sends many parts in bounded memory, and every byte arrives", async () => {
    const { store, inside } = await world({ limits });
    const bytes = noise(25_501);
    let moved = 0;
    const onBytes = (count: number) => {
      moved += count;
    };
    const stored = await store.put("big", uploadOf(bytes, { piece: 333, onBytes }), { absent: true });
    expect(stored.token).toMatch(/-26$/);
    expect(moved).toBe(bytes.length);
    expect(await bytesOf(store, "big", stored.token)).toEqual(bytes);
    expect(await bytesOf(store, "big", stored.token, 25_000)).toEqual(bytes.subarray(25_000));
    expect(await store.head("big")).toEqual(stored);
    expect(inside().uploads.size).toBe(0);
  });

  it("sends a single part again, and nothing else", async () => {
    const { store } = await world({ limits });
    const failed = new Set<string>();
    fake.fault = (line) => {
      if (!line.includes("partNumber=3") || failed.size > 1) return undefined;
      failed.add(String(failed.size));
      return failed.size === 1 ? "reset" : "lost";
    };
    const bytes = noise(5500);
    await store.put("big", uploadOf(bytes), { absent: true });
    expect(asked("PUT big?partNumber=")).toBe(8);
    expect(await bytesOf(store, "big")).toEqual(bytes);
  });

  it("is told of before the first part, and ended when it fails", async () => {
    const { store, inside } = await world({ limits });
    const told: string[] = [];
    const onParts = async (id: string) => {
      expect(asked("PUT big?partNumber=")).toBe(0);
      told.push(id);
    };
    const source = async function* () {
      yield noise(2500);
      throw Object.assign(new Error("the cable"), { code: "CABLE" });
    };
    const upload = { ...uploadOf(noise(5000)), bytes: source, onParts };
    expect(await refusal(store.put("big", upload, { absent: true }))).toBe("CABLE");
    expect(told).toHaveLength(1);
    expect(inside().uploads.size).toBe(0);
    expect(await store.head("big")).toBeUndefined();
    await store.abandon?.("big", told[0] ?? "");
  });

  it("I3: does not replace what came while the parts were sent", async () => {
    const { store, client, bucket, inside } = await world({ limits });
    const upload = uploadOf(noise(5000));
    const source = async function* () {
      yield* upload.bytes();
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "big", Body: "theirs" }));
    };
    expect(await refusal(store.put("big", { ...upload, bytes: source }, { absent: true }))).toBe("PRECONDITION");
    expect(await textOf(store, "big")).toBe("theirs");
    expect(inside().uploads.size).toBe(0);
  });

  it.each([
    "lost",
    "late error",
  ] as const)("I6: finds its own object after a Complete that was answered by %s", async (fault) => {
    const { store } = await world({ limits });
    let count = 0;
    fake.fault = (line) => (line.startsWith("POST big?uploadId") && count++ === 0 ? fault : undefined);
    const bytes = noise(5000);
    const stored = await store.put("big", uploadOf(bytes), { absent: true });
    expect(await store.head("big")).toEqual(stored);
    expect(await bytesOf(store, "big", stored.token)).toEqual(bytes);
  });

  it("takes a 200 with an error in it for the error that it is", async () => {
    const { store, inside } = await world({ limits, retries: 0 });
    fake.fault = (line) => (line.startsWith("POST big?uploadId") ? { status: 200, code: "InternalError" } : undefined);
    expect(await refusal(store.put("big", uploadOf(noise(5000)), { absent: true }))).toBe("UNAVAILABLE");
    expect(inside().uploads.size).toBe(0);
    expect(inside().keys.size).toBe(0);
  });

  it("goes as one request where parts do not honour the condition", async () => {
    const { store } = await world({ limits });
    const bytes = noise(5000);
    const stored = await store.put("big", uploadOf(bytes, { safeParts: false }), { absent: true });
    expect(stored.sha256).toBeDefined();
    expect(asked("POST")).toBe(0);
    expect(await bytesOf(store, "big")).toEqual(bytes);
  });

  it("I3: holds the name of what is too large for one request, where parts do not honour the condition", async () => {
    const { store, client, bucket, inside } = await world({ limits });
    const ignore = (_: string, headers: Record<string, unknown>): undefined => {
      if (/^(POST|DELETE)/.test(_)) delete headers["if-match"];
      return undefined;
    };
    fake.fault = ignore;
    const bytes = noise(6000);
    const stored = await store.put("big", uploadOf(bytes, { safeParts: false }), { absent: true });
    expect(await bytesOf(store, "big", stored.token)).toEqual(bytes);
    expect(await refusal(store.put("big", uploadOf(noise(6000), { safeParts: false }), { absent: true }))).toBe(
      "PRECONDITION",
    );
    const upload = uploadOf(noise(6000), { safeParts: false });
    const source = async function* () {
      yield* upload.bytes();
      expect((await store.head("other"))?.size).toBe(0);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "other", Body: "theirs" }));
    };
    expect(await refusal(store.put("other", { ...upload, bytes: source }, { absent: true }))).toBe("PRECONDITION");
    expect(await textOf(store, "other")).toBe("theirs");
    expect(inside().uploads.size).toBe(0);
  });

  it("gives the name back when the bytes do not come", async () => {
    const { store, inside } = await world({ limits });
    const source = async function* () {
      yield noise(2500);
      throw Object.assign(new Error("the cable"), { code: "CABLE" });
    };
    const mayRelease = async () => true;
    const upload = { ...uploadOf(noise(6000), { safeParts: false }), bytes: source, mayRelease };
    expect(await refusal(store.put("big", upload, { absent: true }))).toBe("CABLE");
    expect(inside().keys.size).toBe(0);
  });

  it.each([
    { abort: "is acknowledged", fault: undefined, held: 0 },
    { abort: "is not answered", fault: "reset" as const, held: 1 },
    { abort: "finds no upload", fault: { status: 404, code: "NoSuchUpload" }, held: 1 },
  ])("I3: after a Complete without an answer it gives the name back when its end $abort: $held held", async (given) => {
    const { store, inside } = await world({ limits, retries: 0 });
    fake.fault = (line) => {
      if (line.startsWith("POST big?uploadId")) return "reset";
      return line.startsWith("DELETE big?uploadId") ? given.fault : undefined;
    };
    const upload = uploadOf(noise(6000), { safeParts: false, mayRelease: async () => true });
    expect(await refusal(store.put("big", upload, { absent: true }))).toBe("UNAVAILABLE");
    expect(inside().keys.size).toBe(given.held);
    const ends = fake.log
      .filter((line) => line.startsWith("DELETE big"))
      .map((line) => line.split("?")[1]?.slice(0, 8));
    expect(ends[0]).toBe("uploadId");
    expect(ends.includes(undefined)).toBe(given.held === 0);
  });

  it("I2: leaves the held name where giving it back could hit another's object, with a record of whose it is", async () => {
    const { store, requests, inside } = await world({ limits });
    const open = () => bucketBackend("there", "p/", store, requests, { allowUnconditionalDelete: false });
    const bytes = noise(6000);
    fake.fault = (line, headers) => {
      if (/^(POST|DELETE)/.test(line)) delete headers["if-match"];
      return line.startsWith("PUT p/big?partNumber") ? { status: 403, code: "AccessDenied" } : undefined;
    };
    expect(await refusal(open().write("big", sourceOf(bytes, { run: "run" })))).toBe("ACCESS_DENIED");
    expect((await store.head("p/big"))?.size).toBe(0);
    expect([inside().uploads.size, asked("DELETE p/big?uploadId") > 0]).toEqual([0, true]);
    expect(fake.log).not.toContain("DELETE p/big");
    fake.fault = () => undefined;
    const [record, ...more] = await collect(open().leftovers());
    expect([record?.run, more]).toEqual(["run", []]);
    if (record) await open().purge(record);
    expect(await namesOf(store)).toEqual([]);
  });

  it.each([
    { whose: "a run that is over", over: ["run"], record: true, code: "no error" },
    { whose: "a run that may be at work", over: ["other"], record: true, code: "PRECONDITION" },
    { whose: "nobody can tell whom", over: ["run"], record: false, code: "PRECONDITION" },
  ])("I3: a name that was held for an upload of $whose: $code", async ({ over, record, code }) => {
    const { store, requests, inside } = await world({ limits });
    const verdicts = { ...TRUSTED, createOnlyParts: false, conditionalRemove: false };
    const open = () => bucketBackend("there", "p/", store, requests, { allowUnconditionalDelete: false, verdicts });
    const bytes = noise(6000);
    let denied = true;
    fake.fault = (line, headers) => {
      if (/^(POST|DELETE)/.test(line)) delete headers["if-match"];
      return denied && line.startsWith("PUT p/big?part") ? { status: 403, code: "AccessDenied" } : undefined;
    };
    expect(await refusal(open().write("big", sourceOf(bytes, { run: "run" })))).toBe("ACCESS_DENIED");
    denied = false;
    expect(await open().stat("big")).toMatchObject({ size: 0, held: true });
    const [left] = await namesOf(store, "p/.stowage-tmp/run/");
    if (!record) await store.discard(left ?? "");
    const source = sourceOf(bytes, { run: "next", isOver: (run) => over.includes(run) });
    expect(await refusal(open().write("big", source))).toBe(code);
    const there = await bytesOf(store, "p/big");
    expect(there.equals(code === "no error" ? bytes : Buffer.alloc(0))).toBe(true);
    expect(inside().uploads.size).toBe(0);
    expect(await namesOf(store, "p/.stowage-tmp/")).toEqual(code !== "no error" && record ? [left] : []);
  });

  it("cuts the largest object into no more parts than allowed", () => {
    const TIB = 1024 ** 4;
    expect(Math.ceil((5 * TIB) / partSizeFor(5 * TIB, 16 << 20))).toBeLessThanOrEqual(10_000);
    expect(partSizeFor(20 * 1024 ** 3, 16 << 20)).toBe(16 << 20);
  });

  it("I3: copies nothing in parts where parts do not honour the condition", async () => {
    const { store } = await world({ limits });
    const upload = { ...uploadOf(noise(4500)), safeParts: false };
    const from = await store.put("from", { ...upload, safeParts: true }, { absent: true });
    const object = { name: "from", bucket: store.address, token: from.token };
    expect(await refusal(store.copy?.(object, "to", upload) ?? Promise.resolve())).toBe("UNSUPPORTED");
    expect(asked("PUT to")).toBe(0);
    expect(await namesOf(store)).toEqual(["from"]);
  });

  it("I6: ends a copy in parts that failed when no other part is on its way any more, and begins none", async () => {
    const { store, inside } = await world({ limits });
    const upload = uploadOf(noise(9500));
    const { token } = await store.put("from", upload, { absent: true });
    let [busy, late] = [0, -1];
    fake.fault = (line) => {
      if (line.startsWith("DELETE to?")) late = busy;
      return line.includes("partNumber=1&") ? { status: 403, code: "AccessDenied" } : undefined;
    };
    fake.delay = async (line) => {
      if (!line.startsWith("PUT to?part") || line.includes("partNumber=1&")) return;
      busy++;
      await sleep(100);
      busy--;
    };
    const copying = store.copy?.({ name: "from", bucket: store.address, token }, "to", upload) ?? Promise.resolve();
    expect(await refusal(copying)).toBe("ACCESS_DENIED");
    expect([late, inside().uploads.size, asked("PUT to?partNumber")]).toEqual([0, 0, 4]);
  });

  it("copies inside the store what one request can not copy", async () => {
    const { store } = await world({ limits });
    const bytes = noise(4500);
    const upload = uploadOf(bytes);
    const from = await store.put("from", upload, { absent: true });
    const object = { name: "from", bucket: store.address, token: from.token };
    const copied = await store.copy?.(object, "to", upload);
    expect(await bytesOf(store, "to", copied?.token)).toEqual(bytes);
    expect(asked("PUT to?partNumber")).toBe(5);
    expect(await refusal(store.copy?.({ ...object, token: `0${from.token}` }, "no", upload) ?? Promise.resolve())).toBe(
      "PRECONDITION",
    );
    expect(await refusal(store.copy?.(object, "to", upload) ?? Promise.resolve())).toBe("PRECONDITION");
    expect(await namesOf(store)).toEqual(["from", "to"]);
  });
});

describe("S3 (fake): writing", () => {
  it("puts class and encryption on everything that is stored", async () => {
    const limits = { single: 10, part: 10, copy: 10, copyPart: 10 };
    const encryption = { kind: "sse-kms" as const, kmsKey: "key-1" };
    const { store, inside } = await world({ limits, store: { storageClass: "STANDARD_IA", encryption } });
    const [small, large] = [uploadOf("small"), uploadOf(noise(25))];
    const from = await store.put("small", small, { absent: true });
    const parts = await store.put("large", large, { absent: true });
    await store.copy?.({ name: "small", bucket: store.address, token: from.token }, "small-copy", small);
    await store.copy?.({ name: "large", bucket: store.address, token: parts.token }, "large-copy", large);
    const kept = [...inside().keys.values()].map(([version]) => [version?.storageClass, version?.encryption]);
    expect(kept).toEqual(Array.from({ length: 4 }, () => ["STANDARD_IA", "aws:kms"]));
  });

  it("I4: the store refuses bytes that are not those that were signed", async () => {
    const { store } = await world();
    const wrong = { ...uploadOf("right"), whole: Buffer.from("wrong") };
    expect(await refusal(store.put("x", wrong, { absent: true }))).toBe("CORRUPT");
    expect(await store.head("x")).toBeUndefined();
  });

  it("sends a stream again from its start", async () => {
    const { store } = await world();
    let count = 0;
    fake.fault = (line) => (line === "PUT x" && count++ < 2 ? "reset" : undefined);
    const bytes = noise(300_000);
    let moved = 0;
    const onBytes = (length: number) => {
      moved += length;
    };
    const stored = await store.put("x", uploadOf(bytes, { onBytes }), { absent: true });
    expect(await bytesOf(store, "x", stored.token)).toEqual(bytes);
    expect(moved).toBe(bytes.length);
  });

  it("S1: a copy inside the store has the hash that the store computed", async () => {
    const { store } = await world();
    const upload = uploadOf("1");
    const { token } = await store.put("x", upload, { absent: true });
    const copied = await store.copy?.({ name: "x", bucket: store.address, token }, "y", upload);
    expect(copied?.sha256).toBe(upload.sha256);
    expect(await store.head("y")).toEqual(copied);
  });

  it("lends links that read and that create, until they expire", async () => {
    const { store } = await world();
    await store.put("a ü", uploadOf("1"), { absent: true });
    const get = (await store.presign?.("a ü", { method: "GET", expires: 60_000 })) ?? "";
    expect(await (await fetch(get)).text()).toBe("1");
    const put = (await store.presign?.("new", { method: "PUT", expires: 60_000 })) ?? "";
    const send = (url: string, headers: Record<string, string>) => fetch(url, { method: "PUT", headers, body: "2" });
    expect((await send(put, {})).status).toBe(403);
    expect((await send(put, { "If-None-Match": "*" })).status).toBe(200);
    expect((await send(put, { "If-None-Match": "*" })).status).toBe(412);
    expect(await refusal(store.presign?.("x", { method: "GET", expires: 8 * 86_400_000 }) ?? Promise.resolve())).toBe(
      "UNSUPPORTED",
    );
    expect(get).not.toContain(fake.secretAccessKey);
  });
});

describe("S3 (fake): a versioned bucket whose store ignores conditions", () => {
  const ignore = (_: string, headers: Record<string, unknown>): undefined => {
    for (const name of ["if-match", "if-none-match", "x-amz-copy-source-if-match"]) delete headers[name];
    return undefined;
  };
  const limits = { single: 10, part: 10 };

  it.each([
    { name: "in one request", size: 5 },
    { name: "in parts", size: 25 },
  ])("I3: takes back what it has written over another, $name", async ({ size }) => {
    const { store, inside } = await world({ versioned: true, limits });
    fake.fault = ignore;
    const theirs = await store.put("x", uploadOf("theirs"), { absent: true });
    expect(await refusal(store.put("x", uploadOf(noise(size)), { absent: true }))).toBe("PRECONDITION");
    expect((await store.head("x"))?.token).toBe(theirs.token);
    expect(inside().keys.get("x")).toHaveLength(1);
  });

  it("I3: of many that create one object one wins", async () => {
    const { store, inside } = await world({ versioned: true });
    fake.fault = ignore;
    const racing = Array.from({ length: 12 }, (_, index) => store.put("x", uploadOf(`${index}`), { absent: true }));
    const won = (await Promise.allSettled(racing)).filter(({ status }) => status === "fulfilled");
    expect(won).toHaveLength(1);
    expect(inside().keys.get("x")).toHaveLength(1);
  });

  it("copies only what is current, and only to a free name", async () => {
    const { store, inside } = await world({ versioned: true });
    const upload = uploadOf("1");
    const old = await store.put("x", upload, { absent: true });
    await store.discard("x");
    const now = await store.put("x", upload, { absent: true });
    fake.fault = ignore;
    const object = (token: string) => ({ name: "x", bucket: store.address, token });
    const copy = (token: string, name: string) =>
      refusal(store.copy?.(object(token), name, upload) ?? Promise.resolve());
    expect(await copy(old.token, "stale")).toBe("PRECONDITION");
    expect(await store.head("stale")).toBeUndefined();
    expect(await copy(now.token, "free")).toBe("no error");
    expect(await copy(now.token, "free")).toBe("PRECONDITION");
    expect(inside().keys.get("free")).toHaveLength(1);
  });
});

describe("S3 (fake): removing", () => {
  it("I2: in a versioned bucket nothing goes for good", async () => {
    const { store, inside } = await world({ versioned: true });
    const { token } = await store.put("x", uploadOf("1"), { absent: true });
    await store.remove("x", token);
    expect(await store.head("x")).toBeUndefined();
    expect(inside().keys.get("x")).toMatchObject([{ marker: true }, { marker: false }]);
    expect(await refusal(store.remove("x", token))).toBe("NOT_FOUND");
    expect(await refusal(store.remove("never", token))).toBe("NOT_FOUND");
    expect(inside().keys.get("x")).toHaveLength(2);
    expect(inside().keys.has("never")).toBe(false);
  });

  it.each([
    "honours",
    "ignores",
  ])("I2: gives a version back that it was not to remove, from a store that %s the condition", async (how) => {
    const { store, inside } = await world({ versioned: true });
    const first = await store.put("x", uploadOf("1"), { absent: true });
    await store.discard("x");
    const second = await store.put("x", uploadOf("2"), { absent: true });
    if (how === "ignores") {
      fake.fault = (line, headers) => {
        if (line.startsWith("DELETE")) delete headers["if-match"];
        return undefined;
      };
    }
    expect(await refusal(store.remove("x", first.token))).toBe("PRECONDITION");
    expect((await store.head("x"))?.token).toBe(second.token);
    // The same bytes are the same ETag, and another version all the same.
    await store.discard("x");
    const third = await store.put("x", uploadOf("2"), { absent: true });
    expect(await refusal(store.remove("x", second.token))).toBe("PRECONDITION");
    expect((await store.head("x"))?.token).toBe(third.token);
    await store.remove("x", third.token);
    expect(await store.head("x")).toBeUndefined();
    expect(
      inside()
        .keys.get("x")
        ?.filter(({ marker }) => !marker),
    ).toHaveLength(3);
  });

  it.each([false, true])("I6: a removal whose answer was lost is done once (versioned: %s)", async (versioned) => {
    const { store, inside } = await world({ versioned });
    const { token } = await store.put("x", uploadOf("1"), { absent: true });
    let count = 0;
    fake.fault = (line) => (line.startsWith("DELETE") && count++ === 0 ? "lost" : undefined);
    await store.remove("x", token);
    expect(await store.head("x")).toBeUndefined();
    expect(
      inside()
        .keys.get("x")
        ?.filter(({ marker }) => marker) ?? [],
    ).toHaveLength(versioned ? 1 : 0);
  });

  it("I6: a removal whose answer was lost does not remove what came after it", async () => {
    const { store, inside, client, bucket } = await world();
    const { token } = await store.put("x", uploadOf("1"), { absent: true });
    let count = 0;
    fake.fault = (line) => {
      if (!line.startsWith("DELETE") || count++ > 0) return undefined;
      return "lost";
    };
    const removal = refusal(store.remove("x", token));
    while (inside().keys.has("x")) await new Promise((resolve) => setImmediate(resolve));
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "x", Body: "2" }));
    expect(await removal).toBe("PRECONDITION");
    expect(await textOf(store, "x")).toBe("2");
  });
});

describe("S3 (fake): listing", () => {
  const NAMES = [
    ...Array.from({ length: 60 }, (_, index) => `flat-${String(index).padStart(3, "0")}`),
    ...Array.from({ length: 90 }, (_, index) => `d${index % 9}/e${index % 3}/f${index}`),
    ...[
      "d1",
      "d1/",
      "d1//x",
      "d1.",
      "d10/x",
      "a b+c&<d>.txt",
      "ü/ü",
      "u\u0308/x",
      "😀/x",
      "\uffee/x",
      "new\nline",
      "x/",
    ],
  ];
  const sorted = NAMES.toSorted();

  it.each([
    { versioned: false, page: 7 },
    { versioned: false, page: 1000 },
    { versioned: true, page: 7 },
    { versioned: true, page: 1 },
  ])("tells every name once, in pages of $page (versioned: $versioned)", async ({ versioned, page }) => {
    const { store, client, bucket } = await world({ versioned });
    for (const Key of NAMES) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "1" }));
    if (versioned) {
      for (const Key of NAMES.slice(0, 20)) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "2" }));
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "d5/gone", Body: "1" }));
      await store.discard("d5/gone");
    }
    fake.pageSize = page;
    expect(await namesOf(store)).toEqual(sorted);
    expect(await namesOf(store, "d1/")).toEqual(sorted.filter((name) => name.startsWith("d1/")));
    expect(await namesOf(store, "nothing/")).toEqual([]);
  });

  it("lists directories at the same time when each answer takes a while", async () => {
    const { store, client, bucket } = await world();
    const names = Array.from({ length: 400 }, (_, index) => `d${index % 8}/${index}`);
    for (const Key of names) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "1" }));
    fake.pageSize = 10;
    fake.log.length = 0;
    let most = 0;
    let now = 0;
    fake.delay = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now--;
    };
    expect(await namesOf(store)).toHaveLength(400);
    fake.delay = undefined;
    expect(most).toBeGreaterThan(4);
    expect(fake.log.length).toBeLessThan(40 * 2);
  });

  it.each([
    { name: "comes twice", replay: 0 },
    { name: "is left out", replay: 2 },
  ])("does not take a listing for whole of which a page $name", async ({ replay }) => {
    const { store, client, bucket } = await world({ retries: 0 });
    const names = Array.from({ length: 40 }, (_, index) => `flat-${String(index).padStart(3, "0")}`);
    for (const Key of names) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "1" }));
    fake.pageSize = 5;
    const token = (index: number) => Buffer.from(names[index * 5 + 4] ?? "").toString("base64url");
    fake.rewrite = (url) => {
      if (url.searchParams.get("continuation-token") === token(1))
        url.searchParams.set("continuation-token", token(replay));
    };
    expect(await refusal(namesOf(store))).toBe("UNAVAILABLE");
    fake.rewrite = undefined;
    expect(await namesOf(store)).toEqual(names);
  });

  it("does not take a listing of versions for whole of which a page comes twice", async () => {
    const { store, client, bucket } = await world({ retries: 0, versioned: true });
    const names = Array.from({ length: 20 }, (_, index) => `flat-${String(index).padStart(3, "0")}`);
    for (const Key of names) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "1" }));
    fake.pageSize = 5;
    fake.rewrite = (url) => {
      if (url.searchParams.get("key-marker") === names[9]) {
        url.searchParams.set("key-marker", names[4] ?? "");
        url.searchParams.delete("version-id-marker");
      }
    };
    expect(await refusal(namesOf(store))).toBe("UNAVAILABLE");
    fake.rewrite = undefined;
    expect(await namesOf(store)).toEqual(names);
  });

  it("passes on the error of a page, and stops when nobody reads on", async () => {
    const { store, client, bucket } = await world({ retries: 0 });
    for (let index = 0; index < 30; index++) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${index % 5}/${index}`, Body: "1" }));
    }
    fake.pageSize = 3;
    fake.fault = (line) => (line.includes("continuation-token") ? { status: 500, code: "InternalError" } : undefined);
    expect(await refusal(namesOf(store))).toBe("UNAVAILABLE");
    fake.fault = () => undefined;
    for await (const page of store.list("")) {
      expect(page.length).toBeGreaterThan(0);
      break;
    }
    const controller = new AbortController();
    controller.abort();
    expect(
      await refusal(
        (async () => {
          for await (const _ of store.list("", controller.signal));
        })(),
      ),
    ).toBe("ABORTED");
  });
});
