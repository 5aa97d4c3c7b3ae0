import { StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { JOURNALS } from "../marker.js";
import { isShelfName, type Shelf } from "../shared.js";
import type { Bucket } from "./bucket.js";
import { publish } from "./publish.js";
import { bytesOf } from "./read.js";
import { small } from "./upload.js";

/** The pieces are objects below `.stowage-journal/`. */
export function bucketShelf(bucket: Bucket): Shelf {
  const base = `${bucket.prefix}${JOURNALS}/`;
  const nameOf = (name: string): string => {
    if (isShelfName(name)) return base + name;
    throw new StowageError("INVARIANT", `${name} is no name for a journal`);
  };
  return {
    async add(name, bytes) {
      const upload = small(bucket, bytes, sha256Hex(bytes));
      return (await publish(bucket, nameOf(name), upload, { absent: true })) !== undefined;
    },
    read: async (name) => await bytesOf(bucket, nameOf(name)),
    async *list(folder) {
      for await (const page of bucket.store.list(folder === undefined ? base : `${nameOf(folder)}/`)) {
        for (const { name, size } of page) yield { name: name.slice(base.length), size };
      }
    },
  };
}
