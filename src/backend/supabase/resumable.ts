import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { Upload } from "../store.js";
import { pathOf, type Supabase, send } from "./client.js";

const TUS = { "tus-resumable": "1.0.0" };

/**
 * The service's way for large objects, the protocol tus: pieces of one size in a row, visible only after the last one. What is not finished
 * the service drops after a day.
 */
export async function resumable(supabase: Supabase, name: string, what: Upload, upsert: boolean): Promise<void> {
  pathOf(name);
  const path = await begin(supabase, name, what, upsert);
  try {
    let at = 0;
    for await (const piece of piecesOf(what, supabase.limits.piece)) {
      await append(supabase, name, what, { path, at, piece });
      at += piece.length;
    }
  } catch (error) {
    await end(supabase, name, path);
    throw error;
  }
}

async function begin(supabase: Supabase, name: string, what: Upload, upsert: boolean): Promise<string> {
  const headers = {
    ...TUS,
    "x-upsert": String(upsert),
    "upload-length": String(what.size),
    "upload-metadata": metadataText({
      bucketName: supabase.bucket,
      objectName: name,
      contentType: "application/octet-stream",
      cacheControl: "0",
      metadata: JSON.stringify(what.metadata),
    }),
  };
  const response = await send(
    supabase,
    name,
    async ({ signal }, about) => {
      const answer = await supabase.fetch(about, "/upload/resumable", { method: "POST", headers, signal });
      await answer.arrayBuffer();
      return answer;
    },
    { signal: what.signal },
  );
  const location = response.headers.get("location") ?? "";
  const id = /\/upload\/resumable\/([^/?#]+)$/.exec(location)?.[1];
  // The address itself is not used: it may name another host, and the key goes to ours only.
  if (!id) throw new StowageError("STORE_REFUSED", `${name}: the store does not say where the upload goes on`);
  return `/upload/resumable/${id}`;
}

const metadataText = (metadata: Record<string, string>): string =>
  Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString("base64")}`)
    .join(",");

interface Piece {
  path: string;
  at: number;
  piece: Uint8Array;
}

/** After a lost answer the service is asked how far it came. */
async function append(supabase: Supabase, name: string, what: Upload, { path, at, piece }: Piece): Promise<void> {
  await send(
    supabase,
    name,
    async ({ signal, number }, about) => {
      const from = number === 1 ? at : await offsetOf(supabase, about, path, signal);
      const left = piece.subarray(from - at);
      if (from < at || from > at + piece.length)
        throw new StowageError("PRECONDITION", `${name}: another upload is at it`);
      if (left.length === 0) return;
      const headers = { ...TUS, "upload-offset": String(from), "content-type": "application/offset+octet-stream" };
      const answer = await supabase.fetch(about, path, { method: "PATCH", headers, body: left, signal });
      await answer.arrayBuffer();
      const now = Number(answer.headers.get("upload-offset"));
      if (now !== at + piece.length)
        throw unavailable(`${name}: the store took ${now} bytes, not ${at + piece.length}`);
    },
    { signal: what.signal, timeout: PATIENCE },
  );
}

/** The last piece has the service put the object together. */
const PATIENCE = 5 * 60_000;

async function offsetOf(supabase: Supabase, about: string, path: string, signal: AbortSignal): Promise<number> {
  const answer = await supabase.fetch(about, path, { method: "HEAD", headers: TUS, signal });
  return Number(answer.headers.get("upload-offset"));
}

/** Never fails: the error that led here is the one to be told. */
async function end(supabase: Supabase, name: string, path: string): Promise<void> {
  try {
    await send(supabase, name, ({ signal }, about) =>
      supabase.fetch(about, path, { method: "DELETE", headers: TUS, signal }),
    );
  } catch {
    // The service drops it after a day.
  }
}

/** The bytes, `size` at a time; a piece is only valid until the next one is asked for. */
async function* piecesOf(what: Upload, size: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(size, what.size));
  let filled = 0;
  for await (const bytes of what.bytes()) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < buffer.length) continue;
      yield buffer;
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
