import { createHash } from "node:crypto";
import { StowageError } from "../../lib/error.js";
import type { Upload } from "../store.js";
import { MOST_PARTS, type Session } from "./session.js";
import { onWire } from "./wire.js";

/** An upload that has begun. */
export interface Begun {
  id: string;
  name: string;
  partSize: number;
  /** The parts that the store has, by number, from 1. */
  sent: Map<number, { etag: string; sha256?: string | undefined }>;
}

/**
 * Cuts the bytes into parts and sends several at once. A part is hashed here, so that the store refuses it
 * when other bytes arrive; each is tried again on its own. When it returns all bytes are stored, as parts.
 */
export async function sendParts(session: Session, begun: Begun, upload: Upload): Promise<void> {
  const { buffers } = session;
  const busy = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let number = 0;
  let buffer: Buffer | undefined;
  let filled = 0;

  function flush(): void {
    if (!buffer || filled === 0) return;
    const [full, length, part] = [buffer, filled, ++number];
    [buffer, filled] = [undefined, 0];
    const task = sendPart(session, begun, part, full.subarray(0, length), upload).then(
      () => buffers.give(full, true),
      (error: unknown) => {
        failure ??= { error };
        buffers.give(full, false);
      },
    );
    busy.add(task);
    void task.then(() => busy.delete(task));
  }

  try {
    for await (const piece of upload.bytes()) {
      for (let at = 0; at < piece.length; ) {
        if (failure) throw failure.error;
        buffer ??= await buffers.take(begun.partSize);
        const count = Math.min(piece.length - at, begun.partSize - filled);
        buffer.set(piece.subarray(at, at + count), filled);
        filled += count;
        at += count;
        if (filled === begun.partSize) flush();
      }
    }
    flush();
    await Promise.all(busy);
    if (failure) throw failure.error;
  } finally {
    await Promise.all(busy);
    if (buffer) buffers.give(buffer, true);
  }
}

async function sendPart(session: Session, begun: Begun, part: number, bytes: Buffer, upload: Upload): Promise<void> {
  if (part > MOST_PARTS) throw new StowageError("CORRUPT", `${begun.name} has more bytes than it should`);
  const { sdk, client, store } = session;
  const digest = createHash("sha256").update(bytes).digest();
  const sha256 = digest.toString("base64");
  const input = {
    ...{ Bucket: store.bucket, Key: begun.name, UploadId: begun.id, PartNumber: part },
    ...{ ContentLength: bytes.length, ChecksumSHA256: sha256, Body: bytes },
  };
  const send = (signal: AbortSignal) => {
    const command = new sdk.UploadPartCommand(input);
    onWire(command, digest.toString("hex"));
    return client.send(command, { abortSignal: signal });
  };
  const timeout = 60_000 + bytes.length / SLOWEST;
  const { ETag } = await session.ask(begun.name, ({ signal }) => send(signal), { signal: upload.signal, timeout });
  begun.sent.set(part, { etag: ETag ?? "", sha256 });
  upload.onBytes?.(bytes.length);
}

/** Bytes a millisecond below which a part is given up. */
const SLOWEST = 50;
