import { compareKeys } from "../../lib/key.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import { dataOf, type Supabase, send } from "./client.js";
import { described, requireBucket } from "./stored.js";

/**
 * See `ObjectStore.list`. Pages by cursor, in the order of names; the older listing by folders and offsets misses names when others
 * write, and takes `_` in a folder for any character.
 */
export async function* list(
  supabase: Supabase,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Stored[]> {
  let last: string | undefined;
  for (let cursor: string | undefined; ; ) {
    const { objects, hasNext, nextCursor } = await onePage(supabase, prefix, cursor, signal);
    const page = objects.filter(({ name }) => name.startsWith(prefix));
    for (const { name } of page) {
      // Trusting a page that came before would hide that another one is missing.
      if (last !== undefined && compareKeys(name, last) <= 0)
        throw unavailable(`${supabase.address}: a page of the listing came twice`);
      last = name;
    }
    if (page.length > 0) {
      yield page.map(({ name, metadata, updated_at }) => described(name, metadata?.size, metadata?.eTag, updated_at));
    }
    if (!hasNext) break;
    if (!nextCursor || nextCursor === cursor) throw unavailable(`${supabase.address}: the listing does not go on`);
    cursor = nextCursor;
  }
  await requireBucket(supabase, signal);
}

async function onePage(
  supabase: Supabase,
  prefix: string,
  cursor: string | undefined,
  signal: AbortSignal | undefined,
) {
  const { bucket, limits } = supabase;
  return await send(
    supabase,
    supabase.address,
    async (attempt, what) => {
      const files = supabase.sdk(what, attempt.signal).from(bucket);
      const options = { prefix, limit: limits.page, ...(cursor !== undefined && { cursor }) };
      return dataOf(await files.listV2(options));
    },
    { signal },
  );
}
