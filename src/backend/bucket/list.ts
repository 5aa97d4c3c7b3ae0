import type { Entry, ListOptions } from "../backend.js";
import { isOwn } from "../marker.js";
import { aborted, type Bucket, isImpossible } from "./bucket.js";
import { believed, entryOf } from "./entry.js";

/** See `Backend.list`. Where the store's listing tells no metadata, `stat` has to tell the rest. */
export async function* listObjects(bucket: Bucket, { signal, onSkip }: ListOptions): AsyncGenerator<Entry> {
  const { prefix, store } = bucket;
  for await (const page of store.list(prefix, signal)) {
    if (signal?.aborted) throw aborted();
    for (const stored of page) {
      const key = stored.name.slice(prefix.length);
      if (key.startsWith(".") && isOwn(key.split("/", 1)[0] ?? "")) continue;
      if (isImpossible(key)) {
        onSkip?.(key || stored.name, "name");
        continue;
      }
      const entry = entryOf(key, believed(bucket, stored));
      if (!store.listsMetadata) entry.partial = true;
      yield entry;
    }
  }
}
