import { Readable } from "node:stream";
import type { Attempt } from "../requests.js";
import type { Upload } from "../store.js";

/** Counts each byte once, however often it is sent. */
export function meter(onBytes: Upload["onBytes"]): () => (count: number) => void {
  let told = 0;
  return () => {
    let sent = 0;
    return (count) => {
      sent += count;
      if (sent <= told) return;
      onBytes?.(sent - told);
      told = sent;
    };
  };
}

/** The same bytes, of which the first piece has come already. `close` ends a source that nobody read to the end. */
export async function primed(
  source: AsyncIterable<Uint8Array>,
): Promise<{ bytes: AsyncIterable<Uint8Array>; close(): void }> {
  const iterator = source[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | undefined = await iterator.next();
  async function* bytes() {
    for (let next = first ?? (await iterator.next()); !next.done; next = await iterator.next()) {
      first = undefined;
      yield next.value;
    }
  }
  // Not waited for: a source that is stuck would never return, and nobody wants its bytes any more.
  const close = () => void iterator.return?.().then(undefined, () => undefined);
  return { bytes: bytes(), close };
}

/**
 * Sends the bytes as the body of one request. A source that fails ends the request, so that nothing is stored, and its own error is thrown.
 */
export async function streaming<T>(
  bytes: AsyncIterable<Uint8Array>,
  attempt: Attempt,
  onPiece: (count: number) => void,
  send: (body: Readable, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let failure: { error: unknown } | undefined;
  async function* copies() {
    for await (const piece of bytes) {
      attempt.alive();
      onPiece(piece.length);
      // The source may use its buffer again while the socket still holds on to this piece.
      if (piece.length > 0) yield Buffer.from(piece);
    }
  }
  const body = Readable.from(copies(), { objectMode: false, highWaterMark: 1 << 18 });
  body.on("error", (error) => {
    failure ??= { error };
    stop.abort();
  });
  try {
    return await send(body, AbortSignal.any([attempt.signal, stop.signal]));
  } catch (error) {
    throw failure ? failure.error : error;
  } finally {
    body.destroy();
  }
}
