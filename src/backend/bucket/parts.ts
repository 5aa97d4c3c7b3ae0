import { StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import type { Stored, Upload } from "../store.js";
import { OWN_METADATA } from "../store.js";
import { type Bucket, temporaryName } from "./bucket.js";
import { publish } from "./publish.js";
import { small } from "./upload.js";

export const RECORD = ".upload";

/** An upload in parts that was begun, as it is noted among the temporaries. */
export interface PartsRecord {
  name: string;
  id: string;
  /** The mark of the upload. */
  upload: string;
  size: number;
}

/** Notes uploads in parts before their first part is sent: what a killed process leaves can be found and ended. */
export function recorder(bucket: Bucket, run: string | undefined, name: string, upload: Omit<Upload, "bytes">) {
  const begun: { id: string; record: string }[] = [];
  const mark = upload.metadata[OWN_METADATA.upload] ?? "";
  return {
    onParts: async (id: string): Promise<void> => {
      const record = temporaryName(bucket, run ?? "write", `${mark}.${begun.length}${RECORD}`);
      begun.push({ id, record });
      const text: PartsRecord = { name, id, upload: mark, size: upload.size };
      const bytes = Buffer.from(JSON.stringify(text));
      const noted = await publish(bucket, record, small(bucket, bytes, sha256Hex(bytes)), { absent: true });
      if (!noted) throw new StowageError("INVARIANT", `${bucket.location}: the record of an upload exists already`);
    },
    /** The upload is over. Never fails: a record that stays is listed by `leftovers`. */
    over: async (published: boolean): Promise<void> => {
      for (const { id, record } of begun) {
        await attempt(async () => {
          // Of several one may have been published; ending that one does nothing.
          if (!published || begun.length > 1) await bucket.store.abandon?.(name, id);
          // Without its record nobody would know that the empty object is ours.
          if (!published && isHeldFor(await bucket.store.head(name), { upload: mark, size: upload.size })) return;
          await bucket.store.discard(record);
        });
      }
    },
  };
}

/** True for the empty object that holds the name for that very upload. */
export const isHeldFor = (
  there: Stored | undefined,
  { upload, size }: Pick<PartsRecord, "upload" | "size">,
): there is Stored => there?.size === 0 && size > 0 && there.metadata?.[OWN_METADATA.upload] === upload;

async function attempt(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch {
    // See `over`.
  }
}
