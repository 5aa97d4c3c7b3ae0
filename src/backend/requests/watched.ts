import { aborted, unavailable } from "./unavailable.js";

/**
 * The same bytes. Throws `UNAVAILABLE` when the next piece takes longer than `stall` milliseconds, and `ABORTED` when the signal
 * fires; the source is given up then. The time the reader takes does not count.
 */
export async function* watched(
  location: string,
  bytes: AsyncIterable<Uint8Array>,
  stall: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  let stop = (): void => undefined;
  const onAbort = () => stop();
  signal?.addEventListener("abort", onAbort);
  // A promise for each piece: racing against one that lives as long as the stream would keep every piece's reaction.
  const next = () =>
    new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      const timer = setTimeout(() => reject(stalled(location, stall)), stall);
      const fail = (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      };
      stop = () => fail(aborted());
      if (signal?.aborted) return stop();
      iterator.next().then((piece) => {
        clearTimeout(timer);
        resolve(piece);
      }, fail);
    });
  let ended = false;
  try {
    for (;;) {
      const piece = await next();
      if (piece.done) break;
      yield piece.value;
    }
    ended = true;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (!ended) abandon(bytes, iterator);
  }
}

/** Not waited for: a source that is stuck would never return. */
function abandon(bytes: AsyncIterable<Uint8Array>, iterator: AsyncIterator<Uint8Array>): void {
  if ("destroy" in bytes && typeof bytes.destroy === "function") bytes.destroy();
  // What it throws now is about bytes that nobody wants any more.
  iterator.return?.().then(undefined, () => undefined);
}

const stalled = (location: string, stall: number) =>
  unavailable(`${location} stopped sending for ${Math.round(stall / 1000)} seconds`);
