import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../src/backend/backend.js";
import { removesSafely } from "../src/backend/backend.js";
import { bucketBackend } from "../src/backend/bucket.js";
import { type GcsOptions, gcsStore } from "../src/backend/gcs.js";
import { collect } from "../src/lib/iter.js";
import { describeBackend, type Subject } from "../src/testing/index.js";
import { type Defect, type FakeGcs, fakeGcs } from "./support/gcs/fake.js";
import { requests } from "./support/gcs/location.js";
import { publish } from "./support/gcs/objects.js";
import { testKey, writeKeyFile } from "./support/gcs/signed.js";

const key = testKey();
const folder = mkdtempSync(join(tmpdir(), "stowage-gcs-backend-"));
const credentialsPath = writeKeyFile(join(folder, "key.json"), key);
let fake: FakeGcs;
let count = 0;
const PAGE = 100;
beforeAll(async () => {
  fake = await fakeGcs({ pageSize: PAGE, key });
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true });
});

interface Opening extends GcsOptions {
  prefix?: string;
  versioning?: boolean;
  defects?: Defect[];
  /** A size that takes several parts. */
  large?: number;
}

/** A bucket of its own for each, opened as a location. */
async function open({
  prefix = "",
  versioning = false,
  defects = [],
  large = 0,
  ...options
}: Opening = {}): Promise<Subject> {
  const name = `bucket-${++count}`;
  const bucket = fake.bucket(name, { versioning });
  fake.defects.clear();
  for (const defect of defects) fake.defects.add(defect);
  const sending = requests(2);
  const store = await gcsStore(
    { type: "gcs", bucket: name, prefix, endpoint: fake.endpoint, credentialsPath },
    sending,
    options,
  );
  return {
    backend: bucketBackend("there", prefix, store, sending, { allowUnconditionalDelete: false }),
    overwrite: async (key, bytes) => {
      publish(bucket, { name: prefix + key, metadata: {}, contentType: "x" }, Buffer.from(bytes), {});
    },
    presign: { headers: { "x-goog-if-generation-match": "0" } },
    ...{ large, page: PAGE },
    refuses: (key) => /[\r\n]/.test(key),
    unplug: async () => void fake.buckets.delete(name),
    dispose: async () => void fake.buckets.delete(name),
  };
}

await describeBackend("Google Cloud Storage (fake)", () => open({ large: 9_000_001, part: 1 << 20 }));
await describeBackend("Google Cloud Storage (fake), versioned, under a prefix, in parts", () =>
  open({ prefix: "some/where/", versioning: true, threshold: 0, part: 262_144, large: 700_001 }),
);

describe("what probing sees of Google Cloud Storage (fake)", () => {
  const probe = async (opening: Opening) => {
    const { backend } = await open(opening);
    const features = await backend.probe?.();
    return { backend, verdicts: features?.store };
  };
  const honest = {
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
  };

  it("all is honoured, and nothing is left behind", async () => {
    expect((await probe({})).verdicts).toEqual(honest);
    expect((await probe({ versioning: true })).verdicts).toEqual({ ...honest, versioned: true });
    for (const { live } of fake.buckets.values()) expect([...live.keys()]).toEqual([]);
  });

  it.each<{ defect: Defect; verdict: keyof typeof honest }>([
    { defect: "ignores conditions on create", verdict: "createOnly" },
    { defect: "ignores conditions on create", verdict: "oneWinner" },
    { defect: "ignores conditions on replace", verdict: "conditionalReplace" },
    { defect: "ignores conditions on remove", verdict: "conditionalRemove" },
    { defect: "ignores conditions on read", verdict: "conditionalRead" },
    { defect: "ignores conditions on resumable uploads", verdict: "createOnlyParts" },
    { defect: "ignores conditions on copy", verdict: "conditionalCopy" },
    { defect: "ignores checksums", verdict: "checksums" },
    { defect: "lists late", verdict: "listAfterWrite" },
  ])("one that $defect fails $verdict", async ({ defect, verdict }) => {
    const { verdicts } = await probe({ defects: [defect] });
    expect(verdicts?.[verdict]).toBe(false);
  });

  it("one that ignores conditions on removals is append-only (S10, I2)", async () => {
    const { backend, verdicts } = await probe({ defects: ["ignores conditions on remove"] });
    expect(verdicts && removesSafely(verdicts)).toBe(false);
    const entry = await write(backend, "a", "1");
    const removing = backend.remove("a", { version: entry.version, run: "r", trash: false, confirm: async () => {} });
    await expect(removing).rejects.toMatchObject({ code: "APPEND_ONLY" });
    expect((await collect(backend.list())).map(({ key }) => key)).toEqual(["a"]);
  });
});

async function write(backend: Backend, key: string, text: string) {
  const { sha256Hex } = await import("../src/lib/json.js");
  const bytes = Buffer.from(text);
  return backend.write(key, {
    sha256: sha256Hex(bytes),
    size: bytes.length,
    mtime: 1n,
    async *bytes() {
      yield bytes;
    },
  });
}
