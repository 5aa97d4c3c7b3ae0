import { codeOf, StowageError } from "../../lib/error.js";
import { type Attempt, unavailable } from "../requests.js";
import type { Condition, Stored, Upload } from "../store.js";
import { type Checksums, summing } from "./checksums.js";
import { type Answer, type Ask, bucketPath, type Client, objectPath } from "./client.js";
import { expected } from "./generation.js";
import { confirms, FIELDS, noted, type Resource, resourceOf } from "./object.js";
import { accepted, describing, type Making, miscounted } from "./put.js";

/** The store takes parts of multiples of this. */
export const QUANTUM = 256 << 10;
/** Sessions that may get lost until one gives up. */
const SESSIONS = 3;
/** Thrown within this file: the store does not know the session any more. */
const LOST = "SESSION_LOST";

export interface MakingInParts extends Making {
  /** Bytes of a part, a multiple of `QUANTUM`. */
  part: number;
}

/**
 * Uploads in parts, each repeated from where the store says it is. The store is told the total with the last part only, and that is not sent before
 * all bytes are proven: until then nothing can become visible. A session costs nothing and ends by itself after a week; nobody has to find it again.
 */
export async function putResumable(
  client: Client,
  making: MakingInParts,
  name: string,
  upload: Upload,
  condition: Condition,
): Promise<Stored> {
  for (let round = 1; ; round++) {
    const session = await begin(client, making, name, upload, condition);
    try {
      const sums = summing();
      const resource = await sendAll({ client, session, name, upload }, making.part, sums);
      return await finish(client, resource, upload, sums.digest());
    } catch (error) {
      await cancel(client, session);
      if (codeOf(error) !== LOST) throw error;
      if (round === SESSIONS) throw unavailable(`gs://${client.bucket}: an upload got lost again and again`);
    }
  }
}

interface Sending {
  client: Client;
  /** Whoever knows it can finish the upload: it is never told to anybody. */
  session: URL;
  name: string;
  upload: Upload;
}

async function begin(
  client: Client,
  making: MakingInParts,
  name: string,
  upload: Upload,
  condition: Condition,
): Promise<URL> {
  const ifGenerationMatch = expected(`gs://${client.bucket}/${name}`, condition);
  const { headers } = await client.ask(
    {
      method: "POST",
      to: `/upload${bucketPath(client.bucket)}/o`,
      query: { uploadType: "resumable", name, ifGenerationMatch, kmsKeyName: making.kmsKey, fields: FIELDS },
      headers: { "x-upload-content-length": String(upload.size) },
      json: describing(client, name, upload.metadata, making),
      name,
    },
    { signal: upload.signal },
  );
  if (headers.location) return new URL(headers.location);
  throw unavailable(`gs://${client.bucket}: an upload began without an address`);
}

/** Sends all bytes; the last part goes when they have ended without an error. */
async function sendAll(sending: Sending, size: number, sums: ReturnType<typeof summing>): Promise<Resource> {
  const { upload, name, client } = sending;
  const buffer = Buffer.allocUnsafe(Math.min(size, upload.size));
  let start = 0;
  let filled = 0;
  for await (const piece of upload.bytes()) {
    sums.update(piece);
    if (start + filled + piece.length > upload.size) throw miscounted(`gs://${client.bucket}/${name}`, upload.size);
    for (let at = 0; at < piece.length; ) {
      if (filled === buffer.length) {
        await sendPart(sending, { start, bytes: buffer });
        start += filled;
        filled = 0;
      }
      const some = piece.subarray(at, at + buffer.length - filled);
      buffer.set(some, filled);
      filled += some.length;
      at += some.length;
    }
  }
  if (start + filled !== upload.size) throw miscounted(`gs://${client.bucket}/${name}`, upload.size);
  const last = await sendPart(sending, { start, bytes: buffer.subarray(0, filled), sums: sums.digest() });
  if (last) return last;
  throw unavailable(`gs://${client.bucket}: an upload did not end with its last part`);
}

interface Part {
  start: number;
  bytes: Uint8Array;
  /** Of the whole object, with the last part: the store compares them before it becomes visible. */
  sums?: Checksums;
}

/** Undefined when the store waits for the next part, the object when it was the last. */
async function sendPart(sending: Sending, part: Part): Promise<Resource | undefined> {
  const { client, upload } = sending;
  const end = part.start + part.bytes.length;
  return client.send(
    async (attempt) => {
      // An earlier attempt may have arrived, or the beginning of it.
      let state = attempt.number === 1 ? { held: part.start } : await askState(sending, attempt);
      for (;;) {
        if ("resource" in state) return state.resource;
        const { held } = state;
        if (held === end && !part.sums) return undefined;
        if (held < part.start || held > end) throw lost();
        state = await sendRest(sending, attempt, part, held);
        if ("held" in state && state.held <= held) {
          throw unavailable(`gs://${client.bucket}: an upload does not get on`);
        }
      }
    },
    { signal: upload.signal },
  );
}

type State = { held: number } | { resource: Resource };

function sendRest(sending: Sending, attempt: Attempt, part: Part, from: number): Promise<State> {
  const { sums, start, bytes } = part;
  const body = bytes.subarray(from - start);
  const range = body.length > 0 ? `${from}-${from + body.length - 1}` : "*";
  const hash = sums && { "x-goog-hash": `crc32c=${sums.crc32c},md5=${sums.md5}` };
  const headers = { "content-range": `bytes ${range}/${sums ? sending.upload.size : "*"}`, ...hash };
  return exchange(sending, attempt, { method: "PUT", to: sending.session, headers, body: [body] });
}

const askState = (sending: Sending, attempt: Attempt): Promise<State> =>
  exchange(sending, attempt, { method: "PUT", to: sending.session, headers: { "content-range": "bytes */*" } });

/** 308 is "go on", and its Range says from where. */
async function exchange({ client, name }: Sending, attempt: Attempt, ask: Ask): Promise<State> {
  const answer = await client.once(attempt, { ...ask, accept: [308, 404, 410], name });
  if (answer.status === 404 || answer.status === 410) throw lost();
  if (answer.status === 308) return { held: heldOf(answer) };
  return { resource: resourceOf(`gs://${client.bucket}`, answer.json) };
}

function heldOf({ headers }: Answer): number {
  const last = /^bytes=0-(\d+)$/.exec(headers.range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

/**
 * The checksums are known only now, so they are noted in a second request: it changes no byte and no generation. An identity that may not
 * do it has an object whose hash is a claim only.
 */
async function finish(client: Client, resource: Resource, upload: Upload, sums: Checksums): Promise<Stored> {
  const stored = await accepted(client, resource, { ...sums, size: upload.size });
  if (!confirms(resource, sums)) return stored;
  const { generation, name } = resource;
  try {
    await client.ask({
      method: "PATCH",
      to: objectPath(client.bucket, name),
      query: { generation, ifGenerationMatch: generation, fields: "generation" },
      json: { metadata: noted(sums) },
      name,
    });
  } catch (error) {
    if (codeOf(error) !== "ACCESS_DENIED") throw error;
  }
  return { ...stored, sha256: upload.sha256 };
}

/** What is not wanted any more must not become visible later. Where that fails the store forgets it within a week. */
async function cancel(client: Client, session: URL): Promise<void> {
  const ask: Ask = { method: "DELETE", to: session, accept: [499, 404, 410] };
  await client.ask(ask, { again: false, timeout: 10_000 }).catch(() => undefined);
}

const lost = () => new StowageError(LOST, "the store does not know the upload any more");
