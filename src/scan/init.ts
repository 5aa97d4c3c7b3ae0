import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import type { Backend, Features } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { knownLocations, rememberFeatures, syncLocations } from "../catalog/scans.js";
import { sql } from "../catalog/sql.js";
import type { Config, Location } from "../config/config.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import { examineAll, refuseSameStorage } from "./health.js";
import { probeBackend } from "./probe.js";

export interface InitOptions {
  /** Make the root when it is not there. */
  create?: boolean;
  /** The owner's word that what is there now is the location: another marker, no marker any more, far fewer files. */
  adopt?: boolean;
  /** The UUID of the newest journal, for a catalog that was deleted. */
  expected?: string;
  /** All locations, opened: a storage that has two names is refused before it is marked. */
  backends?: ReadonlyMap<string, Backend>;
}

export interface InitResult {
  location: string;
  /** `adopted`: a marker was written. `known`: it had one. `accepted`: it is taken for the location from now on, by the owner's word. */
  outcome: "adopted" | "known" | "accepted";
  uuid: string;
  /** The root was made. */
  created: boolean;
  /** What the file system or the store can do; undefined for a location that is only read. */
  features?: Features;
}

/**
 * Adopts a location: writes its marker if it has none, and probes what its file system can do, or what its store honours. Idempotent. Nothing
 * but the marker stays behind; an existing marker is never changed. Buckets are never created.
 * @throws `ROOT_MISSING` without `create`; `UNAVAILABLE` where the bucket is not there; `NOT_ADOPTED` where the catalog knows another storage under this name, without `adopt`; `SAME_STORAGE`
 */
export async function initLocation(
  config: Config,
  catalog: Catalog,
  location: Location,
  backend: Backend,
  options: InitOptions = {},
): Promise<InitResult> {
  await syncLocations(catalog, config);
  const known = await knownLocations(catalog);
  const expected = known.get(location.name)?.uuid ?? options.expected;
  const created = await ensureRoot(location, backend, options.create ?? false);
  refuseSameStorage([...(await examineAll(config, options.backends ?? new Map(), known)).values()]);

  const marker = await backend.marker();
  const outcome = decideOutcome(location, marker, expected, options.adopt ?? false);
  const uuid = marker ?? randomUUID();
  if (marker === undefined) await mark(backend, uuid);
  const features = location.readOnly ? undefined : await probeBackend(backend);
  await remember(catalog, location, uuid, features, options.adopt ?? false);
  return { location: location.name, outcome, uuid, created, ...(features && { features }) };
}

async function ensureRoot(location: Location, backend: Backend, create: boolean): Promise<boolean> {
  try {
    await backend.identity();
    return false;
  } catch (error) {
    if (codeOf(error) !== "UNAVAILABLE") throw error;
    if (backend.root === undefined) throw notThere(error);
    if (!create) {
      throw new StowageError("ROOT_MISSING", `${location.name}: ${printable(location.root)} is not there`, {
        hint: "Connect or mount it, or run `stowage init --create` if it is to be a new directory.",
        cause: error,
      });
    }
  }
  await mkdir(backend.root, { recursive: true });
  return true;
}

function notThere(cause: unknown): StowageError {
  const hint = cause instanceof StowageError ? cause.hint : undefined;
  const create =
    "If the address is right and it does not exist yet, create it with the provider's own tools: `--create` makes directories only.";
  return new StowageError("UNAVAILABLE", messageOf(cause), { hint: hint ? `${hint} ${create}` : create, cause });
}

async function mark(backend: Backend, uuid: string): Promise<void> {
  try {
    await backend.writeMarker(uuid);
  } catch (error) {
    if (codeOf(error) !== "READ_ONLY") throw error;
    throw new StowageError("READ_ONLY", `${messageOf(error)}, and it has no marker yet`, {
      hint: "Mount it for writing once and run `stowage init`; after that `read_only: true` is enough.",
      cause: error,
    });
  }
}

function decideOutcome(
  location: Location,
  marker: string | undefined,
  expected: string | undefined,
  adopt: boolean,
): InitResult["outcome"] {
  if (marker === expected && marker !== undefined) return adopt ? "accepted" : "known";
  if (expected === undefined) return marker === undefined ? "adopted" : "known";
  if (adopt) return marker === undefined ? "adopted" : "accepted";
  const fact = marker === undefined ? "has lost its marker" : `has the marker ${marker}, not ${expected}`;
  throw new StowageError("NOT_ADOPTED", `${location.name}: ${printable(location.root)} ${fact}`, {
    hint: `Check that the right storage is mounted there. If it is, run \`stowage init --adopt ${location.name}\`.`,
  });
}

async function remember(
  catalog: Catalog,
  { name }: Location,
  uuid: string,
  features: Features | undefined,
  adopt: boolean,
): Promise<void> {
  await catalog.run(sql`UPDATE storage_locations SET uuid = ${uuid} WHERE name = ${name}`);
  if (features) await rememberFeatures(catalog, name, features);
  if (adopt) await catalog.run(sql`UPDATE storage_locations SET suspect = NULL, accepted = true WHERE name = ${name}`);
}
