import { execFileSync } from "node:child_process";
import {
  type BigIntStats,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Backend } from "../../src/backend/backend.js";
import { localBackend } from "../../src/backend/local.js";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.js";
import { sql } from "../../src/catalog/sql.js";
import type { Config, Location } from "../../src/config/config.js";
import { type ScanOptions, type ScanReport, scan } from "../../src/scan/scan.js";

export const CLOCK = Date.parse("2026-06-01T00:00:00Z");
export const DAY = 86_400_000;

/** Real directories, a catalog and the configuration over them. */
export interface Places {
  dir: string;
  config: Config;
  catalog: Catalog;
  backends: Map<string, Backend>;
  root(location: string): string;
  /** Writes a file with an old mtime, or the given one in milliseconds. */
  put(address: string, bytes: string | Buffer, mtime?: number): string;
  link(address: string, target: string): void;
  symlink(address: string, target: string): void;
  remove(address: string): void;
  stat(address: string): BigIntStats;
  scan(options?: Partial<ScanOptions>, catalog?: Catalog): Promise<ScanReport>;
  /** The catalog's rows as `location:key`, in order, with the columns asked for. */
  rows(columns?: string): Promise<Record<string, unknown>[]>;
  /** Location → suspicion. */
  suspects(): Promise<Record<string, string | null>>;
  /** Closes the catalog, deletes its files and opens a new one. */
  forget(): Promise<void>;
  /** Opens the catalog that was closed. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export type Setting = Partial<Location> & { unmarked?: boolean };

/** Through worker threads as on a disk, or through the backend's own methods as for any other storage. */
export type Way = "threads" | "backend";

export async function openPlaces(
  locations: Record<string, Setting> = { a: {} },
  settings: { settle?: number; maxShrink?: number; way?: Way } = {},
): Promise<Places> {
  const dir = mkdtempSync(join(tmpdir(), "stowage-scan-"));
  const file = join(dir, "state", "catalog.duckdb");
  const config = configOver(dir, locations, settings);
  const backends = new Map<string, Backend>();
  for (const location of config.locations) backends.set(location.name, open(location, settings.way));
  for (const { name, root } of config.locations) {
    if (locations[name]?.root !== undefined) continue;
    mkdirSync(root, { recursive: true });
    if (!locations[name]?.unmarked) await backends.get(name)?.writeMarker(uuidOf(name));
  }
  let catalog = await openCatalog(file);
  const path = (address: string) => {
    const colon = address.indexOf(":");
    return join(rootOf(address.slice(0, colon)), address.slice(colon + 1));
  };
  const rootOf = (name: string) => config.locations.find((location) => location.name === name)?.root ?? "";
  const parent = (address: string) => mkdirSync(dirname(path(address)), { recursive: true });
  return {
    ...{ dir, config, backends, root: rootOf },
    get catalog() {
      return catalog;
    },
    put(address, bytes, mtime = CLOCK - 100 * DAY) {
      parent(address);
      writeFileSync(path(address), bytes);
      utimesSync(path(address), mtime / 1000, mtime / 1000);
      return path(address);
    },
    link(address, target) {
      parent(address);
      linkSync(path(target), path(address));
    },
    symlink(address, target) {
      parent(address);
      symlinkSync(target, path(address));
    },
    remove: (address) => rmSync(path(address), { recursive: true }),
    stat: (address) => lstatSync(path(address), { bigint: true }),
    scan: (options = {}, into = catalog) =>
      scan(config, into, usable(config, backends), { now: CLOCK, threads: 2, ...options }),
    rows: (columns = "state") =>
      catalog.rows(sql<Record<string, unknown>>`
        SELECT location || ':' || key AS at, ${{ text: columns, values: [] }} FROM file_locations ORDER BY location, key`),
    async suspects() {
      const rows = await catalog.rows(sql<{ name: string; suspect: string | null }>`
        SELECT name, suspect FROM storage_locations ORDER BY name`);
      return Object.fromEntries(rows.map(({ name, suspect }) => [name, suspect]));
    },
    async forget() {
      await catalog.close();
      rmSync(dirname(file), { recursive: true });
      catalog = await openCatalog(file);
    },
    async reopen() {
      catalog = await openCatalog(file);
    },
    async close() {
      await catalog.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const uuidOf = (location: string): string =>
  `00000000-0000-4000-8000-${Buffer.from(location).toString("hex").padStart(12, "0")}`;

const usable = (config: Config, backends: Map<string, Backend>) =>
  new Map(
    [...backends].filter(([name]) =>
      config.locations.some((location) => location.name === name && ["active", "draining"].includes(location.status)),
    ),
  );

function open(location: Location, way: Way = "threads"): Backend {
  const backend = localBackend(location.name, location.root);
  if (way === "threads") return backend;
  const { root: _, ...other } = backend;
  return other;
}

export function configOver(
  dir: string,
  locations: Record<string, Setting>,
  settings: { settle?: number; maxShrink?: number },
): Config {
  return {
    file: join(dir, "storage.yaml"),
    digest: "sha256:0",
    settings: {
      ...{ state: join(dir, "state"), timezone: "UTC", transfer: { concurrency: 2, retries: 0 } },
      ...{ settle: settings.settle ?? 0, planTtl: DAY },
    },
    safety: {
      minCopies: 1,
      verify: "content",
      trash: 0,
      maxDelete: { files: 500, percent: 10 },
      maxShrink: settings.maxShrink ?? 0.5,
    },
    locations: Object.entries(locations).map(([name, { unmarked: _, ...given }], order) => ({
      ...{
        name,
        type: "local",
        root: join(dir, name),
        priority: 50,
        purpose: ["organized"],
        capacity: {},
        exclude: [],
      },
      ...{ windows: [], allowUnconditionalDelete: false },
      ...{ domain: name, readOnly: false, status: "active", line: order + 1, order },
      ...given,
    })),
    sets: [],
    rules: [],
    require: [],
  };
}

/**
 * Scans as a user whom permissions bind, from the built package: root reads everything. Closes the places' own catalog;
 * returns the report and the suspicions.
 */
export async function scanAsNobody(
  places: Places,
  options: Pick<ScanOptions, "threads"> = {},
): Promise<ScanReport & { suspects: Record<string, string | null> }> {
  await places.catalog.close();
  const dist = new URL("../../dist/", import.meta.url).href;
  const script = `
    import { openCatalog } from "${dist}catalog/catalog.js";
    import { sql } from "${dist}catalog/sql.js";
    import { openBackends } from "${dist}backend/open.js";
    import { scan } from "${dist}scan/scan.js";
    const config = ${JSON.stringify(places.config)};
    const catalog = await openCatalog(config.settings.state + "/catalog.duckdb");
    const report = await scan(config, catalog, await openBackends(config), { now: ${CLOCK}, ...${JSON.stringify(options)} });
    const rows = await catalog.rows(sql\`SELECT name, suspect FROM storage_locations\`);
    await catalog.close();
    console.log(JSON.stringify({ ...report, suspects: Object.fromEntries(rows.map((row) => [row.name, row.suspect])) }));`;
  const root = process.getuid?.() === 0;
  if (root) execFileSync("chown", ["-R", "65534:65534", places.dir]);
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: places.dir,
    ...(root && { uid: 65534, gid: 65534 }),
  });
  await places.reopen();
  return JSON.parse(output);
}
