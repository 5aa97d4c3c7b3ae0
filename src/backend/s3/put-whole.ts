import type * as Sdk from "@aws-sdk/client-s3";
import type { Attempt } from "../requests.js";
import type { Condition, Stored, Upload } from "../store.js";
import { meter, primed, streaming } from "./body.js";
import type { Answer } from "./express.js";
import { bare, fullSha256, shelfOf, tokenOf, tokenParts, written } from "./object.js";
import type { Session } from "./session.js";
import { heldBelow } from "./versions.js";
import { onWire } from "./wire.js";

/**
 * One request; a store that checks signatures takes no other bytes. `unconditional`, in a versioned bucket: the condition is not sent, but held to
 * by what lies below (see `heldBelow`).
 */
export async function putWhole(
  session: Session,
  name: string,
  upload: Upload,
  condition: Condition,
  { unconditional = false } = {},
): Promise<Stored> {
  const { sdk, client, store } = session;
  const versioned = await session.versioned();
  const input = {
    ...{ Bucket: store.bucket, Key: name, Metadata: upload.metadata, ContentLength: upload.size },
    ...{ ChecksumSHA256: Buffer.from(upload.sha256, "hex").toString("base64") },
    ...{ ...shelfOf(session), ...(unconditional ? {} : conditionOf(condition)) },
  };
  const send = async (Body: Body, signal: AbortSignal, dress?: (command: Sdk.PutObjectCommand) => void) => {
    const command = new sdk.PutObjectCommand({ ...input, Body });
    const wire = onWire(command, upload.unsigned ? "UNSIGNED-PAYLOAD" : upload.sha256);
    dress?.(command);
    return { ...(await client.send(command, { abortSignal: signal })), at: wire.answered() };
  };
  const { whole } = upload;
  const atOnce = whole && whole.length <= SLICE;
  const answer = await (atOnce
    ? session.ask(name, ({ signal }) => sendAtOnce(session, name, { ...upload, whole }, { condition, signal, send }), {
        signal: upload.signal,
      })
    : sendStream(session, name, whole ? { ...upload, bytes: () => slices(whole) } : upload, send));
  if (atOnce) upload.onBytes?.(upload.size);
  if (!upload.unsigned) upload.onSigned?.();
  const token = tokenOf(versioned, name, answer.ETag, answer.VersionId);
  const stored = written(session, { name, token, at: answer.at, sha256: fullSha256(answer) }, upload);
  return await heldBelow(session, stored, condition);
}

type Body = NonNullable<Sdk.PutObjectCommandInput["Body"]>;
type Told = Pick<Sdk.PutObjectCommandOutput, "ETag" | "VersionId" | "ChecksumSHA256" | "ChecksumType"> & { at: number };

interface Sending {
  condition: Condition;
  signal: AbortSignal;
  send(body: Body, signal: AbortSignal, dress?: (command: Sdk.PutObjectCommand) => void): Promise<Told>;
}

/** Few bytes for a free name: what most requests are. */
async function sendAtOnce(
  session: Session,
  name: string,
  upload: Upload & { whole: Uint8Array },
  { condition, signal, send }: Sending,
): Promise<Told> {
  const { whole, sha256, metadata } = upload;
  if ("token" in condition || upload.unsigned) return await send(whole, signal);
  const headers: Record<string, string> = {
    "x-amz-content-sha256": sha256,
    "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64"),
  };
  for (const [key, value] of Object.entries(metadata)) headers[`x-amz-meta-${key.toLowerCase()}`] = value;
  const bySdk = (dress: (command: Sdk.PutObjectCommand) => void) => send(whole, signal, dress);
  return await session.express.send<Told, Told>({ kind: "put", name, headers, body: whole, bySdk, read: told, signal });
}

/** An answer with a body may be an error that came too late for another status. */
function told({ statusCode, headers, body }: Answer): Told | undefined {
  const { etag, date = "" } = headers;
  if (statusCode !== 200 || etag === undefined || body.length > 0) return undefined;
  return {
    ETag: etag,
    VersionId: headers["x-amz-version-id"],
    ChecksumSHA256: headers["x-amz-checksum-sha256"],
    ChecksumType: headers["x-amz-checksum-type"] as Sdk.ChecksumType | undefined,
    at: Date.parse(date) || Date.now(),
  };
}

async function sendStream<T>(
  session: Session,
  name: string,
  upload: Upload,
  send: (body: Body, signal: AbortSignal) => Promise<T>,
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
