import { codeOf } from "../../lib/error.js";
import type { Condition, Stored, Upload } from "../store.js";
import type { Bucket } from "./bucket.js";
import { isOf } from "./upload.js";

/**
 * Puts the object under the condition. A refusal or a lost answer is settled by looking (I6): what carries the mark of this upload is its work.
 * @returns undefined when the condition did not hold
 */
export async function publish(
  bucket: Pick<Bucket, "store">,
  name: string,
  upload: Upload,
  condition: Condition,
): Promise<Stored | undefined> {
  return await settled(bucket, name, upload, () => bucket.store.put(name, upload, condition));
}

/** The same for a change of any kind that writes `upload`'s metadata. */
export async function settled(
  { store }: Pick<Bucket, "store">,
  name: string,
  upload: Omit<Upload, "bytes">,
  change: () => Promise<Stored>,
): Promise<Stored | undefined> {
  try {
    return await change();
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (!AMBIGUOUS.has(code)) throw error;
    const there = await store.head(name);
    if (there && isOf(there, upload)) return there;
    if (code !== "PRECONDITION") throw error;
    return undefined;
  }
}

/** A second attempt may be told that the upload is not known any more, because the first has ended it. */
const AMBIGUOUS = new Set(["PRECONDITION", "UNAVAILABLE", "NOT_FOUND"]);
