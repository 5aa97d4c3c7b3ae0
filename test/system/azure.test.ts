import { afterAll, beforeAll } from "vitest";
import { azureStore } from "../../src/backend/azure.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import { describeBackend, type Subject, straight } from "../../src/testing/index.js";
import { type Azurite, startAzurite } from "../support/azure/azurite.js";

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.close());

/** A location below a prefix of a container of its own. */
async function open(): Promise<Subject> {
  const { client, store } = await azurite.container();
  const backend = bucketBackend(
    "azure",
    "in/",
    await azureStore(store, straight, { block: 1 << 20, page: 100 }),
    straight,
    {
      allowUnconditionalDelete: false,
    },
  );
  return {
    backend,
    overwrite: async (key, bytes) =>
      void (await client.getBlockBlobClient(`in/${key}`).upload(Buffer.from(bytes), bytes.length)),
    refuses: (key) => /[\\\p{Cc}]|\.(\/|$)/u.test(key),
    large: (2 << 20) + 5,
    page: 100,
    presign: { headers: { "x-ms-blob-type": "BlockBlob" } },
    unplug: async () => void (await client.delete()),
  };
}

await describeBackend("azure on Azurite", open);
