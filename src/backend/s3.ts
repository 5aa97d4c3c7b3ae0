import type { S3Store } from "../config/config.js";
import { sha256Hex } from "../lib/json.js";
import type { Requests } from "./requests.js";
import { copy } from "./s3/copy.js";
import { list } from "./s3/list.js";
import { headObject, tagsOf } from "./s3/look.js";
import { abandon } from "./s3/parts.js";
import { presign } from "./s3/presign.js";
import { put } from "./s3/put.js";
import { read } from "./s3/read.js";
import { discard, removeObject } from "./s3/remove.js";
import { LIMITS, type Limits, openSession } from "./s3/session.js";
import type { ObjectStore } from "./store.js";

/** S3's own bound. */
const LONGEST_NAME = 1024;

/** A bucket of Amazon S3 or of a store that speaks its language. Nothing is asked before the first method is called. */
export async function s3Store(store: S3Store, requests: Requests, limits: Partial<Limits> = {}): Promise<ObjectStore> {
  const session = await openSession(store, requests, { ...LIMITS, ...limits });
  return {
    address: session.address,
    provider: providerOf(session.host, store),
    maxNameBytes: LONGEST_NAME,
    listsMetadata: false,
    versioned: () => session.versioned(),
    head: (name, signal) => headObject(session, name, signal),
    list: (prefix, signal) => list(session, prefix, signal),
    read: (name, request) => read(session, name, request),
    put: (name, upload, condition) => put(session, name, upload, condition),
    copy: (from, name, upload) => copy(session, from, name, upload),
    remove: (name, token) => removeObject(session, name, token),
    discard: (name) => discard(session, name),
    abandon: async (name, id) => void (await abandon(session, name, id)),
    tags: (name) => tagsOf(session, name),
    computesSha256: true,
    signsBytes: true,
    linkHeaders: { "if-none-match": "*" },
    presign: (name, options) => presign(session, name, options),
    close: async () => session.close(),
  };
}

/** One service seen by one identity: only then one request can read at one end and write at the other. */
function providerOf(host: string, { credentials, profile }: S3Store): string {
  const who = credentials ? `key ${credentials.accessKeyId}` : `profile ${profile ?? ""}`;
  return `s3:${host}:${sha256Hex(who).slice(0, 12)}`;
}
