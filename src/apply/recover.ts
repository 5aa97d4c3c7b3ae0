import type { Backend, Leftover } from "../backend/backend.js";
import { codeOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import type { ApplyEvent } from "./events.js";
import { runIds } from "./journal-read.js";
import { acquireLock } from "./lock.js";
import { whyOf } from "./redact.js";

/** What older runs left is for `gc`. */
const RECENT = 100;

/**
 * What recent runs of this state directory were removing when they were killed gets its name back (I1): its removal was not confirmed, so it
 * may be the only copy, and what is planned or done next has to see it. Not only of the newest run: the location may have been away since. The
 * caller holds the lock. A location that can not be reached keeps nothing from the others; that is told, and so is what stays away.
 */
export async function restoreRecent(
  state: string,
  backends: ReadonlyMap<string, Backend>,
  onEvent: (event: ApplyEvent) => void,
): Promise<void> {
  const runs = (await runIds(state)).slice(-RECENT).reverse();
  for (const [location, backend] of backends) {
    const warn = (error: StowageError) => onEvent({ type: "warning", ...whyOf(error, location) });
    try {
      for (const run of runs) for (const left of (await backend.restore?.(run)) ?? []) warn(staysAway(left, location));
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      warn(error);
    }
  }
}

/** A file without its name, which is taken, or which nobody knows any more. */
export const staysAway = ({ key, handle, unnamed }: Leftover, location: string): StowageError =>
  new StowageError(
    "PRECONDITION",
    unnamed
      ? `a file of ${location} was being removed when its run was killed, and nothing tells its name; its bytes are in ${printable(handle)}`
      : `${location}:${printable(key)} was being removed when its run was killed, and its name is taken now; its bytes are in ${printable(handle)}`,
    { hint: "Move the file from there to where it belongs by hand, or delete it." },
  );

/** The same before a plan is made. Does nothing while another apply is at work: then there was no kill. */
export async function recover(
  state: string,
  backends: ReadonlyMap<string, Backend>,
  now: number,
  onEvent: (event: ApplyEvent) => void,
): Promise<void> {
  if ((await runIds(state)).length === 0) return;
  try {
    const lock = await acquireLock(state, now);
    try {
      await restoreRecent(state, backends, onEvent);
    } finally {
      await lock.release();
    }
  } catch (error) {
    // A lock that could not be taken away again is told by whoever comes to it next.
    if (!["LOCKED", "LOCK_LEFT"].includes(codeOf(error) ?? "")) throw error;
  }
}
