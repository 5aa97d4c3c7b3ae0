import type { GcsStore } from "../config/config.js";
import { codeOf, StowageError } from "../lib/error.js";
import { bucketPath, type Client, objectPath, openClient } from "./gcs/client.js";
import { openCredentials } from "./gcs/credentials.js";
import { expected } from "./gcs/generation.js";
import { openHttp } from "./gcs/http.js";
import { list } from "./gcs/list.js";
import { FIELDS, resourceOf, storedOf } from "./gcs/object.js";
import { putWhole } from "./gcs/put.js";
import { read } from "./gcs/read.js";
import { putResumable, QUANTUM } from "./gcs/resumable.js";
import { rewrite } from "./gcs/rewrite.js";
import type { Requests } from "./requests.js";
import type { ObjectStore, Stored } from "./store.js";

const ENDPOINT = "https://storage.googleapis.com";
const MIB = 1 << 20;

export interface GcsOptions {
  /** Up to so many bytes go in one request, held in memory; 8 MiB. */
  threshold?: number;
  /** Bytes of one part of a resumable upload, held in memory; 16 MiB. */
  part?: number;
  /** Bytes that one call of a server-side copy may copy; the store decides. */
  copyPerCall?: number;
}

/**
 * A bucket of Google Cloud Storage. Tokens are generations. The SDK authenticates and signs; the requests of the JSON API are made here, because
 * the SDK repeats and combines them by itself.
 */
export async function gcsStore(store: GcsStore, requests: Requests, options: GcsOptions = {}): Promise<ObjectStore> {
  const { threshold = 8 * MIB, part = 16 * MIB, copyPerCall } = options;
  const base = new URL(store.endpoint ?? ENDPOINT);
  const credentials = await openCredentials(store, base);
  const http = openHttp(base.protocol === "https:");
  const client = openClient(store, base, http, credentials, requests);
  const making = {
    ...(store.storageClass !== undefined && { storageClass: store.storageClass }),
    ...(store.kmsKey !== undefined && { kmsKey: store.kmsKey }),
  };
  const inParts = { ...making, part: Math.max(1, Math.ceil(part / QUANTUM)) * QUANTUM };
  const byCopy = { ...making, ...(copyPerCall !== undefined && { perCall: copyPerCall }) };
  const host = base.origin === ENDPOINT ? "" : `${base.host}/`;
  let versioned: boolean | undefined;

  return {
    address: `gs://${host}${store.bucket}`,
    provider: `gcs ${base.origin} ${store.credentialsPath ?? "default credentials"} ${store.project ?? ""}`.trim(),
    maxNameBytes: 1024,
    listsMetadata: true,
    mtimeFormat: "rfc3339",
    versioned: async () => (versioned ??= await keepsVersions(client)),
    head: (name, signal) => head(client, name, signal),
    list: (prefix, signal) => list(client, prefix, signal),
    read: (name, request) => read(client, name, request),
    put: (name, upload, condition) =>
      upload.parts || upload.size > threshold
        ? putResumable(client, inParts, name, upload, condition)
        : putWhole(client, making, name, upload, condition),
    copy: (from, name, upload) =>
      rewrite(client, byCopy, { ...from, bucketName: bucketOf(from.bucket, host) }, name, upload),
    remove: (name, token) => remove(client, name, token),
    discard: async (name) => {
      await client.ask({ method: "DELETE", to: objectPath(client.bucket, name), name }).catch(unlessAbsent);
    },
    linkHeaders: { "x-goog-if-generation-match": "0" },
    presign: (name, link) => credentials.sign(name, link),
    close: async () => http.close(),
  };
}

async function head(client: Client, name: string, signal: AbortSignal | undefined): Promise<Stored | undefined> {
  const ask = { method: "GET", to: objectPath(client.bucket, name), query: { fields: FIELDS }, name } as const;
  const answer = await client.ask(ask, { signal }).catch(unlessAbsent);
  return answer && storedOf(resourceOf(`gs://${client.bucket}`, answer.json));
}

/** Where the bucket keeps versions the object becomes one of them; without `generation` in the request never another. */
async function remove(client: Client, name: string, token: string): Promise<void> {
  const ifGenerationMatch = expected(`gs://${client.bucket}/${name}`, { token });
  const ask = { method: "DELETE", to: objectPath(client.bucket, name), query: { ifGenerationMatch }, name } as const;
  await client.send(async (attempt) => {
    await client.once(attempt, ask).catch((error: unknown) => {
      // The answer to an earlier attempt was lost, and with it the object went (I6).
      if (attempt.number > 1) return unlessAbsent(error);
      throw error;
    });
  });
}

/** Asking needs a right that reading and writing objects does not. Who has not got it is taken for one without versions: then stowage keeps trash itself. */
async function keepsVersions(client: Client): Promise<boolean> {
  try {
    const { json } = await client.ask({
      method: "GET",
      to: bucketPath(client.bucket),
      query: { fields: "versioning" },
    });
    return (json as { versioning?: { enabled?: boolean } } | undefined)?.versioning?.enabled === true;
  } catch (error) {
    if (codeOf(error) === "ACCESS_DENIED") return false;
    throw error;
  }
}

function bucketOf(address: string, host: string): string {
  const start = `gs://${host}`;
  if (address.startsWith(start)) return address.slice(start.length);
  throw new StowageError("INTERNAL", `${address} is no bucket of this service`);
}

function unlessAbsent(error: unknown): undefined {
  if (codeOf(error) === "NOT_FOUND") return undefined;
  throw error;
}
