import { type Features, removesSafely } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { sql } from "../catalog/sql.js";
import { type Config, isOutOfUse, type Location } from "../config/config.js";
import { collisionKey } from "../lib/key.js";
import type { PlanScan } from "./plan.js";

/** A location as the planner sees it: what storage.yaml says of it and what the last scan found. */
export interface Site {
  /** Position in config order; also its number in the work tables. */
  order: number;
  name: string;
  location: Location;
  /** Its instances take part: scanned, not suspect, status active or draining. */
  usable: boolean;
  /** Files may be put there; what arrives is counted. */
  writable: boolean;
  /** Files may be taken away: also from a location that is draining, where a rule names it. */
  removable: boolean;
  /** Why nothing is taken away, where the store is not known to let go safely. */
  stuck: { code: string; reason: string } | undefined;
  /** Its instances count as copies. */
  counted: boolean;
  /** What arrives there can not be looked at again before something else goes: the class that it is stored in. */
  shut: string | undefined;
  /** Why nothing can be placed there, where `writable` is false. */
  unavailable: { code: string; reason: string } | undefined;
  suspect: string | undefined;
  foldsCase: boolean;
  maxNameBytes: number;
  maxKeyBytes: number | undefined;
  /** Bytes of all its files as last seen. */
  used: number;
  /** Bytes that its files may take at most, and the two that it is the lower one of: `max`, and what the device has room for. Undefined = not known. */
  limit: number | undefined;
  max: number | undefined;
  room: number | undefined;
  /** Equal for local locations on one file system. */
  device: string | undefined;
  scan: PlanScan;
}

interface SiteRow {
  name: string;
  uuid: string | null;
  suspect: string | null;
  identity: string | null;
  features: string | null;
  total_bytes: number | null;
  free_bytes: number | null;
  last_scan: number | null;
  started_at: number | null;
  status: string | null;
  used: number;
  files: number;
}

const siteRows = sql<SiteRow>`
  SELECT l.name, l.uuid, l.suspect, l.identity, l.features, l.total_bytes, l.free_bytes, l.last_scan, s.started_at, s.status,
    coalesce(f.used, 0)::BIGINT AS used, coalesce(f.files, 0)::BIGINT AS files
  FROM storage_locations l
  LEFT JOIN scans s ON s.id = l.last_scan
  LEFT JOIN (SELECT location, sum(size) AS used, count(*) AS files FROM file_locations WHERE state <> 'missing' GROUP BY location) f
    ON f.location = l.name`;

/** The locations in config order. Retired ones are listed but neither usable nor writable. */
export async function loadSites(config: Config, catalog: Catalog): Promise<Site[]> {
  const rows = new Map((await catalog.rows(siteRows)).map((row) => [row.name, row]));
  return config.locations.map((location, order) =>
    toSite(location, order, rows.get(location.name), config.safety.verify),
  );
}

function toSite(location: Location, order: number, row: SiteRow | undefined, verify: Config["safety"]["verify"]): Site {
  const suspect = suspectReason(location, row);
  const usable = (location.status === "active" || location.status === "draining") && suspect === undefined;
  const unavailable = whyNotWritable(location, suspect);
  const features = row?.features ? (JSON.parse(row.features) as Partial<Features>) : undefined;
  const stuck = appendOnly(location, features);
  const room = roomOf(location, row);
  const { max } = location.capacity;
  return {
    order,
    name: location.name,
    location,
    usable,
    writable: unavailable === undefined,
    removable: usable && !location.readOnly && stuck === undefined,
    stuck,
    counted: usable && location.status === "active",
    shut: verify === "content" ? archiveClass(location) : undefined,
    unavailable,
    suspect,
    foldsCase: features?.foldsCase ?? false,
    maxNameBytes: features?.maxNameBytes ?? 255,
    maxKeyBytes: features?.maxKeyBytes,
    used: row?.used ?? 0,
    limit: max === undefined || room === undefined ? (max ?? room) : Math.min(max, room),
    max,
    room,
    device: location.type === "local" ? row?.identity?.split(":")[0] : undefined,
    scan: {
      location: location.name,
      type: location.type,
      root: location.root,
      priority: location.priority,
      uuid: row?.uuid ?? null,
      at: row?.started_at == null ? null : new Date(row.started_at).toISOString(),
      status: scanStatus(location, row, suspect),
      files: row?.files ?? 0,
      bytes: row?.used ?? 0,
    },
  };
}

/** A class whose objects have to be restored before they can be read. */
function archiveClass({ store }: Location): string | undefined {
  if (store?.type === "s3" && ["GLACIER", "DEEP_ARCHIVE"].includes(store.storageClass ?? "")) return store.storageClass;
  return store?.type === "azure" && store.storageClass === "Archive" ? store.storageClass : undefined;
}

function suspectReason(location: Location, row: SiteRow | undefined): string | undefined {
  if (isOutOfUse(location)) return undefined;
  if (!row || row.last_scan === null) return row?.suspect ?? "it has not been scanned yet";
  return row.suspect ?? undefined;
}

function scanStatus(location: Location, row: SiteRow | undefined, suspect: string | undefined): PlanScan["status"] {
  if (isOutOfUse(location)) return "offline";
  if (suspect !== undefined) return row?.last_scan == null ? "never" : "suspect";
  return row?.status === "complete" ? "complete" : "partial";
}

function whyNotWritable(location: Location, suspect: string | undefined): Site["unavailable"] {
  switch (location.status) {
    case "offline":
      return { code: "destination-offline", reason: `${location.name} is offline (status: offline)` };
    case "draining":
      return { code: "destination-draining", reason: `${location.name} is draining: nothing is written to it` };
    case "retired":
      return { code: "destination-retired", reason: `${location.name} is retired` };
    case "active":
      if (suspect !== undefined) return { code: "suspect", reason: suspect };
      return location.readOnly ? { code: "destination-read-only", reason: `${location.name} is read_only` } : undefined;
  }
}

/** A store that was not seen to honour conditions takes copies and lets nothing go, unless the owner says otherwise. */
function appendOnly(location: Location, features: Partial<Features> | undefined): Site["stuck"] {
  const { name, store, allowUnconditionalDelete } = location;
  if (store === undefined || allowUnconditionalDelete) return undefined;
  const directory = store.type === "plugin" && features !== undefined && features.store === undefined;
  if (directory || (features?.store && removesSafely(features.store))) return undefined;
  const reason = features?.store
    ? `${name} is append-only: its store does not honour what a safe removal needs (\`stowage location check\` tells what; versioning may help; \`allow_unconditional_delete: true\` removes all the same)`
    : `${name} lets nothing go before it is known what its store honours: run \`stowage location check\``;
  return { code: "append-only", reason };
}

/** What the device could take without going below `keep_free`. */
function roomOf(location: Location, row: SiteRow | undefined): number | undefined {
  const { keepFree } = location.capacity;
  const free = row?.free_bytes ?? undefined;
  if (row === undefined || free === undefined || row.total_bytes == null) return undefined;
  const keep = keepFree === undefined ? 0 : "bytes" in keepFree ? keepFree.bytes : keepFree.fraction * row.total_bytes;
  return row.used + Math.max(0, free - Math.ceil(keep));
}

/** Two keys with the same slot can not both exist at the site. */
export const slotOf = (site: Site, key: string): string => collisionKey(key, site.foldsCase);
