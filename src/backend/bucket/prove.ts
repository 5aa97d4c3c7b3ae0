import { createHash } from "node:crypto";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import type { WriteSource } from "../backend.js";
import { aborted, type Bucket, corrupt } from "./bucket.js";

/** The bytes of a source, of which the last piece is only handed out when all are proven to be what was promised (I4). */
export interface Proven {
  /** From the first on; every call reads the source anew. Whatever goes wrong with it is thrown as `SOURCE`, which no store tries again. */
  bytes(): AsyncGenerator<Uint8Array>;
  /**
   * The same, its first reading begun already: the source has answered before the store is asked, and does not have to wait for a place among
   * requests that wait for its bytes.
   */
  begin(): Promise<{ bytes: () => AsyncGenerator<Uint8Array>; end: () => void }>;
  /** Reads all, once. */
  through(): Promise<void>;
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
  let moved = 0;
  // A second reading of the same bytes moves nothing new.
  const progress = (total: number): void => {
    if (total <= moved) return;
    source.onBytes?.(total - moved);
    moved = total;
  };
  async function* bytes(): AsyncGenerator<Uint8Array> {
    if (failed) throw ofSource(failed.error);
    try {
      yield* checked(bucket, key, source, progress);
      complete = true;
    } catch (error) {
      failed ??= { error };
      throw ofSource(error);
    }
  }
  // To who is no store, the source's own error says what is wrong.
  const told = async <T>(body: () => Promise<T>): Promise<T> => {
    try {
      return await body();
    } catch (error) {
      throw failed ? failed.error : error;
    }
  };
  return {
    bytes,
    begin: () => told(() => begin(bytes)),
    through: () => told(() => drained(bytes())),
    whole: () => {
      kept ??= told(() => joined(bytes()));
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

const ofSource = (error: unknown): unknown =>
  codeOf(error) === "ABORTED" ? error : new StowageError("SOURCE", messageOf(error), { cause: error });

async function begin(bytes: () => AsyncGenerator<Uint8Array>): ReturnType<Proven["begin"]> {
  const reading = bytes();
  const first = await reading.next();
  let begun = false;
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (first.done) return;
    yield first.value;
    yield* reading;
  }
  return {
    bytes: () => {
      if (begun) return bytes();
      begun = true;
      return rest();
    },
    end: () => {
      // Not waited for: the source may be slow to answer. How it ends does not matter any more.
      reading.return(undefined).catch(() => undefined);
    },
  };
}

async function drained(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes);
}

async function joined(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
