import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend, StoreFeatures } from "../../src/backend/backend.js";
import { bucketBackend } from "../../src/backend/bucket.js";
import type { ObjectStore, Stored } from "../../src/backend/store.js";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.js";
import { sql } from "../../src/catalog/sql.js";
import type { Config, Location } from "../../src/config/config.js";
import { sha256Hex } from "../../src/lib/json.js";
import { type ScanOptions, type ScanReport, scan } from "../../src/scan/scan.js";
import { type VerifyOptions, type VerifyReport, verify } from "../../src/scan/verify.js";
import { type MemoryStore, type MemoryStoreOptions, memoryStore, straight } from "../../src/testing/memory-store.js";
import { CLOCK, configOver, DAY, uuidOf } from "./places.js";

export interface BucketOptions extends MemoryStoreOptions {
  /** Without a marker. */
  unmarked?: boolean;
  location?: Partial<Location>;
  prefix?: string;
  /** What an earlier probe has seen. */
  verdicts?: StoreFeatures;
}

/** A bucket in memory as the location `s3`, and a catalog. */
export interface BucketPlace {
  store: MemoryStore;
  backend: Backend;
  config: Config;
  catalog: Catalog;
  backends: Map<string, Backend>;
  /** Classes and restores by name, as lifecycle rules change them without writing the object. */
  shelves: Map<string, { storageClass: string; archived?: string }>;
  tags: Map<string, string[]>;
  /** Names whose HEAD fails. */
  broken: Map<string, Error>;
  put(key: string, bytes: string | Buffer, metadata?: Record<string, string>): void;
  /** With the metadata that stowage writes. */
  putOwn(key: string, bytes: string | Buffer, metadata?: Record<string, string>): void;
  scan(options?: Partial<ScanOptions>): Promise<ScanReport>;
  verify(options?: Partial<VerifyOptions>): Promise<VerifyReport>;
  rows(columns: string): Promise<Record<string, unknown>[]>;
  /** The names that were asked for since the last look, by kind of request, without stowage's own. */
  requests(): Record<"head" | "read" | "tags", string[]>;
  close(): Promise<void>;
}

export const LATER = CLOCK + 10 * DAY;

/** Of a store that honours everything. */
export const TRUSTED: StoreFeatures = {
  createOnly: true,
  createOnlyParts: true,
  oneWinner: true,
  conditionalReplace: true,
  conditionalRemove: true,
  conditionalRead: true,
  listAfterWrite: true,
  conditionalCopy: true,
  checksums: true,
  versioned: false,
};

export async function openBucket(options: BucketOptions = {}): Promise<BucketPlace> {
  const { prefix = "", location = {}, unmarked, ...rest } = options;
  const dir = mkdtempSync(join(tmpdir(), "stowage-bucket-"));
  const store = memoryStore(rest);
  const [shelves, tags, broken] = [new Map(), new Map<string, string[]>(), new Map<string, Error>()];
  const backend = bucketBackend("s3", prefix, shelved(store, { shelves, tags, broken }), straight, {
    allowUnconditionalDelete: false,
    ...(options.verdicts && { verdicts: options.verdicts }),
  });
  if (!unmarked) await backend.writeMarker(uuidOf("s3"));
  const s3: Partial<Location> = { type: "s3", root: store.address, store: { type: "s3", bucket: "media", prefix } };
  const config = configOver(dir, { s3: { ...s3, ...location } }, {});
  const catalog = await openCatalog(join(dir, "state", "catalog.duckdb"));
  const backends = new Map([["s3", backend]]);
  const put = (key: string, bytes: string | Buffer, metadata: Record<string, string> = {}) =>
    void store.overwrite(prefix + key, Buffer.from(bytes), metadata);
  let seen = 0;
  return {
    ...{ store, backend, config, catalog, backends, shelves, tags, broken, put },
    putOwn: (key, bytes, metadata = {}) =>
      put(key, bytes, { "stowage-sha256": sha256Hex(bytes.toString()), mtime: "1700000000.5", ...metadata }),
    scan: (given = {}) => scan(config, catalog, backends, { now: CLOCK, threads: 2, ...given }),
    verify: (given = {}) => verify(config, catalog, backends, { now: LATER, threads: 2, ...given }),
    rows: (columns) =>
      catalog.rows(sql<Record<string, unknown>>`
        SELECT key, ${{ text: columns, values: [] }} FROM file_locations ORDER BY location, key`),
    requests() {
      const since = store.log.slice(seen).filter((line) => !line.includes(".stowage-"));
      seen = store.log.length;
      const of = (kind: string) =>
        since.flatMap((line) => (line.startsWith(`${kind} `) ? [line.split(" ")[1] ?? ""] : [])).sort();
      return { head: of("head"), read: of("read"), tags: of("tags") };
    },
    async close() {
      await catalog.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

type Shelves = Pick<BucketPlace, "shelves" | "tags" | "broken">;

function shelved(store: MemoryStore, { shelves, tags, broken }: Shelves): ObjectStore {
  const dress = (stored: Stored): Stored => ({
    ...stored,
    ...(shelves.get(stored.name) ?? { storageClass: "STANDARD" }),
  });
  return {
    ...store,
    async head(name) {
      const found = await store.head(name);
      const error = broken.get(name);
      if (error) throw error;
      return found && dress(found);
    },
    async *list(prefix) {
      for await (const page of store.list(prefix)) yield page.map(dress);
    },
    async tags(name) {
      store.log.push(`tags ${name}`);
      return tags.get(name) ?? [];
    },
  };
}
