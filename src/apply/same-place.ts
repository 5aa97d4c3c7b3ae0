import type { Backend } from "../backend/backend.js";
import { isInside } from "../backend/inside.js";

/** A location that answered: where it is, and what its marker says. */
interface Place {
  location: string;
  backend: Backend;
  identity: string;
  uuid: string;
}

export interface SamePlaces {
  /** Asks a location where it is, once it answers, and compares that with all others. @throws what the backend throws: then it is asked again */
  identify(location: string): Promise<void>;
  /** Why the location is not one of its own, as far as it is known. */
  problem(location: string): string | undefined;
}

/** Locations that lead to one place, or into each other, would each take the other's objects for second copies. */
export function openSamePlaces(uuids: ReadonlyMap<string, string>, backends: ReadonlyMap<string, Backend>): SamePlaces {
  const places = new Map<string, Place>();
  const compared = new Set<string>();
  const problems = new Map<string, string>();
  const note = (a: string, b: string, are: string): void => {
    for (const location of [a, b]) problems.set(location, `${a} and ${b} ${are}`);
  };
  const known = [...uuids].map(([location, uuid]) => ({ location, uuid: uuid.toLowerCase() }));
  for (const [index, { location, uuid }] of known.entries()) {
    const twin = known.slice(0, index).find((other) => other.uuid === uuid);
    if (twin) note(twin.location, location, ONE);
  }
  return {
    async identify(location) {
      const [backend, uuid] = [backends.get(location), uuids.get(location)];
      if (!backend || uuid === undefined || compared.has(location)) return;
      const place = places.get(location) ?? { location, backend, uuid, identity: await backend.identity() };
      // Before it is compared: of two that answer at once the later one finds the other.
      places.set(location, place);
      for (const other of [...places.values()].filter((each) => each !== place)) {
        const are = await relation(other, place);
        if (are !== undefined) note(other.location, location, are);
      }
      compared.add(location);
    },
    problem: (location) => problems.get(location),
  };
}

const ONE = "are one and the same storage";
const NESTED = "lie one inside the other";

async function relation(a: Place, b: Place): Promise<string | undefined> {
  if (a.identity === b.identity) return ONE;
  if (isBelow(a.identity, b.identity) || isBelow(b.identity, a.identity)) return NESTED;
  const nested = (await isInside(a.backend, a.uuid, b.backend)) || (await isInside(b.backend, b.uuid, a.backend));
  return nested ? NESTED : undefined;
}

/** A bucket's identity is a URL, and a prefix in it is a path below: `s3://h/b/` holds all of `s3://h/b/x/`. */
const isBelow = (inner: string, outer: string): boolean =>
  outer.includes("://") && folder(inner).startsWith(folder(outer));
const folder = (place: string): string => (place.endsWith("/") ? place : `${place}/`);
