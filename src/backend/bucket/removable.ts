import { StowageError } from "../../lib/error.js";
import type { Bucket } from "./bucket.js";
import { honoursRemoval } from "./probe.js";

/** Whether the store's conditions can be relied on for removals. What this process has not seen itself does not count. */
export async function isRemovable(bucket: Bucket): Promise<boolean> {
  bucket.removable ??= honoursRemoval(bucket);
  return await bucket.removable.catch((error: unknown) => {
    delete bucket.removable;
    throw error;
  });
}

/** Whether what is one's own can be removed: no other's object is hit, or the owner has allowed for that. */
export const maySafelyRemove = async (bucket: Bucket): Promise<boolean> =>
  bucket.allowUnconditionalDelete || (await isRemovable(bucket));

/**
 * Whether removals can be conditional.
 * @throws `APPEND_ONLY` when they can not, and the owner has not allowed it without
 */
export async function requireRemovable(bucket: Bucket): Promise<boolean> {
  const conditional = await isRemovable(bucket);
  if (conditional || bucket.allowUnconditionalDelete) return conditional;
  throw new StowageError(
    "APPEND_ONLY",
    `${bucket.location}: nothing is removed here, because the store does not honour the conditions of a safe removal`,
    {
      hint: "Another program's write could be lost. Where nobody else writes, `allow_unconditional_delete: true` at this location lets stowage remove all the same.",
    },
  );
}
