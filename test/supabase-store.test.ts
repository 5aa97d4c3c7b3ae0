import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { openRequests } from "../src/backend/requests.js";
import type { ObjectStore, Upload } from "../src/backend/store.js";
import { type SupabaseLimits, supabaseStore } from "../src/backend/supabase.js";
import { collect } from "../src/lib/iter.js";
import { straight } from "../src/testing/index.js";
import { agree, codeThrown, put, RUN, textOf } from "../src/testing/subject.js";
import { type FakeSupabase, fakeSupabase } from "./support/supabase/fake.js";
import { type FakeObject, store as place } from "./support/supabase/objects.js";

let fake: FakeSupabase;
let objects: Map<string, FakeObject>;
let store: ObjectStore;

beforeAll(async () => {
  fake = await fakeSupabase();
});
afterAll(() => fake.close());
beforeEach(async () => {
  objects = new Map();
  fake.buckets.clear();
  fake.buckets.set("b", objects);
  fake.uploads.clear();
  fake.defects.clear();
  store = await opened();
});

const opened = (
  changes: { key?: string; url?: string } = {},
  limits: Partial<SupabaseLimits> = {},
): Promise<ObjectStore> =>
  supabaseStore(
    { type: "supabase", url: fake.url, bucket: "b", prefix: "", key: fake.key, ...changes },
    openRequests("supabase", { retries: 0, concurrency: 8 }),
    limits,
  );

const ABSENT = { absent: true } as const;

function upload(bytes: Uint8Array | string, more: Partial<Upload> = {}): Upload {
  const whole = Buffer.from(bytes);
  const sha256 = createHash("sha256").update(whole).digest("hex");
  return {
    sha256,
    size: whole.length,
    metadata: { "stowage-sha256": sha256, "stowage-upload": randomUUID(), mtime: "1700000000.123456789" },
    async *bytes() {
      for (let at = 0; at < whole.length; at += 1000) yield whole.subarray(at, at + 1000);
    },
    ...more,
  };
}

const read = async (name: string, start = 0): Promise<string> =>
  Buffer.concat((await collect(store.read(name, { start }))).map((piece) => Buffer.from(piece))).toString();

