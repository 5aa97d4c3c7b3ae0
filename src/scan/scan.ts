import type { Backend } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { knownLocations, syncLocations } from "../catalog/scans.js";
import type { Config } from "../config/config.js";
import { chooseLocations, examineAll, refuseSameStorage } from "./health.js";
import { scanLocation, suspectScan } from "./location.js";
import { openMeter, type Progress } from "./meter.js";
import { openPool } from "./pool.js";
import type { LocationScan, LocationTask } from "./record.js";
import { closeStage, type HashMode } from "./stage.js";

export interface ScanOptions {
  /** Names of locations; all that are not offline or retired, where unset. */
  locations?: readonly string[];
  /** The clock of the scan, milliseconds since the epoch. */
  now: number;
  hash?: HashMode;
  /** Removals of our own that the catalog does not know of: they are no drift and no shrink. */
  removed?: Iterable<{ location: string; key: string }>;
  /** The UUIDs of the newest journal, for a catalog that was deleted. */
  expectedUuids?: ReadonlyMap<string, string>;
  onEvent?: (event: ScanEvent) => void;
  signal?: AbortSignal;
  /** Number of worker threads. */
  threads?: number;
  /** How often, in milliseconds, a long scan writes down the new files that it has read, in case it is killed. */
  checkpoint?: number;
}

export type ScanEvent = { type: "scan"; location: string } & Progress;

export interface ScanReport {
  /** The clock of the scan. */
  at: number;
  /** In config order. */
  locations: LocationScan[];
  /** Locations that are offline and so were not looked at; none where the locations were named. */
  offline: string[];
}

const CHECKPOINT_MS = 120_000;

/**
 * Brings the catalog up to date with the storage (S13). Each location is one transaction: its rows change together or
 * not at all, but that new files may already be there when it is killed. A location that can not be believed becomes suspect and keeps its rows as they were (S14); nothing is ever
 * taken for gone that was not looked for successfully. Storage is only read. Idempotent.
 * @throws `SAME_STORAGE` before anything is scanned, or when a listing shows the marker of another location; `UNKNOWN_LOCATION`, `LOCATION_AWAY`
 */
export async function scan(
  config: Config,
  catalog: Catalog,
  backends: ReadonlyMap<string, Backend>,
  options: ScanOptions,
): Promise<ScanReport> {
  const chosen = chooseLocations(config, options.locations);
  const removed = [...(options.removed ?? [])];
  const started = performance.now();
  const pool = openPool(options.threads);
  options.signal?.addEventListener("abort", pool.abort);
  const report: ScanReport = { at: options.now, locations: [], offline: [] };
  try {
    await syncLocations(catalog, config);
    const known = await knownLocations(catalog);
    const health = await examineAll(config, backends, known, options.expectedUuids);
    refuseSameStorage([...health.values()]);
    const uuids = uuidsOf(
      config,
      (name) => health.get(name)?.uuid ?? known.get(name)?.uuid ?? options.expectedUuids?.get(name),
    );
    for (const location of chosen) {
      const backend = backends.get(location.name);
      const found = health.get(location.name);
      if (!backend || !found || options.signal?.aborted) continue;
      const tell = (progress: Progress) => options.onEvent?.({ type: "scan", location: location.name, ...progress });
      report.locations.push(
        await scanOne({
          ...{ config, catalog, location, backend, pool, uuids, health: found },
          ...{ known: known.get(location.name), now: options.now, hash: options.hash ?? "auto" },
          checkpoint: options.checkpoint ?? CHECKPOINT_MS,
          removed: removed.flatMap((ref) => (ref.location === location.name ? [ref.key] : [])),
          elapsed: () => performance.now() - started,
          meter: openMeter(options.onEvent && tell, pool),
          ...(options.signal && { signal: options.signal }),
        }),
      );
    }
    if (!options.locations)
      report.offline = config.locations.flatMap(({ name, status }) => (status === "offline" ? [name] : []));
    return report;
  } finally {
    options.signal?.removeEventListener("abort", pool.abort);
    await pool.close();
    await closeStage(catalog);
  }
}

const uuidsOf = (
  { locations }: Config,
  uuidOf: (name: string) => string | null | undefined,
): ReadonlyMap<string, string> =>
  new Map(locations.flatMap(({ name }) => (uuidOf(name) ? [[uuidOf(name)?.toLowerCase() ?? "", name]] : [])));

const scanOne = (task: LocationTask): Promise<LocationScan> =>
  task.health.suspect === undefined ? scanLocation(task) : suspectScan(task, task.health.suspect, task.health.hint);
