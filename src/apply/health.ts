import type { Backend } from "../backend/backend.js";
import { isTransient } from "../backend/retry.js";
import { messageOf, StowageError } from "../lib/error.js";
import type { PlanScan } from "../plan/plan.js";
import { openSamePlaces, type SamePlaces } from "./same-place.js";

/** Which locations may be touched (S14). A location that failed once stays out for the rest of the run. */
export interface Health {
  /** The marker was right a moment ago. @throws `LOCATION_SUSPECT`, and `UNAVAILABLE` for a store that does not answer */
  require(location: string): Promise<void>;
  /** Looks at the marker now: for the last look before a removal. @throws as `require` does */
  requireNow(location: string): Promise<void>;
  /** The same, where one look that begins after the call does for all who have called by then. */
  requireSince(location: string): Promise<void>;
}

/** Milliseconds. */
const MOMENT = 200;

/** Judges the locations of a plan before anything is touched. */
export async function checkHealth(scans: readonly PlanScan[], backends: ReadonlyMap<string, Backend>): Promise<Health> {
  const suspect = new Map<string, string>();
  const uuids = new Map<string, string>();
  for (const { location, uuid, status } of scans) {
    if (uuid !== null) uuids.set(location, uuid);
    if (uuid === null) suspect.set(location, "it was not adopted when the plan was made");
    else if (status !== "complete" && status !== "partial")
      suspect.set(location, `it was ${status} when the plan was made`);
  }
  const seen = new Map<string, number>();
  /** Many actions want to know at the same moment: one of them asks. */
  const asking = new Map<string, Promise<void>>();
  const places = openSamePlaces(uuids, backends);
  /** A look that has not begun yet is for all who have asked by then. */
  const coming = new Map<string, Promise<void>>();
  const latest = new Map<string, Promise<void>>();
  const health: Health = {
    async require(location) {
      const fresh = performance.now() - (seen.get(location) ?? -MOMENT) < MOMENT;
      if (fresh && places.problem(location) === undefined) return;
      const asked = asking.get(location) ?? health.requireNow(location).finally(() => asking.delete(location));
      asking.set(location, asked);
      await asked;
    },
    async requireNow(location) {
      const known = suspect.get(location) ?? places.problem(location);
      if (known !== undefined) throw suspectError(location, known);
      const found = await problemNow(backends.get(location), uuids.get(location), places);
      if (found === undefined) {
        seen.set(location, performance.now());
        return;
      }
      seen.delete(location);
      suspect.set(location, found);
      throw suspectError(location, found);
    },
    requireSince(location) {
      const begin = (): Promise<void> => {
        coming.delete(location);
        const look = health.requireNow(location);
        latest.set(location, look);
        return look;
      };
      const look = coming.get(location) ?? (latest.get(location) ?? Promise.resolve()).then(begin, begin);
      coming.set(location, look);
      return look;
    },
  };
  for (const { location } of scans) {
    await places.identify(location).catch(() => {
      // Not reachable: it is asked again before it is touched.
    });
  }
  return health;
}

async function problemNow(
  backend: Backend | undefined,
  uuid: string | undefined,
  places: SamePlaces,
): Promise<string | undefined> {
  if (!backend) return "it is not available";
  if (uuid === undefined) return "the plan does not know it";
  try {
    const found = await backend.marker();
    if (found === undefined) return "its marker is missing: it may be an empty mount point";
    if (found !== uuid.toLowerCase()) return `its marker is ${found}, not ${uuid}: another disk may be mounted there`;
    await places.identify(backend.location);
    return places.problem(backend.location);
  } catch (error) {
    // A bucket that does not answer is no other one for that: what needs it fails, or waits for it.
    if (backend.resilient && isTransient(error)) throw error;
    return messageOf(error, backend.location);
  }
}

const suspectError = (location: string, why: string): StowageError =>
  new StowageError("LOCATION_SUSPECT", `${location} is not touched: ${why}`, {
    hint: "Connect or mount it and run `stowage location check`; `stowage init` adopts a new one.",
  });
