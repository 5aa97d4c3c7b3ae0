import { StowageError } from "../../lib/error.js";
import type { Bucket } from "./bucket.js";
import { isHeldFor, type PartsRecord } from "./parts.js";
import { contentOf } from "./read.js";
import { maySafelyRemove } from "./removable.js";

/** Ends the upload that a record is about; an empty object that held its name goes too. */
export async function endRecorded(bucket: Bucket, record: string): Promise<void> {
  const { store, prefix, location } = bucket;
  const found = await readRecord(bucket, record);
  if (!found) return;
  if (!found.name.startsWith(prefix)) {
    throw new StowageError("INVARIANT", `${location}: ${record} is about an object of another location`);
  }
  await store.abandon?.(found.name, found.id);
  const there = await store.head(found.name);
  // Where removals are not safe it stays: it is empty, and somebody may be writing there.
  if (isHeldFor(there, found) && (await maySafelyRemove(bucket))) await store.remove(found.name, there.token);
}

async function readRecord(bucket: Bucket, record: string): Promise<PartsRecord | undefined> {
  const text = await contentOf(bucket, record);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    // Not written by stowage: it is about no upload.
    return undefined;
  }
}

const isRecord = (value: unknown): value is PartsRecord =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  typeof value.name === "string" &&
  "id" in value &&
  typeof value.id === "string" &&
  "upload" in value &&
  typeof value.upload === "string" &&
  "size" in value &&
  typeof value.size === "number";
