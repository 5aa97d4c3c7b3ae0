import type { Backend } from "../backend/backend.js";
import { isTransient } from "../backend/retry.js";
import { messageOf, StowageError } from "../lib/error.js";
import { groupBy } from "../lib/iter.js";
import type { PlanScan } from "../plan/plan.js";

/** Which locations may be touched (S14). A location that failed once stays out for the rest of the run. */
export interface Health {
  /** The marker was right a moment ago. @throws `LOCATION_SUSPECT`, and `UNAVAILABLE` for a store that does not answer */
  require(location: string): Promise<void>;
  /** Looks at the marker now: for the last look before a removal. @throws as `require` does */
  requireNow(location: string): Promise<void>;
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
  const health: Health = {
    async require(location) {
      if (performance.now() - (seen.get(location) ?? -MOMENT) >= MOMENT) await health.requireNow(location);
    },
    async requireNow(location) {
      const known = suspect.get(location);
      if (known !== undefined) throw suspectError(location, known);
      const found = await problemNow(backends.get(location), uuids.get(location));
      if (found === undefined) {
        seen.set(location, performance.now());
        return;
      }
      seen.delete(location);
      suspect.set(location, found);
      throw suspectError(location, found);
    },
  };
  for (const { locations, are } of await samePlaces(scans, backends)) {
    for (const location of locations) suspect.set(location, `${locations.join(" and ")} ${are}`);
  }
  return health;
}

async function problemNow(backend: Backend | undefined, uuid: string | undefined): Promise<string | undefined> {
  if (!backend) return "it is not available";
  if (uuid === undefined) return "the plan does not know it";
  try {
    const found = await backend.marker();
    if (found === undefined) return "its marker is missing: it may be an empty mount point";
    if (found !== uuid.toLowerCase()) return `its marker is ${found}, not ${uuid}: another disk may be mounted there`;
    return undefined;
  } catch (error) {
    // A bucket that does not answer is no other one for that: what needs it fails, or waits for it.
    if (backend.resilient && isTransient(error)) throw error;
    return messageOf(error, backend.location);
  }
}

interface Place {
  location: string;
  place: string;
}

/** Locations that lead to one place, or into each other, would each take the other's objects for second copies. */
async function samePlaces(
  scans: readonly PlanScan[],
  backends: ReadonlyMap<string, Backend>,
): Promise<{ locations: string[]; are: string }[]> {
  const [markers, identities]: [Place[], Place[]] = [[], []];
  for (const { location, uuid } of scans) {
    if (uuid !== null) markers.push({ location, place: uuid.toLowerCase() });
    try {
      const place = await backends.get(location)?.identity();
      if (place !== undefined) identities.push({ location, place });
    } catch {
      // Not reachable: `require` will say so when somebody wants it.
    }
  }
  const same = [
    ...groupBy(markers, ({ place }) => place).values(),
    ...groupBy(identities, ({ place }) => place).values(),
  ]
    .filter((group) => group.length > 1)
    .map((group) => ({ locations: group.map(({ location }) => location), are: "are one and the same storage" }));
  return [...same, ...nested(identities)];
}

/** A bucket's identity is a URL, and a prefix in it is a path below: `s3://h/b/` holds all of `s3://h/b/x/`. */
function nested(places: readonly Place[]): { locations: string[]; are: string }[] {
  const buckets = places.filter(({ place }) => place.includes("://"));
  const below = (place: string) => (place.endsWith("/") ? place : `${place}/`);
  return buckets.flatMap((outer) =>
    buckets
      .filter(({ place }) => place !== outer.place && below(place).startsWith(below(outer.place)))
      .map((inner) => ({ locations: [outer.location, inner.location], are: "lie one inside the other" })),
  );
}

const suspectError = (location: string, why: string): StowageError =>
  new StowageError("LOCATION_SUSPECT", `${location} is not touched: ${why}`, {
    hint: "Connect or mount it and run `stowage location check`; `stowage init` adopts a new one.",
  });
