import { createHash } from "node:crypto";
import type { WriteSource } from "../backend.js";
import { aborted, type Bucket, corrupt } from "./bucket.js";

/** The bytes of a source, of which the last piece is only handed out when all are proven to be what was promised (I4). */
export interface Proven {
  /** From the first on; every call reads the source anew. */
  bytes(): AsyncGenerator<Uint8Array>;
  /** All at once; the source is read once. */
  whole(): Promise<Uint8Array>;
  /** What went wrong with the source itself; it is not asked again then. */
  failure(): { error: unknown } | undefined;
  /** True when all bytes were handed out. */
  complete(): boolean;
  /** To be told of bytes that were moved by other means, up to this many in all. */
  progress(total: number): void;
}

export function provenSource(bucket: Bucket, key: string, source: WriteSource): Proven {
  let failed: { error: unknown } | undefined;
  let complete = false;
  let kept: Promise<Uint8Array> | undefined;
  let told = 0;
  // A second reading of the same bytes moves nothing new.
  const progress = (total: number): void => {
    if (total <= told) return;
    source.onBytes?.(total - told);
    told = total;
  };
  async function* bytes(): AsyncGenerator<Uint8Array> {
    if (failed) throw failed.error;
    try {
      yield* checked(bucket, key, source, progress);
      complete = true;
    } catch (error) {
      failed ??= { error };
      throw error;
    }
  }
  return {
    bytes,
    whole: () => {
      kept ??= joined(bytes());
      return kept;
    },
    failure: () => failed,
    complete: () => complete,
    progress,
  };
}

async function* checked(
  bucket: Bucket,
  key: string,
  source: WriteSource,
  progress: (total: number) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let total = 0;
  let last: Uint8Array | undefined;
  for await (const piece of source.bytes()) {
    if (source.signal?.aborted) throw aborted();
    if (piece.length === 0) continue;
    total += piece.length;
    if (total > source.size) throw corrupt(bucket, key, source.sha256);
    hash.update(piece);
    progress(total);
    if (total < source.size) yield piece;
    // Kept while the source is asked whether this is all: it may use its buffer again for that.
    else last = Buffer.from(piece);
  }
  if (source.signal?.aborted) throw aborted();
  if (total !== source.size || hash.digest("hex") !== source.sha256) throw corrupt(bucket, key, source.sha256);
  if (last) yield last;
}

async function joined(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
