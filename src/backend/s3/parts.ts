import { codeOf } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { Condition, Stored, Upload } from "../store.js";
import { INTERNAL } from "./errors.js";
import { ownWork } from "./look.js";
import { shelfOf, tokenOf, written } from "./object.js";
import { conditionOf } from "./put-whole.js";
import type { Reservation } from "./reserve.js";
import { type Begun, sendParts } from "./send-parts.js";
import { MOST_PARTS, type Session } from "./session.js";
import { heldBelow } from "./versions.js";
import { onWire } from "./wire.js";

/** Uploads in parts. Nothing can be seen of them before they are complete; what fails is ended. */
export async function putParts(
  session: Session,
  name: string,
  upload: Upload,
  condition: Condition | (() => Promise<Reservation>),
): Promise<Stored> {
  return await inParts(session, name, upload, session.limits.part, async (begun) => {
    if (typeof condition !== "function") {
      await sendParts(session, begun, upload);
      return await complete(session, begun, upload, condition);
    }
    const reservation = await condition();
    try {
      await sendParts(session, begun, upload);
      await reservation.check();
      return await complete(session, begun, upload, reservation.condition);
    } catch (error) {
      // What may remain is empty, and recorded: who collects leftovers removes it.
      await giveBack(session, begun, upload, reservation).then(undefined, () => undefined);
      throw error;
    }
  });
}

/** A Complete without an answer may still come: before the name is free for others the store has to say that the upload is over. */
async function giveBack(session: Session, begun: Begun, upload: Upload, reservation: Reservation): Promise<void> {
  const ended = await abandon(session, begun.name, begun.id);
  if (ended && (await upload.mayRelease?.())) await reservation.release();
}

type Copied = Omit<Upload, "bytes" | "whole">;

/** Begins an upload in parts of at least `least` bytes, has it noted, and ends it when `body` fails. */
export async function inParts(
  session: Session,
  name: string,
  upload: Copied,
  least: number,
  body: (begun: Begun) => Promise<Stored>,
): Promise<Stored> {
  const begun = await begin(session, name, upload, least);
  try {
    await upload.onParts?.(begun.id);
    return await body(begun);
  } catch (error) {
    // Recorded as well: the first error is the one to tell.
    await abandon(session, name, begun.id).then(undefined, () => undefined);
    throw codeOf(error) === INTERNAL.noUpload ? unavailable(`the store has forgotten the upload of ${name}`) : error;
  }
}

async function begin(session: Session, name: string, upload: Copied, least: number): Promise<Begun> {
  const { sdk, client, store } = session;
  const input = {
    ...{ Bucket: store.bucket, Key: name, Metadata: upload.metadata, ...shelfOf(session) },
    ChecksumAlgorithm: "SHA256" as const,
  };
  const { UploadId: id } = await session.ask(
    name,
    ({ signal }) => client.send(new sdk.CreateMultipartUploadCommand(input), { abortSignal: signal }),
    { signal: upload.signal },
  );
  if (id === undefined) throw unavailable(`${session.host} began an upload without a name`);
  return { id, name, partSize: partSizeFor(upload.size, least), sent: new Map() };
}

/** Large enough that the largest object of S3 (5 TiB) has no more parts than allowed. */
export function partSizeFor(size: number, least: number): number {
  if (size <= least * MOST_PARTS) return least;
  return Math.ceil(size / MOST_PARTS / MIB) * MIB;
}
const MIB = 1 << 20;

/** Ends an upload that somebody began. @returns false when there is none */
export async function abandon(session: Session, name: string, id: string): Promise<boolean> {
  const { sdk, client, store } = session;
  const input = { Bucket: store.bucket, Key: name, UploadId: id };
  try {
    await session.ask(name, ({ signal }) =>
      client.send(new sdk.AbortMultipartUploadCommand(input), { abortSignal: signal }),
    );
    return true;
  } catch (error) {
    if (codeOf(error) !== INTERNAL.noUpload && codeOf(error) !== "NOT_FOUND") throw error;
    return false;
  }
}

/** Makes the object visible. What an earlier attempt has achieved is found out by looking (I6). */
export async function complete(session: Session, begun: Begun, upload: Copied, condition: Condition): Promise<Stored> {
  return await heldBelow(session, await assemble(session, begun, upload, condition), condition);
}

async function assemble(session: Session, begun: Begun, upload: Copied, condition: Condition): Promise<Stored> {
  const { sdk, client, store } = session;
  const versioned = await session.versioned();
  const input = {
    ...{ Bucket: store.bucket, Key: begun.name, UploadId: begun.id, MultipartUpload: { Parts: listOf(begun) } },
    ...conditionOf(condition),
  };
  let attempts = 0;
  try {
    const stored = await session.ask(
      begun.name,
      async ({ signal, number }) => {
        attempts = number;
        const command = new sdk.CompleteMultipartUploadCommand(input);
        const wire = onWire(command);
        const { ETag, VersionId } = await client.send(command, { abortSignal: signal });
        // Some stores do not know it yet.
        if (!ETag || (versioned && VersionId === undefined)) return undefined;
        const token = tokenOf(versioned, begun.name, ETag, VersionId);
        return written(session, { name: begun.name, token, at: wire.answered() }, upload);
      },
      { signal: upload.signal, timeout: ASSEMBLING },
    );
    return stored ?? (await ownWork(session, begun.name, upload));
  } catch (error) {
    const code = codeOf(error);
    if (attempts < 2 || (code !== INTERNAL.noUpload && code !== "PRECONDITION")) throw error;
    return await ownWork(session, begun.name, upload).catch(() => {
      throw error;
    });
  }
}

/** Thousands of parts take the store its time. */
const ASSEMBLING = 15 * 60_000;

const listOf = ({ sent }: Begun) =>
  [...sent]
    .sort(([a], [b]) => a - b)
    .map(([PartNumber, { etag, sha256 }]) => ({
      ...{ PartNumber, ETag: etag },
      ...(sha256 !== undefined && { ChecksumSHA256: sha256 }),
    }));
