import { StowageError } from "../../lib/error.js";
import { TEMPORARY } from "../marker.js";
import { OWN_METADATA } from "../store.js";
import type { Bucket } from "./bucket.js";
import { isHeldFor, type PartsRecord, RECORD } from "./parts.js";
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

/** The empty object that an upload of a run that is over left to hold the name; undefined unless its record proves that. */
export async function leftHeld(
  bucket: Bucket,
  name: string,
  isOver: ((run: string) => boolean) | undefined,
): Promise<{ token: string; id: string; record: string } | undefined> {
  const there = isOver && (await bucket.store.head(name));
  const mark = there?.metadata?.[OWN_METADATA.upload];
  if (!there || there.size > 0 || mark === undefined) return undefined;
  const folder = `${bucket.prefix}${TEMPORARY}/`;
  for await (const page of bucket.store.list(folder)) {
    for (const { name: record } of page) {
      const [run = "", file = ""] = record.slice(folder.length).split("/");
      if (!file.startsWith(`${mark}.`) || !file.endsWith(RECORD) || !isOver?.(run)) continue;
      const found = await readRecord(bucket, record);
      if (found?.name === name && isHeldFor(there, found)) return { token: there.token, id: found.id, record };
    }
  }
  return undefined;
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
