import { afterAll, beforeAll } from "vitest";
import { bucketBackend } from "../../src/backend/bucket.js";
import { supabaseStore } from "../../src/backend/supabase.js";
import { describeBackend, type Subject, straight } from "../../src/testing/index.js";
import { type FakeSupabase, fakeSupabase } from "../support/supabase/fake.js";
import { store as put } from "../support/supabase/objects.js";

let fake: FakeSupabase;
beforeAll(async () => {
  fake = await fakeSupabase();
});
afterAll(() => fake.close());

/** A location below a prefix. Its owner allows removals without conditions, for there are no others. */
async function open(): Promise<Subject> {
  const bucket = `b${fake.buckets.size}`;
  const objects = new Map();
  fake.buckets.set(bucket, objects);
  const store = await supabaseStore(
    { type: "supabase", url: fake.url, bucket, prefix: "in/", key: fake.key },
    straight,
  );
  return {
    backend: bucketBackend("supabase", "in/", store, straight, { allowUnconditionalDelete: true }),
    overwrite: async (key, bytes) => put(objects, `in/${key}`, Buffer.from(bytes), {}),
    refuses: (key) => !/^[\w/!\-.*'() &$@=;:+,?]+$/.test(key),
    large: (2 << 20) + 5,
    presign: { expires: 7_200_000 },
    unplug: async () => void fake.buckets.delete(bucket),
  };
}

await describeBackend("supabase on the Supabase fake", open);
