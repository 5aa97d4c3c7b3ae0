import type { Backend } from "../backend/backend.js";
import { codeOf, StowageError } from "../lib/error.js";
import { runIds } from "./journal-read.js";
import { acquireLock } from "./lock.js";

/**
 * What the newest run of this state directory was removing when it was killed gets its name back (I1): its removal was not confirmed, so it
 * may be the only copy, and what is planned or done next has to see it. The caller holds the lock. What can not be reached now is for `gc`.
 */
export async function restoreNewest(state: string, backends: ReadonlyMap<string, Backend>): Promise<void> {
  const run = (await runIds(state)).at(-1);
  if (run === undefined) return;
  for (const backend of backends.values()) {
    await backend.restore?.(run).catch((error: unknown) => {
      if (!(error instanceof StowageError)) throw error;
    });
  }
}

/** The same before a plan is made. Does nothing while another apply is at work: then there was no kill. */
export async function recover(state: string, backends: ReadonlyMap<string, Backend>, now: number): Promise<void> {
  if ((await runIds(state)).length === 0) return;
  try {
    const lock = await acquireLock(state, now);
    try {
      await restoreNewest(state, backends);
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (codeOf(error) !== "LOCKED") throw error;
  }
}
