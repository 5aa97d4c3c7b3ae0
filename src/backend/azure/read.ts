import { printable } from "../../lib/key.js";
import type { ReadRequest } from "../store.js";
import { type Azure, blobOf, conditionsOf, send } from "./context.js";
import { azureError } from "./error.js";

/** See `ObjectStore.read`. */
export async function* read(azure: Azure, name: string, request: ReadRequest): AsyncGenerator<Uint8Array> {
  const body = await opened(azure, name, request);
  yield* azure.requests.watched(piecesOf(body, name), request.signal);
}

type Body = AsyncIterable<Uint8Array> & { destroy(): void };

async function opened(azure: Azure, name: string, { token, start = 0, signal }: ReadRequest): Promise<Body> {
  const blob = blobOf(azure, name);
  const conditions = token === undefined ? {} : conditionsOf({ token });
  // The SDK would go on by itself where a body breaks.
  const options = { conditions, maxRetryRequests: 0 };
  const response = await send(
    azure,
    name,
    (attempt) => blob.download(start, undefined, { ...options, abortSignal: attempt.signal }),
    { signal, urgent: true },
  );
  // In Node this is a Readable of Buffers.
  return response.readableStreamBody as unknown as Body;
}

/** What breaks on the way in the terms of the contract. Giving up ends the connection, also while a piece is awaited. */
function piecesOf(body: Body, name: string): Body {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw azureError(error, printable(name));
    }
  }
  return Object.assign(pieces(), { destroy: () => void body.destroy() });
}