describe("Supabase on the Supabase fake", () => {
  it("tells the same version of an object after a put, from head and in a listing", async () => {
    const what = upload("hello");
    const made = await store.put("a/x", what, ABSENT);
    expect(await store.head("a/x")).toEqual(made);
    expect(made.metadata).toEqual(what.metadata);
    const { metadata: _, ...listed } = made;
    expect((await collect(store.list("a/"))).flat()).toEqual([listed]);
  });

  it("gives an upload in one request the time that a slow line takes", async () => {
    const requests = openRequests("supabase", { retries: 0, concurrency: 8 });
    const given: (number | undefined)[] = [];
    const watching: typeof requests = {
      ...requests,
      send: (body, options) => {
        given.push(options?.timeout);
        return requests.send(body, options);
      },
    };
    const config = { type: "supabase", url: fake.url, bucket: "b", prefix: "", key: fake.key } as const;
    await (await supabaseStore(config, watching)).put("x", upload(Buffer.alloc(6 << 20)), ABSENT);
    // 140 KB/s, as eight transfers have them on 10 Mbit/s.
    expect(given[0]).toBeGreaterThan((6 << 20) / 140 + 60_000);
  });

  it("S1: takes no ETag for a hash", async () => {
    expect((await store.put("x", upload("hello"), ABSENT)).sha256).toBeUndefined();
  });

  it.each([999, 1000, 1001, 12_345])("keeps %i bytes that were sent in pieces", async (size) => {
    const small = await opened({}, { piece: 1000 });
    const bytes = randomBytes(size);
    const made = await small.put("dir/x y", upload(bytes, { parts: true }), ABSENT);
    expect(made.size).toBe(size);
    expect(objects.get("dir/x y")?.bytes.equals(bytes)).toBe(true);
  });

  it("goes on where a lost answer left an upload in pieces", async () => {
    const patient = await supabaseStore(
      { type: "supabase", url: fake.url, bucket: "b", prefix: "", key: fake.key },
      openRequests("supabase", { retries: 3, concurrency: 8, random: () => 0 }),
      { piece: 1000 },
    );
    fake.defects.add("loses an answer");
    const bytes = randomBytes(3500);
    await patient.put("x", upload(bytes, { parts: true }), ABSENT);
    expect(objects.get("x")?.bytes.equals(bytes)).toBe(true);
    expect(fake.defects.has("loses an answer")).toBe(false);
  });

  it("I4: an upload in pieces that fails can not be seen, and is ended", async () => {
    const small = await opened({}, { piece: 1000 });
    const broken = upload(randomBytes(5000), {
      async *bytes() {
        yield randomBytes(4500);
        throw Object.assign(new Error("not the hash"), { code: "CORRUPT" });
      },
    });
    expect(await codeThrown(() => small.put("x", broken, ABSENT))).toBe("CORRUPT");
    expect([await store.head("x"), fake.uploads.size]).toEqual([undefined, 0]);
  });

  it("I3: never replaces, in one piece or in several", async () => {
    const small = await opened({}, { piece: 2 });
    await store.put("x", upload("first"), ABSENT);
    expect(await codeThrown(() => store.put("x", upload("other"), ABSENT))).toBe("PRECONDITION");
    expect(await codeThrown(() => small.put("x", upload("other"), ABSENT))).toBe("PRECONDITION");
    expect(await read("x")).toBe("first");
  });

  it("I3: where the service lets two win, the one whose object is gone is told", async () => {
    fake.defects.add("looks before it writes");
    const all = Array.from({ length: 6 }, (_, index) => store.put("x", upload(`writer ${index}`), ABSENT));
    const results = await Promise.allSettled(all);
    const winners = results.filter(({ status }) => status === "fulfilled").length;
    expect(winners).toBeLessThanOrEqual(6);
    const now = await store.head("x");
    const last = results.some((result) => result.status === "fulfilled" && result.value.token === now?.token);
    expect(last).toBe(true);
  });

  it("I2: does not pretend to remove under a condition", async () => {
    const { token } = await store.put("x", upload("1"), ABSENT);
    expect(await codeThrown(() => store.remove("x", token))).toBe("APPEND_ONLY");
    expect(await read("x")).toBe("1");
    await store.discard("x");
    await store.discard("x");
    expect(await store.head("x")).toBeUndefined();
  });

  it("I2: is found to be append-only, and removes nothing then", async () => {
    const backend = bucketBackend("supabase", "", store, straight, { allowUnconditionalDelete: false });
    const { store: verdicts } = (await backend.probe?.()) ?? {};
    expect(verdicts).toEqual({
      createOnly: true,
      createOnlyParts: true,
      oneWinner: true,
      conditionalReplace: false,
      conditionalRemove: false,
      conditionalRead: true,
      listAfterWrite: true,
      conditionalCopy: false,
      checksums: false,
      versioned: false,
    });
    expect([...objects.keys()]).toEqual([]);
    const { version } = await put(backend, "x", "1");
    const removal = () => backend.remove("x", { version, run: RUN, trash: false, confirm: agree });
    expect(await codeThrown(removal)).toBe("APPEND_ONLY");
    expect(await textOf(backend, "x")).toBe("1");
  });

  it("finds out by probing what an older service does not do", async () => {
    fake.defects.add("looks before it writes").add("ignores If-Match");
    const backend = bucketBackend("supabase", "", store, straight, { allowUnconditionalDelete: false });
    const { store: verdicts } = (await backend.probe?.()) ?? {};
    expect(verdicts).toMatchObject({ createOnly: true, conditionalRead: false });
  });

  it("reads under the version, and from the middle", async () => {
    const { token } = await store.put("a?b", upload("0123456789"), ABSENT);
    expect(await read("a?b", 7)).toBe("789");
    expect(await codeThrown(() => collect(store.read("a?b", { token: "else@2020-01-01T00:00:00.000Z" })))).toBe(
      "PRECONDITION",
    );
    expect(await codeThrown(() => collect(store.read("a?b", { token: "else" })))).toBe("PRECONDITION");
    expect(await collect(store.read("a?b", { token }))).toHaveLength(1);
    expect(await codeThrown(() => read("none"))).toBe("NOT_FOUND");
  });

  it("lists every page once, in folders that a pattern would mix up, and nothing outside the prefix", async () => {
    const names = Array.from({ length: 60 }, (_, index) => `my_dir/${index % 7}/${index}`);
    for (const name of [...names, "my-dir/x", "MY_DIR/x", "my_dir"]) place(objects, name, Buffer.from("1"), {});
    const pages = await collect((await opened({}, { page: 25 })).list("my_dir/"));
    expect(pages.map(({ length }) => length)).toEqual([25, 25, 10]);
    expect(
      pages
        .flat()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(names.sort());
  });

  it("I5: trusts no listing that repeats a page or can not be had", async () => {
    for (let index = 0; index < 5; index++) place(objects, `${index}`, Buffer.from("1"), {});
    const paging = await opened({}, { page: 2 });
    fake.defects.add("repeats a page");
    expect(await codeThrown(() => collect(paging.list("")))).toBe("UNAVAILABLE");
    fake.defects.clear();
    fake.defects.add("has no second listing");
    expect(await codeThrown(() => collect(paging.list("")))).toBe("STORE_REFUSED");
  });

  it("S15: refuses names that the service does not take", async () => {
    for (const name of ["ü", "a#b", "a%b", "a\\b", "a~b", "[a]", "new\nline"]) {
      expect(await codeThrown(() => store.put(name, upload("1"), ABSENT))).toBe("UNSUPPORTED_NAME");
      expect(await codeThrown(() => store.discard(name))).toBe("UNSUPPORTED_NAME");
    }
    for (const name of ["a b", "a+b", "it's (1) @ $=;:&,!*?.x"]) {
      await store.put(name, upload(name), ABSENT);
      expect(await read(name)).toBe(name);
      await store.discard(name);
    }
    expect([...objects.keys()]).toEqual([]);
  });

  it("I5: a bucket that is not there is an error for every question", async () => {
    fake.buckets.clear();
    const questions = [
      () => store.head("x"),
      () => collect(store.list("")),
      () => read("x").catch((error) => (error.code === "NOT_FOUND" ? store.head("x") : Promise.reject(error))),
      () => store.put("x", upload("1"), ABSENT),
      () => store.put("x", upload("1", { parts: true }), ABSENT),
      () => store.discard("x"),
    ];
    for (const question of questions) expect(await codeThrown(question)).toBe("UNAVAILABLE");
  });

  it("says that access is denied, without the key", async () => {
    const key = `secret${randomUUID()}`;
    const denied = await opened({ key });
    for (const question of [
      () => denied.head("x"),
      () => denied.put("x", upload("1"), ABSENT),
      () => collect(denied.list("")),
    ]) {
      const error = await question().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "ACCESS_DENIED", hint: expect.stringMatching(/\w/) });
      expect(`${error} ${JSON.stringify(error)} ${(error as Error).cause}`).not.toContain(key);
    }
  });

  it("a service that does not answer is unavailable", async () => {
    const nowhere = await opened({ url: "http://127.0.0.1:1" });
    expect(await codeThrown(() => nowhere.head("x"))).toBe("UNAVAILABLE");
    expect(await codeThrown(() => nowhere.discard("x"))).toBe("UNAVAILABLE");
  });

  it("makes links that read and create, and that expire", async () => {
    await store.put("dir/a b", upload("hello"), ABSENT);
    const reading = (await store.presign?.("dir/a b", { method: "GET", expires: 1000 })) ?? "";
    expect(await (await fetch(reading)).text()).toBe("hello");
    const writing = (await store.presign?.("dir/new", { method: "PUT", expires: 7_200_000 })) ?? "";
    const send = () => fetch(writing, { method: "PUT", body: "1" });
    expect((await send()).status).toBe(200);
    expect((await send()).status).toBe(400);
    await sleep(1100);
    expect((await fetch(reading)).status).toBe(400);
    expect(await codeThrown(async () => store.presign?.("x", { method: "PUT", expires: 1000 }))).toBe("UNSUPPORTED");
    expect(await codeThrown(async () => store.presign?.("none", { method: "GET", expires: 1000 }))).toBe("NOT_FOUND");
  });
});
