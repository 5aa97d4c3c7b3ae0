import { StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import { type Condition, OWN_METADATA, type Stored, type Upload } from "../store.js";
import { dataOf, pathOf, type Supabase, send } from "./client.js";
import { resumable } from "./resumable.js";
import { head } from "./stored.js";

/** See `ObjectStore.put`. The service has no condition on a token: replacing is plain overwriting there, which probing finds out. */
export async function upload(supabase: Supabase, name: string, what: Upload, condition: Condition): Promise<Stored> {
  const upsert = !("absent" in condition);
  const inPieces = what.size > supabase.limits.piece || (what.parts === true && what.size > 0);
  if (inPieces) await resumable(supabase, name, what, upsert);
  else await atOnce(supabase, name, what, upsert);
  return await written(supabase, name, what);
}

async function atOnce(supabase: Supabase, name: string, what: Upload, upsert: boolean): Promise<void> {
  const path = pathOf(name);
  const bytes = what.whole ?? (await gathered(what));
  const options = { upsert, metadata: what.metadata, contentType: "application/octet-stream", cacheControl: "0" };
  await send(
    supabase,
    name,
    async ({ signal }, about) => {
      const files = supabase.sdk(about, signal).from(supabase.bucket);
      dataOf(await files.upload(path, bytes, options));
    },
    { signal: what.signal, timeout: SILENCE + bytes.length / SLOWEST },
  );
}

/** Nothing tells how far a request got: it has the time that a slow line takes. In milliseconds, and bytes a millisecond. */
const SILENCE = 60_000;
const SLOWEST = 50;

async function gathered(what: Upload): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(what.size);
  let filled = 0;
  for await (const piece of what.bytes()) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes.subarray(0, filled);
}

/** The service does not say what it made of an upload, so it is looked at; an object of somebody else is none of ours. */
async function written(supabase: Supabase, name: string, what: Upload): Promise<Stored> {
  const stored = await head(supabase, name, what.signal);
  const mark = what.metadata[OWN_METADATA.upload];
  if (stored?.size === what.size && stored.metadata?.[OWN_METADATA.upload] === mark) return stored;
  throw new StowageError("PRECONDITION", `${printable(name)} was replaced while it was written`);
}
