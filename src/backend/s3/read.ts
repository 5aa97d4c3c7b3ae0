import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { ReadRequest } from "../store.js";
import { s3Error } from "./errors.js";
import { quoted, tokenOf, tokenParts } from "./object.js";
import type { Session } from "./session.js";

/** The bytes of what is there now; with a token, only while that is what the token names. */
export async function* read(session: Session, name: string, request: ReadRequest): AsyncGenerator<Uint8Array> {
  const { token, start = 0, signal } = request;
  const { Body, ContentLength, ETag, VersionId, ContentRange } = await open(session, name, request);
  const body = Body as AsyncIterable<Uint8Array> & { destroy(): void };
  // The condition names the bytes; the version that holds them may be another one.
  if (token !== undefined && tokenOf(token.includes("@"), name, ETag, VersionId) !== token) {
    body.destroy();
    throw new StowageError("PRECONDITION", `${name} is not the version asked for any more`);
  }
  if (start > 0 && !ContentRange?.startsWith(`bytes ${start}-`)) {
    body.destroy();
    throw new StowageError("UNSUPPORTED", `${session.address}: the store does not send parts of an object`);
  }
  // Watched first: giving up has to end the connection, also while a piece is awaited.
  yield* counted(session, name, session.requests.watched(body, signal), ContentLength);
}

function open(session: Session, name: string, { token, start = 0, signal }: ReadRequest) {
  const { sdk, client, store } = session;
  const input = {
    ...{ Bucket: store.bucket, Key: name },
    ...(token !== undefined && { IfMatch: quoted(tokenParts(token).etag) }),
    ...(start > 0 && { Range: `bytes=${start}-` }),
  };
  return session.ask(name, (attempt) => client.send(new sdk.GetObjectCommand(input), { abortSignal: attempt.signal }), {
    signal,
    urgent: true,
  });
}

async function* counted(
  session: Session,
  name: string,
  body: AsyncIterable<Uint8Array>,
  length: number | undefined,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  try {
    for await (const piece of body) {
      count += piece.length;
      yield piece;
    }
  } catch (error) {
    throw s3Error(error, { what: `s3://${session.store.bucket}/${name}`, host: session.host });
  }
  if (length !== undefined && count !== length) throw unavailable(`${session.host} ended the connection early`);
}
