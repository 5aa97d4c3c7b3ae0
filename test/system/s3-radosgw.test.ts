import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterEach, describe, expect, inject, it } from "vitest";
import type { Backend, Entry } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { codeOf } from "../../src/lib/error.js";
import { collect } from "../../src/lib/iter.js";
import { sha256Hex } from "../../src/lib/json.js";
import { dropBucket, type S3Server } from "../support/s3/server.js";
import { type Options, openWorld, PREFIX, type World } from "../support/s3/subject.js";
import { bytesOf, namesOf, noise, textOf, uploadOf } from "../support/s3/upload.js";

const server = inject("radosgw");
const worlds: World[] = [];
const directories: string[] = [];

async function world(options: Options = {}): Promise<World & { backend: Backend }> {
  if (!server) throw new Error("no radosgw");
  const opened = await openWorld(server, options);
  worlds.push(opened);
  const { store, requests } = opened;
  const given = { allowUnconditionalDelete: false, ...options };
  return { ...opened, backend: bucketBackend("there", PREFIX, store, requests, given) };
}

afterEach(async () => {
  for (const each of worlds.splice(0)) await each.dispose();
  for (const each of directories.splice(0)) rmSync(each, { recursive: true, force: true });
}, 120_000);

const refusal = async (body: Promise<unknown> | undefined): Promise<string | undefined> =>
  await Promise.resolve(body).then(
    () => "no error",
    (error: unknown) => codeOf(error),
  );

describe.skipIf(!server)("S3, radosgw", () => {
  it.each([
    { versioned: false, conditionalRemove: false, createOnlyParts: false, conditionalCopy: false },
    // What lies below is looked at, and what should not have been written is taken back.
    { versioned: true, conditionalRemove: true, createOnlyParts: true, conditionalCopy: true },
  ])("probing sees what this server is known to honour (versioned: $versioned)", async (expected) => {
    const { backend, store } = await world({ versioned: expected.versioned });
    const { store: verdicts } = (await backend.probe?.()) ?? {};
    const always = { createOnly: true, oneWinner: true, conditionalReplace: true, conditionalRead: true };
    expect(verdicts).toEqual({ ...always, listAfterWrite: true, checksums: false, ...expected });
    expect(await namesOf(store)).toEqual([]);
  });

  it("I2: removes nothing where the server does not honour conditions", async () => {
    const { backend, store } = await world();
    const entry = await backend.write("x", sourceOf("1"));
    const options = { version: entry.version, run: "r", trash: false, confirm: async () => undefined };
    expect(await refusal(backend.remove("x", options))).toBe("APPEND_ONLY");
    expect(await textOf(store, `${PREFIX}x`)).toBe("1");
  });

  it("sends large objects in parts and as one stream, and reads any range of them", async () => {
    const { store } = await world({ limits: { single: 6 << 20, part: 5 << 20, memory: 10 << 20 } });
    const bytes = noise((17 << 20) + 12_345);
    const parts = await store.put("parts", uploadOf(bytes), { absent: true });
    const one = await store.put("one", uploadOf(bytes, { safeParts: false }), { absent: true });
    expect(parts.token).toMatch(/-4$/);
    expect(one.token).not.toContain("-");
    for (const { name, token } of [parts, one]) {
      expect((await bytesOf(store, name, token)).equals(bytes)).toBe(true);
      expect((await bytesOf(store, name, token, 11 << 20)).equals(bytes.subarray(11 << 20))).toBe(true);
      expect((await store.head(name))?.token).toBe(token);
    }
  });

  it("lends links that work", async () => {
    const { store } = await world();
    await store.put("a ü+b", uploadOf("1"), { absent: true });
    const get = await store.presign?.("a ü+b", { method: "GET", expires: 60_000 });
    expect(await (await fetch(get ?? "")).text()).toBe("1");
    const put = (await store.presign?.("new", { method: "PUT", expires: 60_000 })) ?? "";
    const send = (headers: Record<string, string>) => fetch(put, { method: "PUT", headers, body: "2" });
    expect((await send({})).status).toBe(403);
    expect((await send({ "If-None-Match": "*" })).status).toBe(200);
    expect((await send({ "If-None-Match": "*" })).status).toBe(412);
    const brief = (await store.presign?.("a ü+b", { method: "GET", expires: 1_000 })) ?? "";
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await fetch(brief)).status).toBe(403);
  });

  it("I5: says that a bucket has gone, whatever is asked", async () => {
    const { store, client, bucket } = await world();
    await store.put("x", uploadOf("1"), { absent: true });
    await dropBucket(client, bucket);
    const asking = [store.head("x"), namesOf(store), textOf(store, "x"), store.remove("x", "0"), store.tags?.("x")];
    expect(await Promise.all(asking.map(refusal))).toEqual(asking.map(() => "UNAVAILABLE"));
  });

  it.each([
    { name: "an unknown key", credentials: { accessKeyId: "nobody", secretAccessKey: "no-secret" } },
    { name: "a wrong secret", credentials: { accessKeyId: "stowageaccess", secretAccessKey: "no-secret" } },
  ])("says that access is denied to $name, and keeps the secret", async ({ credentials }) => {
    const { store } = await world({ store: { credentials } });
    const caught = (body: Promise<unknown>) => body.catch((error: unknown) => error);
    const asking = [store.head("x"), namesOf(store), store.put("x", uploadOf("1"), { absent: true })];
    for (const error of await Promise.all(asking.map(caught))) {
      expect(codeOf(error)).toBe("ACCESS_DENIED");
      expect(String(error)).not.toContain("no-secret");
    }
  });

  it("lists names of every kind, foreign ones too, in both kinds of bucket", async () => {
    const names = ["a//b", "dir/", "./x", "new\nline", "ctrl\u0001", "a b+c%20&<d>", "ü", "u\u0308", "😀", "\uffee"];
    for (const versioned of [false, true]) {
      const { store, client, bucket } = await world({ versioned });
      for (const Key of names) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "1" }));
      expect(await namesOf(store)).toEqual(names.toSorted());
    }
  });

  it("lists thousands of objects once each, in parallel pieces", async () => {
    const { store, client, bucket } = await world();
    const names = Array.from({ length: 2_500 }, (_, index) => `d${index % 7}/${String(index).padStart(5, "0")}`);
    const next = names.values();
    const work = async () => {
      for (const Key of next) await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "" }));
    };
    await Promise.all(Array.from({ length: 16 }, work));
    expect(await namesOf(store)).toEqual(names.toSorted());
  });
});

