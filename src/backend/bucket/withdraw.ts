import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import type { Upload } from "../store.js";
import { at, type Bucket } from "./bucket.js";
import { maySafelyRemove } from "./removable.js";
import { isOf } from "./upload.js";

/** The error, after what it is about was removed again: what this upload has published, and nothing else. */
export async function withdrawn(
  bucket: Bucket,
  key: string,
  name: string,
  upload: Omit<Upload, "bytes">,
  error: unknown,
): Promise<unknown> {
  if (await withdraw(bucket, name, upload)) return error;
  return new StowageError(
    codeOf(error) ?? "CORRUPT",
    `${messageOf(error)}; ${at(bucket, key)} could not be removed again`,
    { hint: "Delete that object by hand: it does not hold what its metadata say.", cause: error },
  );
}

/** False when it may still be there, also because another's object could be hit: the store does not look what it removes. */
async function withdraw(bucket: Bucket, name: string, upload: Omit<Upload, "bytes">): Promise<boolean> {
  const { store } = bucket;
  try {
    const there = await store.head(name);
    if (!there || !isOf(there, upload)) return true;
    if (!(await maySafelyRemove(bucket))) return false;
    await store.remove(name, there.token);
    return true;
  } catch {
    // The error that led here is the one to be told; that the object may still be there goes into its message.
    return false;
  }
}
