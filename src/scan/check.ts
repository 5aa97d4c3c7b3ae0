import type { Backend, Features } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { type KnownLocation, knownLocations } from "../catalog/scans.js";
import type { Config, Location } from "../config/config.js";
import { messageOf, StowageError } from "../lib/error.js";
import { examine, type Health, sameStorage } from "./health.js";
import { requireWritable } from "./probe.js";

/** How a location is now, and what is known of it. */
export interface LocationCheck {
  location: string;
  type: Location["type"];
  root: string;
  status: Location["status"];
  readOnly: boolean;
  /** The UUID that its marker shows now; null = none, or it could not be read. */
  uuid: string | null;
  /** Why nothing may rely on it: now, or since its last scan. */
  suspect: string | null;
  hint: string | null;
  /** Why nothing can be written there, found by trying; null = it can, or it is not to be. */
  unwritable: string | null;
  /** Found by `init`; null = never probed. */
  features: Features | null;
  totalBytes: number | null;
  freeBytes: number | null;
  /** How long the storage took to answer, in milliseconds; null = not asked. */
  latency: number | null;
}

/**
 * Looks at every location of the file, in config order. Changes nothing, but tries a throw-away file where files are to be
 * written; offline and retired ones are not touched.
 */
export async function checkLocations(
  config: Config,
  catalog: Catalog,
  backends: ReadonlyMap<string, Backend>,
): Promise<LocationCheck[]> {
  const known = await knownLocations(catalog);
  const checks: LocationCheck[] = [];
  const seen: Health[] = [];
  for (const location of config.locations) {
    const backend =
      location.status === "offline" || location.status === "retired" ? undefined : backends.get(location.name);
    const check = unasked(location, known.get(location.name));
    checks.push(check);
    if (!backend) continue;
    const started = performance.now();
    const health = await examine(location.name, backend, known.get(location.name)?.uuid ?? undefined);
    check.latency = performance.now() - started;
    check.uuid = health.uuid ?? null;
    check.suspect = health.suspect ?? check.suspect;
    check.hint = health.hint ?? null;
    if (health.suspect === undefined) {
      await addSpace(check, backend);
      if (!location.readOnly && backend.root !== undefined) await tryToWrite(check, backend.root);
    }
    for (const other of seen) {
      const why = sameStorage(health, other);
      if (why !== undefined) check.suspect = `it is the same storage as "${other.location}": ${why}`;
    }
    seen.push(health);
  }
  return checks;
}

const unasked = (location: Location, known: KnownLocation | undefined): LocationCheck => ({
  ...{ location: location.name, type: location.type, root: location.root, status: location.status },
  ...{ readOnly: location.readOnly, uuid: null, suspect: known?.suspect ?? null, hint: null, unwritable: null },
  features: known?.features ? (JSON.parse(known.features) as Features) : null,
  ...{ totalBytes: null, freeBytes: null, latency: null },
});

async function tryToWrite(check: LocationCheck, root: string): Promise<void> {
  try {
    await requireWritable(check.location, root);
  } catch (error) {
    check.unwritable = messageOf(error, check.location);
    if (error instanceof StowageError) check.hint ??= error.hint ?? null;
  }
}

async function addSpace(check: LocationCheck, backend: Backend): Promise<void> {
  try {
    const space = await backend.space();
    check.totalBytes = space?.total ?? null;
    check.freeBytes = space?.free ?? null;
  } catch (error) {
    check.suspect = messageOf(error, check.location);
  }
}
