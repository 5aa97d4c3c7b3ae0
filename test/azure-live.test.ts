import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { azureStore } from "../src/backend/azure.js";
import { bucketBackend } from "../src/backend/bucket.js";
import { openRequests } from "../src/backend/requests.js";
import type { AzureStore } from "../src/config/config.js";
import { describeBackend, type Subject } from "../src/testing/index.js";

/** Writes and removes below prefixes of its own, in a container that somebody has set up for this; see docs/backends/azure.md. */
const connectionString = process.env["STOWAGE_TEST_AZURE_CONNECTION_STRING"] ?? "";
const container = process.env["STOWAGE_TEST_AZURE_CONTAINER"] ?? "";
const NAME = "Azure Blob Storage, live";

async function open(): Promise<Subject> {
  const prefix = `stowage-test-${randomUUID()}/`;
  const location: AzureStore = { type: "azure", container, prefix, credentials: { connectionString } };
  const requests = openRequests("live", { retries: 8, concurrency: 8 });
  const store = await azureStore(location, requests);
  const { BlobServiceClient } = await import("@azure/storage-blob");
  const client = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(container);
  return {
    backend: bucketBackend("live", prefix, store, requests, { allowUnconditionalDelete: false }),
    overwrite: async (key, bytes) =>
      void (await client.getBlockBlobClient(prefix + key).upload(Buffer.from(bytes), bytes.length)),
    refuses: (key) => /[\\\p{Cc}]|\.(\/|$)/u.test(key),
    large: 20_000_001,
    presign: { headers: { "x-ms-blob-type": "BlockBlob" } },
    dispose: async () => {
      for await (const page of store.list(prefix)) for (const { name } of page) await store.discard(name);
    },
  };
}

if (connectionString === "" || container === "") {
  console.warn(
    "Azure Blob Storage: tested on Azurite only. STOWAGE_TEST_AZURE_CONNECTION_STRING and STOWAGE_TEST_AZURE_CONTAINER name a real container.",
  );
  describe.skip(`${NAME}: set STOWAGE_TEST_AZURE_CONNECTION_STRING and STOWAGE_TEST_AZURE_CONTAINER`, () => {
    it("is not tried");
  });
} else {
  await describeBackend(NAME, open);
  describe(NAME, () => {
    it("honours everything that stowage relies on", { timeout: 120_000 }, async () => {
      const { backend, dispose } = await open();
      const verdicts = (await backend.probe?.())?.store;
      await dispose?.();
      expect({ ...verdicts, versioned: false }).toEqual({
        createOnly: true,
        createOnlyParts: true,
        oneWinner: true,
        conditionalReplace: true,
        conditionalRemove: true,
        conditionalRead: true,
        listAfterWrite: true,
        conditionalCopy: true,
        checksums: true,
        versioned: false,
      });
    });
  });
}
