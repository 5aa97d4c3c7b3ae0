import type * as Sdk from "@aws-sdk/client-s3";
import type { Attempt } from "../requests.js";
import type { Condition, Stored, Upload } from "../store.js";
import { meter, primed, streaming } from "./body.js";
import { bare, fullSha256, shelfOf, tokenOf, tokenParts, written } from "./object.js";
import type { Session } from "./session.js";
import { heldBelow } from "./versions.js";
import { onWire } from "./wire.js";

/** One request; a store that checks signatures takes no other bytes. */
export async function putWhole(session: Session, name: string, upload: Upload, condition: Condition): Promise<Stored> {
  const { sdk, client, store } = session;
  const versioned = await session.versioned();
  const input = {
    ...{ Bucket: store.bucket, Key: name, Metadata: upload.metadata, ContentLength: upload.size },
    ...{ ChecksumSHA256: Buffer.from(upload.sha256, "hex").toString("base64") },
    ...{ ...shelfOf(session), ...conditionOf(condition) },
  };
  const send = async (Body: NonNullable<Sdk.PutObjectCommandInput["Body"]>, signal: AbortSignal) => {
    const command = new sdk.PutObjectCommand({ ...input, Body });
    const wire = onWire(command, upload.unsigned ? "UNSIGNED-PAYLOAD" : upload.sha256);
    return { ...(await client.send(command, { abortSignal: signal })), at: wire.answered() };
  };
  const { whole } = upload;
  const atOnce = whole && whole.length <= SLICE;
  const answer = await (atOnce
    ? session.ask(name, ({ signal }) => send(whole, signal), { signal: upload.signal })
    : sendStream(session, name, whole ? { ...upload, bytes: () => slices(whole) } : upload, send));
  if (atOnce) upload.onBytes?.(upload.size);
  if (!upload.unsigned) upload.onSigned?.();
  const token = tokenOf(versioned, name, answer.ETag, answer.VersionId);
  const stored = written(session, { name, token, at: answer.at, sha256: fullSha256(answer) }, upload);
  return await heldBelow(session, stored, condition);
}

async function sendStream<T>(
  session: Session,
  name: string,
  upload: Upload,
  send: (body: Sdk.PutObjectCommandInput["Body"] & object, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const counter = meter(upload.onBytes);
  // The source may be in this very store and need its turn for a request: that must not come while this one waits for it.
  const first = await primed(upload.bytes());
  try {
    return await session.ask(
      name,
      (attempt: Attempt) => {
        const bytes = attempt.number === 1 ? first.bytes : upload.bytes();
        return streaming(bytes, attempt, counter(), send);
      },
      { signal: upload.signal },
    );
  } finally {
    first.close();
  }
}

/** What goes over a slow line in less time than an attempt may go without a sign of life. */
const SLICE = 1 << 18;

/** Each slice that is taken shows that the sending gets on. */
async function* slices(whole: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.length; at += SLICE) yield whole.subarray(at, at + SLICE);
}

/** Without quotes, as Amazon documents it; some stores compare the text as it is. */
export const conditionOf = (condition: Condition): { IfMatch: string } | { IfNoneMatch: string } =>
  "token" in condition ? { IfMatch: bare(tokenParts(condition.token).etag) } : { IfNoneMatch: "*" };
