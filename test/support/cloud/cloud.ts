import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { startAzurite } from "../azure/azurite.js";
import { fakeGcs } from "../gcs/fake.js";
import { testKey } from "../gcs/signed.js";
import { clientOf, dropBucket, makeBucket, REGION, type S3Server } from "../s3/server.js";
import { fakeSupabase } from "../supabase/fake.js";

/** A provider as somebody writes it into a storage.yaml. */
export interface Cloud {
  /** What the variables in its locations stand for. Secrets among them are named in `secrets`. */
  env: Record<string, string>;
  secrets: string[];
  /** A location in a bucket, or with `versioned` in one that keeps versions; each name has a prefix of its own. */
  location(name: string, more?: string, options?: { versioned?: boolean }): string;
  close(): Promise<void>;
}

/** On a real radosgw, or on what speaks S3 in its place. `removes`: the owner's word that objects may be removed all the same. */
export async function s3Cloud(server: S3Server, { endpoint = server.endpoint } = {}): Promise<Cloud> {
  const client = await clientOf(server);
  const [plain, versioned] = [await makeBucket(client), await makeBucket(client, { versioned: true })];
  return {
    env: { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey },
    secrets: [server.secretAccessKey],
    location: (name, more = "", options = {}) =>
      flow(
        `name: ${name}, type: s3, bucket: ${options.versioned ? versioned : plain}, prefix: ${name}, region: ${REGION}`,
        `endpoint: "${endpoint}", force_path_style: true`,
        more,
      ),
    async close() {
      for (const bucket of [plain, versioned]) await dropBucket(client, bucket);
      client.destroy();
    },
  };
}

export async function azureCloud(): Promise<Cloud> {
  const azurite = await startAzurite();
  const { store } = await azurite.container();
  return {
    env: { AZURE_KEY: azurite.accountKey },
    secrets: [azurite.accountKey],
    location: (name, more) =>
      flow(
        `name: ${name}, type: azure, account: ${azurite.account}, container: ${store.container}, prefix: ${name}`,
        `endpoint: "${azurite.endpoint}", credentials: { account_key: "\${AZURE_KEY}" }`,
        more,
      ),
    close: () => azurite.close(),
  };
}

/** A fake: see `fakeGcs`. `keyFile` is where its service account's key goes. */
export async function gcsFakeCloud(keyFile: string): Promise<Cloud> {
  const key = testKey();
  const fake = await fakeGcs({ key });
  fake.bucket("media");
  writeFileSync(keyFile, key.json, { mode: 0o600 });
  return {
    env: { GCS_KEY_FILE: keyFile },
    secrets: key.json.match(/(?<=KEY-----\\n)[^\\]+/g) ?? [],
    location: (name, more) =>
      flow(
        `name: ${name}, type: gcs, bucket: media, prefix: ${name}, endpoint: "${fake.endpoint}"`,
        'credentials_path: "${GCS_KEY_FILE}"',
        more,
      ),
    close: () => fake.close(),
  };
}

/** A fake: see `fakeSupabase`. */
export async function supabaseFakeCloud(): Promise<Cloud> {
  const fake = await fakeSupabase();
  const bucket = `b-${randomUUID()}`;
  fake.buckets.set(bucket, new Map());
  return {
    env: { SUPABASE_KEY: fake.key },
    secrets: [fake.key],
    location: (name, more) =>
      flow(
        `name: ${name}, type: supabase, url: "${fake.url}", bucket: ${bucket}, prefix: ${name}`,
        'key: "${SUPABASE_KEY}"',
        more,
      ),
    close: () => fake.close(),
  };
}

const flow = (...parts: (string | undefined)[]): string => `  - { ${parts.filter(Boolean).join(", ")} }\n`;
