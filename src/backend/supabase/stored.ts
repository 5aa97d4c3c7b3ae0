import { codeOf, StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import { dataOf, pathOf, type Supabase, send } from "./client.js";

/** An object as `info` answers. The SDK's own `info` is not used: it rewrites the names of metadata. */
interface Info {
  size: number | null;
  etag: string | null;
  last_modified: string | null;
  created_at: string | null;
  metadata: Record<string, unknown> | null;
}

/** See `ObjectStore.head`. */
export async function head(supabase: Supabase, name: string, signal?: AbortSignal): Promise<Stored | undefined> {
  const path = pathOf(name);
  try {
    const info = await send(
      supabase,
      name,
      async (attempt, what) => {
        const to = `/object/info/${supabase.bucket}/${path}`;
        const response = await supabase.fetch(what, to, { signal: attempt.signal });
        const body: Info = JSON.parse(await response.text());
        return body;
      },
      { signal },
    );
    return { ...described(name, info.size, info.etag, info.last_modified), metadata: textsOf(info.metadata) };
  } catch (error) {
    if (codeOf(error) !== "NOT_FOUND") throw error;
    await requireBucket(supabase, signal);
    return undefined;
  }
}

/** The service says of a bucket that is not there that its objects are not, and lists nothing (I5). @throws `UNAVAILABLE` */
export async function requireBucket(supabase: Supabase, signal: AbortSignal | undefined): Promise<void> {
  const { bucket } = supabase;
  await send(
    supabase,
    supabase.address,
    async (attempt, what) => dataOf(await supabase.sdk(what, attempt.signal).getBucket(bucket)),
    { signal },
  );
}

/** What a listing tells as well. The token is of the bytes and of the moment of writing: listings do not tell the version. */
export function described(
  name: string,
  size: number | null | undefined,
  etag: string | null | undefined,
  updated: string | null | undefined,
): Omit<Stored, "metadata"> {
  const modified = Date.parse(updated ?? "");
  // An upload that is under way, or an answer of another kind.
  if (!etag || Number.isNaN(modified)) throw unavailable(`${name}: the store does not tell its version`);
  const token = `${etag.replace(/^"|"$/g, "")}@${new Date(modified).toISOString()}`;
  return { name, size: size ?? 0, token, modified };
}

const textsOf = (metadata: Record<string, unknown> | null): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));

/** The ETag in a token. @throws `PRECONDITION` for the token of another store */
export function etagOf(name: string, token: string): string {
  const cut = token.lastIndexOf("@");
  if (cut < 0) throw new StowageError("PRECONDITION", `${name} does not have the version ${token}`);
  return token.slice(0, cut);
}
