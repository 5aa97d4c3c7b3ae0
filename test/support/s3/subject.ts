import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { type BucketOptions, bucketBackend } from "../../../src/backend/bucket.js";
import { openRequests, type Requests } from "../../../src/backend/requests.js";
import type { Limits } from "../../../src/backend/s3/session.js";
import { s3Store } from "../../../src/backend/s3.js";
import type { ObjectStore } from "../../../src/backend/store.js";
import type { S3Store } from "../../../src/config/config.js";
import type { Subject } from "../../../src/testing/index.js";
import { clientOf, dropBucket, makeBucket, REGION, type S3Server } from "./server.js";

export const PREFIX = "some/where/";

export interface Options extends Partial<BucketOptions> {
  versioned?: boolean;
  limits?: Partial<Limits>;
  store?: Partial<S3Store>;
  retries?: number;
}

/** A bucket of one's own, its store, and another program's view of it. */
export interface World {
  client: S3Client;
  bucket: string;
  store: ObjectStore;
  requests: Requests;
  config: S3Store;
  dispose(): Promise<void>;
}

export async function openWorld(server: S3Server, options: Options = {}): Promise<World> {
  const client = await clientOf(server);
  const bucket = await makeBucket(client, { versioned: options.versioned ?? false });
  const requests = openRequests("there", { retries: options.retries ?? 2, concurrency: 16 });
  const { endpoint, ...credentials } = server;
  const config: S3Store = {
    ...{ type: "s3", bucket, prefix: PREFIX, endpoint, region: REGION, forcePathStyle: true, credentials },
    ...options.store,
  };
  const store = await s3Store(config, requests, { remembered: 0, busy: 1, ...options.limits });
  return {
    ...{ client, bucket, store, requests, config },
    async dispose() {
      await store.close();
      await dropBucket(client, bucket);
      client.destroy();
    },
  };
}

/** No part but the last may be smaller, says S3. */
const PART = 5 << 20;
const PAGE = 100;

/** For the conformance suite. */
export async function s3Subject(server: S3Server, options: Options & { removes?: boolean } = {}): Promise<Subject> {
  const limits = { single: PART, part: PART, page: PAGE, ...options.limits };
  const { client, bucket, store, requests, dispose } = await openWorld(server, { ...options, limits });
  const backend = bucketBackend("there", PREFIX, store, requests, { allowUnconditionalDelete: false, ...options });
  return {
    backend,
    overwrite: async (key, bytes) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: PREFIX + key, Body: bytes }));
    },
    unplug: () => dropBucket(client, bucket),
    presign: { headers: { "If-None-Match": "*" } },
    ...{ large: 2 * PART + 1, page: PAGE },
    removes: options.removes ?? true,
    dispose,
  };
}
