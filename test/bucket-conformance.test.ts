import { bucketBackend } from "../src/backend/bucket.js";
import { describeBackend, type MemoryStoreOptions, memoryStore, type Subject, straight } from "../src/testing/index.js";

async function bucket(options: MemoryStoreOptions, prefix = "a prefix/"): Promise<Subject> {
  const store = memoryStore(options);
  return {
    backend: bucketBackend("there", prefix, store, straight, { allowUnconditionalDelete: false }),
    overwrite: async (key, bytes) => void store.overwrite(prefix + key, bytes),
    unplug: async () => store.unplug(),
  };
}

await describeBackend("a bucket", () => bucket({}));
await describeBackend("a versioned bucket", () => bucket({ versioned: true, listsMetadata: true, hashes: true }, ""));
