import { StowageError } from "../../lib/error.js";
import type { WriteSource } from "../backend.js";
import type { Stored, Upload } from "../store.js";
import { at, type Bucket, taken } from "./bucket.js";
import { provesSigned } from "./creating.js";
import { believed } from "./entry.js";
import { recorder } from "./parts.js";
import type { Proven } from "./prove.js";
import { publish } from "./publish.js";
import { maySafelyRemove } from "./removable.js";
import { leftHeld } from "./unfinished.js";
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
  await refuseTaken(bucket, key, name, source);
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
  let signed = false;
  try {
    const mayRelease = () => maySafelyRemove(bucket);
    const onSigned = (): void => {
      signed = true;
    };
    const noted = { ...upload, onParts: parts.onParts, mayRelease, onSigned };
    stored = (await publish(bucket, name, noted, { absent: true })) ?? (await takeOver(bucket, name, noted, source));
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
  const told = believed(bucket, stored, true);
  if (!signed || told.sha256 !== undefined || !(await provesSigned(bucket, size, run))) return told;
  return { ...told, sha256 };
}

/** Where it is not known that the store refuses a taken name, it is asked before. */
async function refuseTaken(bucket: Bucket, key: string, name: string, { isOver }: WriteSource): Promise<void> {
  if (bucket.features.store?.createOnly) return;
  if ((await bucket.store.head(name)) && !(await leftHeld(bucket, name, isOver))) throw taken(bucket, key);
}

/** Takes the name from an upload of an earlier run that was killed, and nothing else. @returns undefined when another holds it */
async function takeOver(
  bucket: Bucket,
  name: string,
  upload: Upload,
  { isOver }: WriteSource,
): Promise<Stored | undefined> {
  const { store, features } = bucket;
  const held = await leftHeld(bucket, name, isOver);
  if (!held) return undefined;
  const replaces = features.store?.conditionalReplace === true;
  if (!replaces && !(await maySafelyRemove(bucket))) return undefined;
  await store.abandon?.(name, held.id);
  if (!replaces) await store.remove(name, held.token);
  const stored = await publish(bucket, name, upload, replaces ? { token: held.token } : { absent: true });
  // What is left of it tells of nothing any more; where it stays it is listed by `leftovers`.
  if (stored) await store.discard(held.record).catch(() => undefined);
  return stored;
}

const isAsSent = (stored: Stored, { size, sha256 }: WriteSource, proven: Proven): boolean =>
  proven.complete() && stored.size === size && (stored.sha256 ?? sha256) === sha256;

const notAsSent = (bucket: Bucket, key: string): StowageError =>
  new StowageError("READ_BACK", `${at(bucket, key)}: the store does not hold what was sent`, {
    hint: "The store or what stands before it is failing: check it before anything is stored there.",
  });
