import type { Catalog } from "../catalog/catalog.js";
import { sql } from "../catalog/sql.js";
import type { Config } from "../config/config.js";
import type { Drift } from "./plan.js";
import { type PlanOptions, plan } from "./planner.js";

/**
 * `suspect`: it was there when it was last seen, and lies where nothing may be relied on now; `offline`: it was, and its owner has put the
 * location out of use since.
 */
export type SyncState = "synced" | "pending upload" | "pending update" | "conflict" | "missing" | "suspect" | "offline";

export interface Status {
  /** Files per state, over all locations. */
  summary: Record<SyncState, number>;
  locations: {
    location: string;
    files: number;
    bytes: number;
    states: Partial<Record<SyncState, number>>;
    suspect: string | null;
  }[];
  drift: Drift[];
}

export interface FileStatus {
  location: string;
  key: string;
  status: SyncState;
  detail: string | null;
}

/** How the files stand against storage.yaml: plans, changes nothing, and counts. `fileStates` has the files. */
export async function status(config: Config, catalog: Catalog, options: PlanOptions): Promise<Status> {
  const { footer } = await plan(config, catalog, options);
  const rows = await catalog.rows(sql<{ location: string; status: SyncState; files: number; bytes: number }>`
    SELECT location, status, count(*) AS files, sum(size)::BIGINT AS bytes FROM sync_status GROUP BY ALL ORDER BY location, status`);
  const suspects = new Map(
    footer.blocked.filter((each) => each.code === "suspect").map((each) => [each.address, each.reason]),
  );
  const summary: Status["summary"] = {
    ...{ synced: 0, "pending upload": 0, "pending update": 0 },
    ...{ conflict: 0, missing: 0, suspect: 0, offline: 0 },
  };
  for (const row of rows) summary[row.status] += row.files;
  const locations = config.locations.map(({ name }) => {
    const own = rows.filter((row) => row.location === name);
    return {
      location: name,
      files: own.reduce((sum, row) => sum + (row.status === "missing" ? 0 : row.files), 0),
      bytes: own.reduce((sum, row) => sum + (row.status === "missing" ? 0 : row.bytes), 0),
      states: Object.fromEntries(own.map((row) => [row.status, row.files])),
      suspect: suspects.get(`${name}:`) ?? null,
    };
  });
  return { summary, locations, drift: footer.drift };
}

/**
 * Every file with its state, by location and key; without `all` only those that are not in place, and with `away` those whose
 * whole location is suspect or offline as well. Call `status` first.
 */
export async function* fileStates(
  catalog: Catalog,
  { all = false, away = false }: { all?: boolean; away?: boolean } = {},
): AsyncGenerator<FileStatus> {
  yield* catalog.stream(sql<FileStatus>`
    SELECT location, key, status, detail FROM sync_status
    WHERE ${all} OR (status <> 'synced' AND (${away} OR status NOT IN ('suspect', 'offline'))) ORDER BY location, key`);
}
