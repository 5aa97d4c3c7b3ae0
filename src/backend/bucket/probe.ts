import { randomBytes } from "node:crypto";
import type { Features, StoreFeatures } from "../backend.js";
import { removesSafely } from "../backend.js";
import type { Bucket, CreatingVerdicts } from "./bucket.js";
import { type Ground, openGround } from "./ground.js";
import * as trials from "./trials.js";

/**
 * Tries everything that stowage may rely on, on throw-away objects, and looks at what is there afterwards: stores ignore
 * conditions without a word. Whatever is not plainly refused counts as not honoured. Leaves nothing behind, and clears what killed probes left.
 * @throws `ACCESS_DENIED`, `UNAVAILABLE`: then nothing is known
 */
export async function probeStore(bucket: Bucket, signal?: AbortSignal): Promise<Features> {
  const verdicts = await onGround(bucket, signal, async (ground): Promise<StoreFeatures> => {
    return {
      ...(await trials.removal(ground)),
      createOnlyParts: await trials.createOnlyParts(ground),
      oneWinner: await trials.oneWinner(ground),
      conditionalReplace: await trials.conditionalReplace(ground),
      conditionalRead: await trials.conditionalRead(ground),
      conditionalCopy: await trials.conditionalCopy(ground),
      checksums: await trials.checksums(ground),
      versioned: await ground.during("asking for its versioning", () => bucket.store.versioned()),
    };
  });
  bucket.features.store = verdicts;
  bucket.features.probed = bucket.store.address;
  bucket.removable = Promise.resolve(removesSafely(verdicts));
  return bucket.features;
}

/** Whether removals can rely on the store's conditions, seen by this process with few requests. */
export const honoursRemoval = async (bucket: Bucket): Promise<boolean> =>
  removesSafely(await onGround(bucket, undefined, trials.removal));

/** What becomes of what is created, with few requests. */
export const honoursCreating = (bucket: Bucket, run: string | undefined): Promise<CreatingVerdicts> =>
  onGround(
    bucket,
    undefined,
    async (ground) => {
      const signsBytes = bucket.store.signsBytes === true;
      // At once, as what is to be copied waits for them; to the end, as all is removed after it.
      const [taken, signed] = await Promise.allSettled([
        trials.createOnly(ground),
        signsBytes && trials.signedBytes(ground),
      ]);
      return { refusesTaken: outcomeOf(taken), checksSigned: outcomeOf(signed) };
    },
    run,
  );

function outcomeOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

/** Whether creating and replacing can rely on the store's conditions. */
export const honoursReplacing = async (bucket: Bucket): Promise<boolean> =>
  await onGround(bucket, undefined, async (ground) => {
    const { createOnly } = await trials.removal(ground);
    return createOnly && (await trials.oneWinner(ground)) && (await trials.conditionalReplace(ground));
  });

async function onGround<T>(
  bucket: Bucket,
  signal: AbortSignal | undefined,
  body: (ground: Ground) => Promise<T>,
  run?: string,
): Promise<T> {
  const ground = openGround(bucket, randomBytes(6).toString("hex"), signal, run);
  let result: T;
  try {
    result = await body(ground);
  } catch (error) {
    // Why nothing is known is what is to be told; what is left is found by the next probe, what a run left by its end.
    await ground.clear().catch(() => undefined);
    throw error;
  }
  await ground.during("removing throw-away objects", ground.clear);
  return result;
}
