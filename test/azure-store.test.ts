import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AzureLimits, azureStore } from "../src/backend/azure.js";
import { openRequests, type Requests } from "../src/backend/requests.js";
import type { ObjectStore, Upload } from "../src/backend/store.js";
import type { AzureStore } from "../src/config/config.js";
import { collect } from "../src/lib/iter.js";
import { straight } from "../src/testing/index.js";
import { codeThrown } from "../src/testing/subject.js";
import { type Azurite, startAzurite } from "./support/azure/azurite.js";

let azurite: Azurite;
let client: ContainerClient;
let config: AzureStore;
let store: ObjectStore;

beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.close());
beforeEach(async () => {
  ({ client, store: config } = await azurite.container());
  store = await opened();
});

const opened = (changes: Partial<AzureStore> = {}, limits: Partial<AzureLimits> = {}): Promise<ObjectStore> =>
  azureStore({ ...config, ...changes }, openRequests("azure", { retries: 0, concurrency: 8 }), limits);

const ABSENT = { absent: true } as const;

function upload(bytes: Uint8Array | string, more: Partial<Upload> = {}): Upload {
  const whole = Buffer.from(bytes);
  const sha256 = createHash("sha256").update(whole).digest("hex");
  const metadata = {
    "stowage-sha256": sha256,
    "stowage-upload": randomUUID(),
    mtime: "2023-11-14T22:13:20.123456789Z",
  };
  return {
    sha256,
    size: whole.length,
    metadata,
    async *bytes() {
      for (let at = 0; at < whole.length; at += 1000) yield whole.subarray(at, at + 1000);
    },
    ...more,
  };
}

const textOf = async (from: ObjectStore, name: string, start = 0): Promise<string> =>
  Buffer.concat((await collect(from.read(name, { start }))).map((piece) => Buffer.from(piece))).toString();

const names = async (from: ObjectStore, prefix = ""): Promise<string[]> =>
  (await collect(from.list(prefix))).flat().map(({ name }) => name);

