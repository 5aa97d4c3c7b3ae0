import type { Entry, WriteSource } from "../backend.js";
import type { Stored } from "../store.js";
import { aborted, type Bucket, corrupt, nameOf } from "./bucket.js";
import { copyInside } from "./copy.js";
import { entryOf } from "./entry.js";
import { remember } from "./look.js";
import { type Proven, provenSource } from "./prove.js";
import { send, WHOLE } from "./send.js";
import { uploadOf } from "./upload.js";
import { withdrawn } from "./withdraw.js";

/** See `Backend.write`. */
export async function writeObject(bucket: Bucket, key: string, source: WriteSource): Promise<Entry> {
  const name = nameOf(bucket, key);
  if (source.signal?.aborted) throw aborted();
  const proven = provenSource(bucket, key, source);
  if (source.confirm) {
    await readThrough(proven, source);
    await source.confirm();
  }
  const copy = await copied(bucket, key, name, source, proven);
  const stored = copy ?? (await send(bucket, key, name, source, proven));
  remember(bucket, stored);
  // A copy by the store whose hash it does not tell was read.
  return { ...entryOf(key, stored), ...(copy && copy.sha256 === undefined && { readBack: true as const }) };
}

/** All bytes are proven before the last word is asked for. */
async function readThrough(proven: Proven, source: WriteSource): Promise<void> {
  if (source.size <= WHOLE) await proven.whole();
  else await proven.through();
}

/** The store copies by itself; undefined when it can not, and the bytes have to be sent. @throws `CORRUPT` when the copy is not what was promised */
async function copied(
  bucket: Bucket,
  key: string,
  name: string,
  source: WriteSource,
  proven: Proven,
): Promise<Stored | undefined> {
  const { object, sha256, size, mtime, run, signal } = source;
  if (!object) return undefined;
  const upload = uploadOf(bucket, { sha256, size, mtime, signal });
  let told = 0;
  const onBytes = (count: number): void => {
    told += count;
    proven.progress(Math.min(told, size));
  };
  const copy = await copyInside(bucket, key, { object, name, upload: { ...upload, onBytes }, run });
  if (!copy) return undefined;
  if (copy.sha256 !== sha256) throw await withdrawn(bucket, key, name, upload, corrupt(bucket, key, sha256));
  proven.progress(size);
  return copy.stored;
}
