import type { Run } from "./run.js";

/** The same bytes, held back so that no more than `settings.transfer.bandwidth` go to and from places that are not local. */
export const paced = (
  run: Run,
  locations: readonly string[],
  bytes: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> => (locations.every((location) => isLocal(run, location)) ? bytes : run.limit(bytes));

/** It is on this machine: nobody says how fast its bytes may go. */
export const isLocal = (run: Pick<Run, "plan">, location: string): boolean =>
  run.plan.header.scans.find((scan) => scan.location === location)?.type === "local";

/** The time as `now` tells it, but never standing still: a rate can not be held by a clock that does. */
export function movingClock(now: () => number): () => number {
  const [started, from] = [now(), performance.now()];
  return () => Math.max(now(), started + performance.now() - from);
}