describe("Azure on Azurite", () => {
  it("tells the same of an object after a put, from head and in a listing", async () => {
    const put = await store.put("a/x", upload("hello"), ABSENT);
    expect(await store.head("a/x")).toEqual(put);
    expect((await collect(store.list("a/"))).flat()).toEqual([put]);
    expect(put.token).toMatch(/^[^"]+$/);
    expect(put.metadata?.["mtime"]).toBe("2023-11-14T22:13:20.123456789Z");
  });

  it("writes names of metadata that are identifiers, and rclone's time as rclone reads it", async () => {
    await store.put("x", upload("hello"), ABSENT);
    const { metadata = {} } = await client.getBlobClient("x").getProperties();
    expect(Object.keys(metadata).sort()).toEqual(["mtime", "stowage_md5", "stowage_sha256", "stowage_upload"]);
    expect(metadata["mtime"]).toBe("2023-11-14T22:13:20.123456789Z");
  });

  it("I3: creates only, and replaces under the right token only", async () => {
    const first = await store.put("x", upload("1"), ABSENT);
    expect(await codeThrown(() => store.put("x", upload("2"), ABSENT))).toBe("PRECONDITION");
    expect(await codeThrown(() => store.put("x", upload("2"), { token: "0x1" }))).toBe("PRECONDITION");
    expect(await codeThrown(() => store.put("y", upload("2"), { token: "0x1" }))).toBe("PRECONDITION");
    const parts = { parts: true };
    expect(await codeThrown(() => store.put("x", upload("2", parts), ABSENT))).toBe("PRECONDITION");
    expect(await codeThrown(() => store.put("x", upload("2", parts), { token: "0x1" }))).toBe("PRECONDITION");
    expect(await textOf(store, "x")).toBe("1");
    const second = await store.put("x", upload("2"), { token: first.token });
    expect(second.token).not.toBe(first.token);
    expect(await textOf(store, "x")).toBe("2");
  });

  it("I3: of many blocks' uploads at once exactly one wins, and all its blocks are its own", async () => {
    const small = await opened({}, { block: 1000, memory: 3000 });
    const all = Array.from({ length: 6 }, () => randomBytes(5500));
    const results = await Promise.allSettled(all.map((bytes) => small.put("x", upload(bytes), ABSENT)));
    const winner = results.findIndex(({ status }) => status === "fulfilled");
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await client.getBlobClient("x").downloadToBuffer()).equals(all[winner] ?? Buffer.alloc(0))).toBe(true);
    const codes = results.flatMap((result) => (result.status === "rejected" ? [result.reason.code] : []));
    expect(new Set(codes)).toEqual(new Set(["PRECONDITION"]));
  });

  it.each([0, 1, 999, 1000, 1001, 12_345])("keeps %i bytes that were sent in blocks", async (size) => {
    const small = await opened({}, { block: 1000, memory: 3000 });
    const bytes = randomBytes(size);
    const put = await small.put("x", upload(bytes, { parts: true }), ABSENT);
    expect(await small.head("x")).toEqual(put);
    expect(put.size).toBe(size);
    expect(put.sha256).toBe(upload(bytes).sha256);
    expect((await client.getBlobClient("x").downloadToBuffer()).equals(bytes)).toBe(true);
  });

  it("takes larger blocks where there would be too many", async () => {
    const few = await opened({}, { block: 1000, blocks: 3, memory: 3000 });
    const bytes = randomBytes(2_500_000);
    await few.put("x", upload(bytes), ABSENT);
    const { committedBlocks } = await client.getBlockBlobClient("x").getBlockList("committed");
    expect(committedBlocks?.map(({ size }) => size)).toEqual([1_048_576, 1_048_576, 402_848]);
  });

  it("I4: blocks of an upload that fails can not be seen", async () => {
    const small = await opened({}, { block: 1000, memory: 3000 });
    const broken = upload(randomBytes(5000), {
      async *bytes() {
        yield randomBytes(4500);
        throw Object.assign(new Error("not the hash"), { code: "CORRUPT" });
      },
    });
    expect(await codeThrown(() => small.put("x", broken, ABSENT))).toBe("CORRUPT");
    expect(await store.head("x")).toBeUndefined();
    expect(await names(store)).toEqual([]);
    expect(await codeThrown(() => store.remove("x", "0x1"))).toBe("NOT_FOUND");
    expect((await small.put("x", upload("now"), ABSENT)).size).toBe(3);
  });

  it("I4: sends nothing that is not what it should be", async () => {
    const { sha256 } = upload("right");
    expect(await codeThrown(() => store.put("x", upload("wrong", { sha256 }), ABSENT))).toBe("CORRUPT");
    expect(await store.head("x")).toBeUndefined();
  });

  it("S1: a hash is proven only while the MD5 that the service checked is the blob's own", async () => {
    const { sha256 } = upload("hello");
    expect((await store.put("x", upload("hello"), ABSENT)).sha256).toBe(sha256);
    const { metadata = {} } = await client.getBlobClient("x").getProperties();
    const other = client.getBlockBlobClient("y");
    await other.upload("hellO", 5, { metadata });
    expect(await store.head("y")).toMatchObject({ metadata: { "stowage-sha256": sha256 } });
    expect((await store.head("y"))?.sha256).toBeUndefined();
    const { stowage_md5: _, ...without } = metadata;
    await client.getBlockBlobClient("z").upload("hello", 5, { metadata: without });
    expect((await store.head("z"))?.sha256).toBeUndefined();
  });

  it("I2: removes under the right token only", async () => {
    const { token } = await store.put("x", upload("1"), ABSENT);
    expect(await codeThrown(() => store.remove("x", "0x1"))).toBe("PRECONDITION");
    expect(await textOf(store, "x")).toBe("1");
    await store.remove("x", token);
    expect(await store.head("x")).toBeUndefined();
    expect(await codeThrown(() => store.remove("x", token))).toBe("NOT_FOUND");
    await store.discard("x");
  });

  it("I6: a removal whose answer was lost is done, and another one's is not ours", async () => {
    const attempt = (number: number) => ({ signal: new AbortController().signal, number, alive: () => undefined });
    const losing: Requests = {
      ...straight,
      async send(body) {
        await body(attempt(1)).catch(() => undefined);
        return await body(attempt(2));
      },
    };
    const { token } = await store.put("x", upload("1"), ABSENT);
    const lossy = await azureStore(config, losing);
    await lossy.remove("x", token);
    expect(await store.head("x")).toBeUndefined();
    await store.put("x", upload("1"), ABSENT);
    expect(await codeThrown(() => lossy.remove("x", token))).toBe("PRECONDITION");
    expect(await textOf(store, "x")).toBe("1");
  });

  it("does without credentials of its own where the machine has some, and copies nothing inside Azure then", async () => {
    const { credentials: _, ...bare } = config;
    const byIdentity = await azureStore({ ...bare, endpoint: "https://account.example" }, straight);
    expect([byIdentity.copy, byIdentity.provider]).toEqual([undefined, undefined]);
  });

  it("reads under the token, and from the middle", async () => {
    const { token } = await store.put("x", upload("0123456789"), ABSENT);
    expect(await textOf(store, "x", 7)).toBe("789");
    expect(await codeThrown(() => collect(store.read("x", { token: "0x1" })))).toBe("PRECONDITION");
    expect(await collect(store.read("x", { token, start: 9 }))).toHaveLength(1);
    expect(await codeThrown(() => collect(store.read("y", {})))).toBe("NOT_FOUND");
  });

  it("copies under the source's token to a free name, with the hash still proven", async () => {
    const { token, sha256 } = await store.put("a b/ü.txt", upload("hello"), ABSENT);
    const from = { bucket: store.address, name: "a b/ü.txt", token };
    const copying = upload("hello");
    const copied = await store.copy?.(from, "copy", copying);
    expect(copied).toMatchObject({ size: 5, sha256, metadata: copying.metadata });
    expect(await store.head("copy")).toEqual(copied);
    const codes = [
      await codeThrown(async () => store.copy?.(from, "copy", copying)),
      await codeThrown(async () => store.copy?.({ ...from, token: "0x1" }, "other", copying)),
    ];
    expect(codes).toEqual(["PRECONDITION", "PRECONDITION"]);
    expect(await store.head("other")).toBeUndefined();
  });

  it("I2: a copy is of the version that is asked for, also when another comes just before it is made", async () => {
    const { token } = await store.put("x", upload("hello"), ABSENT);
    let sent = 0;
    const swapping: Requests = {
      ...straight,
      async send(body, options) {
        const answer = await straight.send(body, options);
        sent += 1;
        if (sent === 1) await client.getBlockBlobClient("x").upload("HELLO", 5);
        return answer;
      },
    };
    const late = await azureStore(config, swapping);
    const from = { bucket: store.address, name: "x", token };
    expect(await codeThrown(async () => late.copy?.(from, "y", upload("hello")))).toBe("PRECONDITION");
    expect(await store.head("y")).toBeUndefined();
  });

  it("copies from another container of the account", async () => {
    const { token } = await store.put("x", upload("hello"), ABSENT);
    const other = await azurite.container();
    const to = await opened({ container: other.store.container });
    expect(to.provider).toBe(store.provider);
    await to.copy?.({ bucket: store.address, name: "x", token }, "y", upload("hello"));
    expect(await textOf(to, "y")).toBe("hello");
  });

  it("S1: a copy of what is not proven is not proven", async () => {
    await client.getBlockBlobClient("x").upload("hello", 5);
    const token = (await store.head("x"))?.token ?? "";
    const copied = await store.copy?.({ bucket: store.address, name: "x", token }, "y", upload("hello"));
    expect(copied?.sha256).toBeUndefined();
    expect((await store.head("y"))?.sha256).toBeUndefined();
  });

  it("says what a server does not do, so that the bytes are sent instead", async () => {
    const small = await opened({}, { copy: 2 });
    const { token } = await small.put("x", upload("hello"), ABSENT);
    const from = { bucket: small.address, name: "x", token };
    expect(await codeThrown(async () => small.copy?.(from, "y", upload("hello")))).toBe("STORE_REFUSED");
    expect(await small.head("y")).toBeUndefined();
  });

  it("lists more than one page, every name once, and nothing outside the prefix", async () => {
    const wanted = Array.from({ length: 120 }, (_, index) => `p/${index}`);
    const body = Buffer.from("1");
    for (let at = 0; at < wanted.length; at += 100) {
      await Promise.all(wanted.slice(at, at + 100).map((name) => client.getBlockBlobClient(name).upload(body, 1)));
    }
    await client.getBlockBlobClient("q").upload(body, 1);
    const pages = await collect((await opened({}, { page: 50 })).list("p/"));
    expect(pages.map(({ length }) => length)).toEqual([50, 50, 20]);
    expect(
      pages
        .flat()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(wanted.sort());
  });

  it("S15: refuses names that the service takes for others", async () => {
    for (const name of ["a\\b", "a.", "a./b", "...", "new\nline", "x".repeat(1025)]) {
      expect(await codeThrown(() => store.put(name, upload("1"), ABSENT))).toBe("UNSUPPORTED_NAME");
      expect(await codeThrown(() => store.remove(name, "0x1"))).toBe("UNSUPPORTED_NAME");
      expect(await codeThrown(() => store.discard(name))).toBe("UNSUPPORTED_NAME");
    }
  });

  it("writes into the tier that is asked for, and says how an archived blob comes back", async () => {
    const cool = await opened({ storageClass: "Cool" });
    const put = await cool.put("cool", upload("1"), ABSENT);
    expect([put.storageClass, (await store.head("cool"))?.storageClass]).toEqual(["Cool", "Cool"]);
    await store.put("it's.jpg", upload("1"), ABSENT);
    await client.getBlobClient("it's.jpg").setAccessTier("Archive");
    const archived = await store.head("it's.jpg");
    expect(archived?.storageClass).toBe("Archive");
    expect(archived?.archived).toContain(`--name 'it'\\''s.jpg' --tier Hot`);
    expect(await codeThrown(() => collect(store.read("it's.jpg", {})))).toBe("ARCHIVED");
  });

  it("reads index tags", async () => {
    await store.put("x", upload("1"), ABSENT);
    await client.getBlobClient("x").setTags({ stars: "5", look: "sea" });
    expect((await store.tags?.("x"))?.sort()).toEqual(["look=sea", "stars=5"]);
  });

  it("I5: a container that is not there is an error for every question", async () => {
    await client.delete();
    const { store: gone } = { store };
    const questions = [
      () => gone.head("x"),
      () => collect(gone.list("")),
      () => collect(gone.read("x", {})),
      () => gone.put("x", upload("1"), ABSENT),
      () => gone.put("x", upload("1", { parts: true }), ABSENT),
      () => gone.remove("x", "0x1"),
      () => gone.discard("x"),
      () => gone.versioned(),
    ];
    for (const question of questions) expect(await codeThrown(question)).toBe("UNAVAILABLE");
  });

  it("says that access is denied, without the secret", async () => {
    const accountKey = randomBytes(32).toString("base64");
    const sasToken = "sv=2025-05-05&ss=b&srt=sco&sp=r&se=2030-01-01T00:00:00Z&spr=https,http&sig=c2VjcmV0";
    for (const credentials of [{ accountKey }, { sasToken }]) {
      const denied = await opened({ credentials });
      const error = await denied.head("x").catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "ACCESS_DENIED", hint: expect.stringMatching(/\w/) });
      expect(`${error} ${JSON.stringify(error)}`).not.toContain("c2VjcmV0");
      expect(`${error} ${JSON.stringify(error)}`).not.toContain(accountKey);
      expect(denied.address).not.toContain("sig");
    }
  });

  it("a server that does not answer is unavailable", async () => {
    const nowhere = await opened({ endpoint: "http://127.0.0.1:1/account" });
    expect(await codeThrown(() => nowhere.head("x"))).toBe("UNAVAILABLE");
  });

  it("works with a connection string, and with a SAS for the container", async () => {
    const connectionString = `DefaultEndpointsProtocol=http;AccountName=${azurite.account};AccountKey=${azurite.accountKey};BlobEndpoint=${azurite.endpoint};`;
    const { account: _, endpoint: __, ...bare } = config;
    const byString = await azureStore(
      { ...bare, credentials: { connectionString } },
      openRequests("azure", { retries: 0, concurrency: 8 }),
    );
    const { token } = await byString.put("x", upload("hello"), ABSENT);
    const { ContainerSASPermissions } = await import("@azure/storage-blob");
    const url = await client.generateSasUrl({
      permissions: ContainerSASPermissions.parse("rcwdl"),
      expiresOn: new Date(Date.now() + 60_000),
    });
    const bySas = await opened({ credentials: { sasToken: new URL(url).search } });
    expect(await textOf(bySas, "x")).toBe("hello");
    expect(bySas.address).toBe(byString.address);
    await bySas.copy?.({ bucket: bySas.address, name: "x", token }, "y", upload("hello"));
    expect(await names(bySas)).toEqual(["x", "y"]);
    expect(await codeThrown(async () => bySas.presign?.("x", { method: "GET", expires: 1000 }))).toBe("UNSUPPORTED");
  });

  it("a connection string that can not be understood is not quoted", async () => {
    const error = await opened({ credentials: { connectionString: "AccountKey=topsecret" } }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "ACCESS_DENIED" });
    expect(`${error} ${(error as Error).cause}`).not.toContain("topsecret");
  });

  it("makes links that read and create, and that expire", async () => {
    await store.put("dir/ü x", upload("hello"), ABSENT);
    const reading = (await store.presign?.("dir/ü x", { method: "GET", expires: 2000 })) ?? "";
    expect(await (await fetch(reading)).text()).toBe("hello");
    expect((await fetch(reading, { method: "DELETE" })).status).toBe(403);
    const writing = (await store.presign?.("new", { method: "PUT", expires: 60_000 })) ?? "";
    const send = () => fetch(writing, { method: "PUT", body: "1", headers: { "x-ms-blob-type": "BlockBlob" } });
    expect((await send()).status).toBe(201);
    expect(await textOf(store, "new")).toBe("1");
    expect((await send()).status).toBeGreaterThanOrEqual(400);
    await sleep(2500);
    expect((await fetch(reading)).status).toBe(403);
  });

  it("stops when it is told to", async () => {
    const bytes = randomBytes(3 << 20);
    await store.put("x", upload(bytes), ABSENT);
    const controller = new AbortController();
    const reading = async () => {
      for await (const _ of store.read("x", { signal: controller.signal })) controller.abort();
    };
    expect(await codeThrown(reading)).toBe("ABORTED");
    expect(await codeThrown(() => store.head("x", AbortSignal.abort()))).toBe("ABORTED");
  });
});