const hasRclone = (() => {
  try {
    execFileSync("rclone", ["version"], { env: withoutBundle(), stdio: "ignore" });
    return true;
  } catch {
    // That is the answer.
    return false;
  }
})();

/** rclone 1.60 does not start with this set. */
function withoutBundle(): NodeJS.ProcessEnv {
  const { AWS_CA_BUNDLE: _, ...env } = process.env;
  return env;
}

function scratch(): string {
  const made = mkdtempSync(join(tmpdir(), "stowage-rclone-"));
  directories.push(made);
  return made;
}

function rclone({ endpoint, accessKeyId, secretAccessKey }: S3Server) {
  const env = {
    ...{ RCLONE_CONFIG_CEPH_TYPE: "s3", RCLONE_CONFIG_CEPH_PROVIDER: "Ceph", RCLONE_CONFIG_CEPH_ENDPOINT: endpoint },
    ...{ RCLONE_CONFIG_CEPH_ACCESS_KEY_ID: accessKeyId, RCLONE_CONFIG_CEPH_SECRET_ACCESS_KEY: secretAccessKey },
    ...{ ...withoutBundle(), RCLONE_CONFIG: "/dev/null" },
  };
  return async (...args: string[]) => await promisify(execFile)("rclone", args, { env });
}

const FILES = [
  { key: "a.txt", size: 10, mtime: 1_700_000_000_123_456_789n },
  { key: "dir/ü b+c.bin", size: 300_000, mtime: 1_600_000_000_000_000_000n },
  { key: "dir/deep/empty", size: 0, mtime: 946_684_800_000_000_000n },
  { key: "large.bin", size: 12 << 20, mtime: 1_234_567_890_500_000_000n },
];

describe.skipIf(!server || !hasRclone)("S3, radosgw and rclone", () => {
  it("rclone reads what stowage wrote: no difference in any byte, the same times", async () => {
    const { backend, bucket } = await world({ limits: { single: 6 << 20, part: 5 << 20 } });
    const root = scratch();
    for (const { key, size, mtime } of FILES) {
      const bytes = noise(size);
      mkdirSync(dirname(join(root, key)), { recursive: true });
      writeFileSync(join(root, key), bytes);
      await backend.write(key, sourceOf(bytes, mtime));
    }
    const run = rclone(server as S3Server);
    const { stderr } = await run("check", "--download", root, `ceph:${bucket}/${PREFIX}`);
    expect(stderr).toContain("0 differences found");
    expect(stderr).toContain(`${FILES.length} matching files`);
    const { stdout } = await run("lsjson", "-R", "--files-only", `ceph:${bucket}/${PREFIX}`);
    const told = (JSON.parse(stdout) as { Path: string; ModTime: string }[]).map(({ Path, ModTime }) => [
      Path,
      nanoseconds(ModTime),
    ]);
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(FILES.map(({ key, mtime }) => [key, mtime])));
  });

  it("stowage reads what rclone wrote, and knows its times", async () => {
    const { backend, bucket } = await world();
    const root = scratch();
    for (const { key, size } of FILES) {
      mkdirSync(dirname(join(root, key)), { recursive: true });
      writeFileSync(join(root, key), noise(size));
      utimesSync(join(root, key), 1_500_000_000.25, 1_500_000_000.25);
    }
    await rclone(server as S3Server)(
      "copy",
      "--s3-upload-cutoff",
      "6M",
      "--s3-chunk-size",
      "5M",
      root,
      `ceph:${bucket}/${PREFIX}`,
    );
    const listed: Entry[] = await collect(backend.list());
    expect(listed.map(({ key }) => key).sort()).toEqual(FILES.map(({ key }) => key).sort());
    for (const { key } of FILES) {
      const entry = await backend.stat(key);
      expect(entry?.mtime).toBe(statSync(join(root, key), { bigint: true }).mtimeNs);
      expect(entry?.sha256).toBeUndefined();
      const pieces = await collect(copies(backend.read(key, { version: entry?.version ?? "" })));
      expect(Buffer.concat(pieces).equals(readFileSync(join(root, key)))).toBe(true);
    }
  });
});

async function* copies(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of bytes) yield Buffer.from(piece);
}

function nanoseconds(text: string): bigint {
  const [, fraction = ""] = /\.(\d+)/.exec(text) ?? [];
  return BigInt(Math.floor(Date.parse(text) / 1000)) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0") || 0);
}

function sourceOf(content: string | Buffer, mtime = 0n) {
  const bytes = Buffer.from(content);
  return {
    ...{ sha256: sha256Hex(bytes), size: bytes.length, mtime },
    async *bytes() {
      for (let at = 0; at < bytes.length; at += 1 << 18) yield bytes.subarray(at, at + (1 << 18));
    },
  };
}
