import type { IncomingMessage } from "node:http";
import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { ReadRequest } from "../store.js";
import { type Client, objectPath } from "./client.js";
import { expected } from "./generation.js";
import { broken } from "./http.js";

/** See `ObjectStore.read`: the bytes as they are stored, never unpacked on the way. */
export async function* read(client: Client, name: string, request: ReadRequest): AsyncIterable<Uint8Array> {
  const { token, start = 0, signal } = request;
  const about = `gs://${client.bucket}/${name}`;
  const ifGenerationMatch = token === undefined ? undefined : expected(about, { token });
  const response = await client.send(
    (attempt) =>
      client.open(attempt, {
        method: "GET",
        to: objectPath(client.bucket, name),
        // Not `generation`: that would also read what is no longer the object, where the bucket keeps older versions.
        query: { alt: "media", ifGenerationMatch },
        // Without it the store unpacks what was stored with `Content-Encoding: gzip`.
        headers: { "accept-encoding": "gzip", ...(start > 0 && { range: `bytes=${start}-` }) },
        name,
      }),
    { signal, urgent: true },
  );
  if (start > 0 && response.statusCode !== 206) {
    response.destroy();
    throw new StowageError("STORE_REFUSED", `gs://${client.bucket} does not read from the middle of an object`);
  }
  yield* client.requests.watched(bodyOf(client.bucket, response), signal);
}

/** Destroying it lets go of the connection at once, even while a piece is waited for. */
function bodyOf(bucket: string, response: IncomingMessage): AsyncIterable<Uint8Array> & { destroy(): void } {
  const declared = Number(response.headers["content-length"] ?? Number.NaN);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let count = 0;
    try {
      for await (const piece of response as AsyncIterable<Uint8Array>) {
        count += piece.length;
        yield piece;
      }
    } catch (error) {
      throw broken(`gs://${bucket}`, error);
    }
    if (count < declared) throw unavailable(`gs://${bucket}: the answer ended ${declared - count} bytes early`);
  }
  return { [Symbol.asyncIterator]: pieces, destroy: () => response.destroy() };
}
