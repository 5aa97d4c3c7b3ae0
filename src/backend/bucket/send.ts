import { StowageError } from "../../lib/error.js";
import type { WriteSource } from "../backend.js";
import type { Stored } from "../store.js";
import { at, type Bucket, taken } from "./bucket.js";
import { believed } from "./entry.js";
import { recorder } from "./parts.js";
import type { Proven } from "./prove.js";
import { publish } from "./publish.js";
import { maySafelyRemove } from "./removable.js";
import { uploadOf } from "./upload.js";
import { withdrawn } from "./withdraw.js";

/** A source, and what else is to be noted on the object. */
export type Sendable = WriteSource & { metadata?: Record<string, string> };

/** Objects up to this size are held in memory, so that they are proven before the first byte is sent. */
export const WHOLE = 8 << 20;

/**
 * Sends the proven bytes of a source to a free name. Nothing is published when they are not what was promised.
 * @throws `PRECONDITION` when the name is taken
 */
export async function send(
  bucket: Bucket,
  key: string,
  name: string,
  source: Sendable,
  proven: Proven,
): Promise<Stored> {
  const { sha256, size, mtime, metadata = {}, run, signal } = source;
  const whole = size <= WHOLE ? await proven.whole() : undefined;
  await refuseTaken(bucket, key, name);
  const reading = whole ? undefined : await proven.begin();
  const contents = {
    sha256,
    size,
    mtime,
    metadata,
    signal,
    ...(whole && { whole }),
    ...(reading && { bytes: reading.bytes }),
  };
  const upload = uploadOf(bucket, contents);
  const parts = recorder(bucket, run, name, upload);
  let stored: Stored | undefined;
  try {
    const mayRelease = () => maySafelyRemove(bucket);
    stored = await publish(bucket, name, { ...upload, onParts: parts.onParts, mayRelease }, { absent: true });
  } catch (error) {
    // What went wrong with the source is not for the store to say.
    throw proven.failure()?.error ?? error;
  } finally {
    reading?.end();
    await parts.over(stored !== undefined);
  }
  if (!stored) throw taken(bucket, key);
  const problem =
    proven.failure() ?? (isAsSent(stored, source, proven) ? undefined : { error: notAsSent(bucket, key) });
  if (problem) throw await withdrawn(bucket, key, name, upload, problem.error);
  return believed(bucket, stored);
}

/** Where it is not known that the store refuses a taken name, it is asked before. */
async function refuseTaken(bucket: Bucket, key: string, name: string): Promise<void> {
  if (bucket.features.store?.createOnly) return;
  if (await bucket.store.head(name)) throw taken(bucket, key);
}

const isAsSent = (stored: Stored, { size, sha256 }: WriteSource, proven: Proven): boolean =>
  proven.complete() && stored.size === size && (stored.sha256 ?? sha256) === sha256;

const notAsSent = (bucket: Bucket, key: string): StowageError =>
  new StowageError("READ_BACK", `${at(bucket, key)}: the store does not hold what was sent`, {
    hint: "The store or what stands before it is failing: check it before anything is stored there.",
  });
