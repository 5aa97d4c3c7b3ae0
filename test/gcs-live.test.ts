import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { type GcsOptions, gcsStore } from "../src/backend/gcs.js";
import { openRequests } from "../src/backend/requests.js";
import type { ObjectStore } from "../src/backend/store.js";
import type { GcsStore } from "../src/config/config.js";
import { describeBackend, type Subject } from "../src/testing/index.js";
import { uploadOf } from "./support/gcs/location.js";

/** Writes and removes below a prefix of its own, in a bucket that somebody has set up for this; see docs/backends/gcs.md. */
const bucket = process.env["STOWAGE_TEST_GCS_BUCKET"] ?? "";
const credentialsPath = process.env["STOWAGE_TEST_GCS_CREDENTIALS"];
const project = process.env["STOWAGE_TEST_GCS_PROJECT"];
const root = `stowage-test-${randomUUID()}/`;

const requests = () => openRequests("live", { retries: 8, concurrency: 8 });
const location = (prefix: string): GcsStore => ({
  type: "gcs",
  bucket,
  prefix,
  ...(credentialsPath && { credentialsPath }),
  ...(project && { project }),
});
const openLive = (options: GcsOptions = {}): Promise<ObjectStore> => gcsStore(location(root), requests(), options);

async function clear(store: ObjectStore, prefix: string): Promise<void> {
  for await (const page of store.list(prefix)) for (const { name } of page) await store.discard(name);
}

async function subject(): Promise<Subject> {
  const prefix = `${root}${randomUUID()}/`;
  const sending = requests();
  const store = await gcsStore(location(prefix), sending);
  return {
    backend: bucketBackend("live", prefix, store, sending, { allowUnconditionalDelete: false }),
    overwrite: async (key, bytes) => {
      await store.discard(prefix + key);
      await store.put(prefix + key, uploadOf(bytes), { absent: true });
    },
    large: 9_000_001,
    ...(credentialsPath && { presign: { headers: { "x-goog-if-generation-match": "0" } } }),
    refuses: (key) => /[\r\n]/.test(key),
    dispose: async () => {
      const again = await openLive();
      await clear(again, prefix);
      await again.close();
    },
  };
}

if (bucket === "") {
  console.warn("Google Cloud Storage: tested against the fake only. STOWAGE_TEST_GCS_BUCKET names a real bucket.");
  describe.skip("Google Cloud Storage, live: set STOWAGE_TEST_GCS_BUCKET to a bucket for tests", () => {
    it("is not tried");
  });
} else {
  afterAll(async () => {
    const store = await openLive();
    await clear(store, root);
    await store.close();
  });
  await describeBackend("Google Cloud Storage, live", subject);
  describe("Google Cloud Storage, live", () => {
    it("honours everything that stowage relies on", async () => {
      const { backend } = await subject();
      const verdicts = (await backend.probe?.())?.store;
      const failed = Object.entries(verdicts ?? { none: false }).filter(
        ([name, verdict]) => !verdict && name !== "versioned",
      );
      expect(failed).toEqual([]);
    }, 120_000);

    it("takes uploads in parts, proves them, and copies them by itself", async () => {
      const store = await openLive({ part: 1 << 20 });
      const bytes = randomBytes(20_000_003);
      const upload = uploadOf(bytes);
      const made = await store.put(`${root}large`, upload, { absent: true });
      expect(made).toEqual(await store.head(`${root}large`));
      expect(made.sha256).toBe(upload.sha256);
      const from = { name: `${root}large`, bucket: store.address, token: made.token };
      const copy = await store.copy?.(from, `${root}copy`, upload);
      expect(copy).toMatchObject({ sha256: upload.sha256, size: bytes.length });
      await expect(store.remove(`${root}large`, copy?.token ?? "")).rejects.toMatchObject({ code: "PRECONDITION" });
      await store.close();
    }, 120_000);
  });
}
