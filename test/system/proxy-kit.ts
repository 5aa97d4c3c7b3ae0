import type { S3Client } from "@aws-sdk/client-s3";
import type { Backend, StoreFeatures, WriteSource } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { openRequests, type RequestsOptions } from "../../src/backend/requests.js";
import type { Limits } from "../../src/backend/s3/session.js";
import { s3Store } from "../../src/backend/s3.js";
import { codeOf } from "../../src/lib/error.js";
import { collect } from "../../src/lib/iter.js";
import { sha256Hex } from "../../src/lib/json.js";
import { type FaultProxy, openProxy } from "../support/proxy.js";
import { clientOf, dropBucket, makeBucket, REGION, type S3Server } from "../support/s3/server.js";

/** A bucket whose verdicts are known. */
export interface World {
  /** Another program. */
  client: S3Client;
  bucket: string;
  /** A location of its own in the bucket, with a way to it that can break. */
  place(): Promise<Place>;
  dispose(): Promise<void>;
}

export interface Place {
  prefix: string;
  proxy: FaultProxy;
  /** The location without faults: the witness. */
  direct: Backend;
  /** Through the proxy; as new, so that nothing is remembered. */
  through(options?: Partial<RequestsOptions>): Promise<Backend>;
  close(): Promise<void>;
}

export interface WorldOptions {
  versioned?: boolean;
  limits?: Partial<Limits>;
}

export async function openWorld(server: S3Server, { versioned = false, limits }: WorldOptions = {}): Promise<World> {
  const client = await clientOf(server);
  const bucket = await makeBucket(client, { versioned });
  const { accessKeyId, secretAccessKey } = server;
  const config = { region: REGION, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } };
  let verdicts: StoreFeatures | undefined;
  let places = 0;

  async function open(endpoint: string, prefix: string, requesting: Partial<RequestsOptions>): Promise<Backend> {
    const requests = openRequests("there", { retries: 5, concurrency: 16, ...requesting });
    const store = await s3Store({ type: "s3", bucket, prefix, endpoint, ...config }, requests, limits);
    const options = { allowUnconditionalDelete: true, ...(verdicts && { verdicts }) };
    return bucketBackend("there", prefix, store, requests, options);
  }
  const prober = await open(server.endpoint, "probe/", {});
  verdicts = (await prober.probe?.())?.store;
  await prober.close();

  return {
    ...{ client, bucket },
    async place() {
      const prefix = `place ${++places}/`;
      const proxy = await openProxy(server.endpoint);
      const opened = [await open(server.endpoint, prefix, {})];
      return {
        ...{ prefix, proxy, direct: opened[0] as Backend },
        async through(requesting = {}) {
          const backend = await open(proxy.url, prefix, requesting);
          opened.push(backend);
          return backend;
        },
        async close() {
          for (const backend of opened) await backend.close();
          await proxy.close();
        },
      };
    },
    async dispose() {
      await dropBucket(client, bucket);
      client.destroy();
    },
  };
}

export function sourceOf(bytes: Buffer): WriteSource {
  return {
    ...{ sha256: sha256Hex(bytes), size: bytes.length, mtime: 1_700_000_000_123_456_789n, run: "run" },
    async *bytes() {
      for (let start = 0; start < bytes.length; start += 1 << 16) yield bytes.subarray(start, start + (1 << 16));
    },
  };
}

export async function readAll(backend: Backend, key: string, version?: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const options = version === undefined ? {} : { version };
  for await (const piece of backend.read(key, options)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** The hash of what lies there, or undefined. */
export async function hashAt(backend: Backend, key: string): Promise<string | undefined> {
  return (await backend.stat(key)) && sha256Hex(await readAll(backend, key));
}

export const keysOf = async (backend: Backend): Promise<string[]> =>
  (await collect(backend.list())).map(({ key }) => key).sort();

/** "ok", or the code of the error. */
export const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "ok",
    (error: unknown) => codeOf(error) ?? String(error),
  );

/** Bytes that are never the same for two names. */
export const bytesOf = (name: string, size: number): Buffer =>
  Buffer.from(sha256Hex(name).repeat(Math.ceil(size / 64))).subarray(0, size);

export async function each(count: number, atOnce: number, body: (n: number) => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n).values();
  const work = async () => {
    for (const n of numbers) await body(n);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
