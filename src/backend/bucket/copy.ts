import { StowageError } from "../../lib/error.js";
import type { StoreObject } from "../backend.js";
import type { Stored, Upload } from "../store.js";
import { type Bucket, taken } from "./bucket.js";
import { believed, entryOf } from "./entry.js";
import { recorder } from "./parts.js";
import { settled } from "./publish.js";
import { hashOf } from "./read.js";
import { withdrawn } from "./withdraw.js";

export interface InsideCopy {
  object: StoreObject;
  name: string;
  upload: Omit<Upload, "bytes" | "whole">;
  run?: string | undefined;
}

/**
 * Lets the store copy, and finds out what the copy holds: by the store's own checksum, else by reading it back. What can not be read back is
 * removed again.
 * @returns undefined when the store does not copy this
 * @throws `PRECONDITION` when the name is taken
 */
export async function copyInside(
  bucket: Bucket,
  key: string,
  { object, name, upload, run }: InsideCopy,
): Promise<{ stored: Stored; sha256: string } | undefined> {
  const copied = await copy(bucket, key, { object, name, upload, run });
  if (!copied) return undefined;
  const stored = believed(bucket, copied);
  try {
    return { stored, sha256: stored.sha256 ?? (await hashOf(bucket, key, stored, upload.signal)) };
  } catch (error) {
    throw await withdrawn(bucket, key, name, upload, error);
  }
}

async function copy(
  bucket: Bucket,
  key: string,
  { object, name, upload, run }: InsideCopy,
): Promise<Stored | undefined> {
  const { store, features } = bucket;
  const { copy } = store;
  // A store that does not keep to the conditions of a copy could replace another object, or copy another version.
  if (!copy || !features.store?.conditionalCopy) return undefined;
  const parts = recorder(bucket, run, name, upload);
  let stored: Stored | undefined;
  try {
    const change = () => copy(object, name, { ...upload, onParts: parts.onParts });
    stored = await settled(bucket, name, upload, change);
  } catch (error) {
    if (!(error instanceof StowageError) || DECIDED.has(error.code)) throw error;
  } finally {
    await parts.over(stored !== undefined);
  }
  // Refused: the name is taken, or it is the source that is another by now, which reading it will tell.
  const there = stored ? undefined : await store.head(name);
  // Whether a name that is only held can be taken over is seen when the bytes are sent.
  if (there && !entryOf(key, there).held) throw taken(bucket, key);
  return stored;
}

/** Sending the bytes would not go better. */
const DECIDED = new Set(["ABORTED", "UNAVAILABLE", "OUT_OF_SPACE", "READ_ONLY"]);
