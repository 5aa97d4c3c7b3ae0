import { randomUUID } from "node:crypto";
import type { Stored, Upload } from "../store.js";
import { OWN_METADATA } from "../store.js";
import type { Bucket } from "./bucket.js";
import { timeText } from "./entry.js";

/** What an object is to hold, before it has a name. */
export interface Contents {
  sha256: string;
  size: number;
  /** Nanoseconds since the epoch. */
  mtime?: bigint;
  /** Beside stowage's own. */
  metadata?: Record<string, string>;
  bytes?: () => AsyncIterable<Uint8Array>;
  whole?: Uint8Array;
  signal?: AbortSignal | undefined;
}

/** The contents with stowage's metadata on them; each upload has a mark of its own, by which it is known again (I6). */
export function uploadOf(bucket: Bucket, contents: Contents): Upload {
  const { sha256, size, mtime, whole, signal, bytes = () => pieceOf(whole ?? Buffer.alloc(0)) } = contents;
  const metadata = {
    ...contents.metadata,
    [OWN_METADATA.sha256]: sha256,
    [OWN_METADATA.upload]: randomUUID(),
    ...(mtime !== undefined && { [OWN_METADATA.mtime]: timeText(bucket.store.mtimeFormat, mtime) }),
  };
  const safeParts = bucket.features.store?.createOnlyParts === true;
  return { sha256, size, metadata, bytes, safeParts, ...(whole && { whole }), ...(signal && { signal }) };
}

/** Bytes that are known already, as an upload of their own. */
export const small = (bucket: Bucket, bytes: Uint8Array, sha256: string): Upload =>
  uploadOf(bucket, { sha256, size: bytes.length, whole: bytes });

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

/** True when the object was written by that very upload, and to the end. */
export const isOf = ({ metadata, size }: Stored, upload: Omit<Upload, "bytes">): boolean =>
  size === upload.size && metadata?.[OWN_METADATA.upload] === upload.metadata[OWN_METADATA.upload];
