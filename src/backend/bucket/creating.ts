import type { Bucket, CreatingVerdicts } from "./bucket.js";
import { honoursCreating } from "./probe.js";

/** Objects after which what is tried, with ten requests or so, costs less than what it saves; and bytes. */
const [MANY, LARGE] = [16, 1 << 20];

/** See `Backend.refusesTaken`. */
export const refusesTaken = async (bucket: Bucket, run?: string): Promise<boolean> =>
  (await tried(bucket, run)).refusesTaken;

/**
 * Whether the store has proven the bytes of what was just created when it took them (I4): it has hashed them itself, for that is what it compares with
 * the signature. Tried once there is enough to be gained: what is not proven so is read back.
 */
export async function provesSigned(bucket: Bucket, size: number, run?: string): Promise<boolean> {
  bucket.written++;
  if (!bucket.store.signsBytes || (bucket.written <= MANY && size < LARGE)) return false;
  return (await tried(bucket, run)).checksSigned;
}

/** What this process has not seen itself does not count. Only where probing was allowed before: it removes what it tries with. */
async function tried(bucket: Bucket, run: string | undefined): Promise<CreatingVerdicts> {
  if (!bucket.features.store) return NEITHER;
  // What could not be tried is not known: then it is looked before, and read back, as ever.
  bucket.creating ??= honoursCreating(bucket, run).catch(() => NEITHER);
  return await bucket.creating;
}

const NEITHER: CreatingVerdicts = { refusesTaken: false, checksSigned: false };
