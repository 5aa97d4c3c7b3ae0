import type { Backend, Features } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { type KnownLocation, knownLocations, rememberFeatures } from "../catalog/scans.js";
import { type Config, isOutOfUse, type Location } from "../config/config.js";
import { messageOf, StowageError } from "../lib/error.js";
import { examine, type Health, noteInside, sameStorage } from "./health.js";
import { probeBackend, requireWritable } from "./probe.js";

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
  /** Found by `init`, of a store just now; null = never probed. */
  features: Features | null;
  totalBytes: number | null;
  freeBytes: number | null;
  /** How long the storage took to answer, in milliseconds; null = not asked. */
  latency: number | null;
}

/**
 * Looks at every location of the file, in config order. Changes nothing, but tries throw-away files and objects where files are to be
 * written, and keeps in the catalog what a store was seen to honour; offline and retired ones are not touched.
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
    const backend = isOutOfUse(location) ? undefined : backends.get(location.name);
    const check = unasked(location, known.get(location.name));
    checks.push(check);
    if (!backend) continue;
    const { health, latency } = await timed(backend, known.get(location.name)?.uuid ?? undefined);
    await noteInside(health, seen, backends);
    check.latency = latency;
    check.uuid = health.uuid ?? null;
    check.suspect = health.suspect ?? check.suspect;
    check.hint = health.hint ?? null;
    if (health.suspect === undefined) {
      await addSpace(check, backend);
      if (!location.readOnly) await tryToWrite(check, backend, catalog);
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

/** Requests over a network differ: the median of a few looks at the marker. */
const LOOKS = 5;

async function timed(backend: Backend, expected: string | undefined): Promise<{ health: Health; latency: number }> {
  const started = performance.now();
  const health = await examine(backend.location, backend, expected);
  const latency = performance.now() - started;
  if (backend.root !== undefined || health.suspect !== undefined) return { health, latency };
  const times: number[] = [];
  try {
    while (times.length < LOOKS) {
      const before = performance.now();
      await backend.marker();
      times.push(performance.now() - before);
    }
  } catch (error) {
    const suspect = messageOf(error, backend.location);
    return { health: { ...health, suspect, hint: "It answers now and then only: check again." }, latency };
  }
  return { health, latency: times.sort((a, b) => a - b)[Math.floor(LOOKS / 2)] ?? latency };
}

async function tryToWrite(check: LocationCheck, backend: Backend, catalog: Catalog): Promise<void> {
  try {
    if (backend.root !== undefined) return await requireWritable(check.location, backend.root);
    check.features = await probeBackend(backend);
    if (!catalog.readOnly) await rememberFeatures(catalog, check.location, check.features);
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
