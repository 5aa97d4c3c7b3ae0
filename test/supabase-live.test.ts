import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { openRequests } from "../src/backend/requests.js";
import { supabaseStore } from "../src/backend/supabase.js";
import { describeBackend, type Subject } from "../src/testing/index.js";
import { sourceOf } from "../src/testing/subject.js";

/** Writes and removes below prefixes of its own, in a bucket that somebody has set up for this; see docs/backends/supabase.md. */
const url = process.env["STOWAGE_TEST_SUPABASE_URL"] ?? "";
const key = process.env["STOWAGE_TEST_SUPABASE_KEY"] ?? "";
const bucket = process.env["STOWAGE_TEST_SUPABASE_BUCKET"] ?? "";
const NAME = "Supabase Storage, live";

async function open(): Promise<Subject> {
  const prefix = `stowage-test-${randomUUID()}/`;
  const requests = openRequests("live", { retries: 8, concurrency: 8 });
  const store = await supabaseStore({ type: "supabase", url, bucket, prefix, key }, requests);
  return {
    backend: bucketBackend("live", prefix, store, requests, { allowUnconditionalDelete: true }),
    overwrite: async (name, bytes) => {
      const { sha256, size, bytes: read } = sourceOf(bytes);
      const metadata = { "stowage-upload": randomUUID() };
      await store.discard(prefix + name);
      await store.put(prefix + name, { sha256, size, metadata, bytes: read }, { absent: true });
    },
    refuses: (name) => !/^[\w/!\-.*'() &$@=;:+,?]+$/.test(name),
    large: 13_000_001,
    presign: { expires: 7_200_000 },
    dispose: async () => {
      for await (const page of store.list(prefix)) for (const { name } of page) await store.discard(name);
    },
  };
}

if (url === "" || key === "" || bucket === "") {
  console.warn(
    "Supabase Storage: tested against the fake only. STOWAGE_TEST_SUPABASE_URL, _KEY and _BUCKET name a real bucket.",
  );
  describe.skip(`${NAME}: set STOWAGE_TEST_SUPABASE_URL, _KEY and _BUCKET`, () => {
    it("is not tried");
  });
} else {
  await describeBackend(NAME, open);
  describe(NAME, () => {
    it("is known to remove and replace without conditions", { timeout: 120_000 }, async () => {
      const { backend, dispose } = await open();
      const verdicts = (await backend.probe?.())?.store;
      await dispose?.();
      expect(verdicts).toMatchObject({ createOnly: true, listAfterWrite: true, conditionalRemove: false });
    });
  });
}
