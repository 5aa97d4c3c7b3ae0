import { StowageError } from "../../lib/error.js";
import { invalidKey, printable } from "../../lib/key.js";
import type { Features } from "../backend.js";
import { isOwn, MARKER, TEMPORARY, TRASH } from "../marker.js";
import type { ObjectStore } from "../store.js";

/** What a store does with what is created, as this process has seen it. */
export interface CreatingVerdicts {
  /** It refuses a taken name, and leaves what is there. */
  refusesTaken: boolean;
  /** It refuses bytes other than those that were signed. */
  checksSigned: boolean;
}

/** A bucket as a location, opened: what the parts of the backend share. */
export interface Bucket {
  location: string;
  /** Empty, or ends with `/`. */
  prefix: string;
  store: ObjectStore;
  features: Features;
  /** The owner's word that objects may be removed where the store does not honour conditions. */
  allowUnconditionalDelete: boolean;
  /** Sizes of objects by name and token, of those that were looked at lately. */
  sizes: Map<string, number>;
  /** The removals under way, by name. */
  removing: Map<string, Promise<void>>;
  /** What this process itself has seen of the store, once it has tried. */
  removable?: Promise<boolean>;
  creating?: Promise<CreatingVerdicts>;
  /** Objects that were written. */
  written: number;
}

/** The name of a key in the bucket. @throws `UNSUPPORTED_NAME` for what can not be a key here, or is a name of stowage's own */
export function nameOf(bucket: Bucket, key: string): string {
  const reason = impossible(bucket, key);
  if (reason) throw new StowageError("UNSUPPORTED_NAME", `${at(bucket, key)}: ${reason}`);
  return bucket.prefix + key;
}

function impossible(bucket: Bucket, key: string): string | undefined {
  const invalid = invalidKey(key);
  if (invalid) return invalid;
  if (LONE_SURROGATE.test(key)) return "the key is not valid Unicode";
  if (isOwn(key.split("/")[0] ?? "")) return "the name is stowage's own";
  const name = bucket.prefix + key;
  if (Buffer.byteLength(name) <= bucket.store.maxNameBytes) return undefined;
  return `the name is longer than ${bucket.store.maxNameBytes} bytes, prefix included`;
}

/** What a folder could not hold under this name; such objects are never touched. */
export const isImpossible = (key: string): boolean => invalidKey(key) !== undefined || LONE_SURROGATE.test(key);

const LONE_SURROGATE = /\p{Surrogate}/u;

export const at = ({ location }: Bucket, key: string): string => `${location}:${printable(key)}`;

/** Names of stowage's own below the prefix. */
export const markerName = ({ prefix }: Bucket): string => prefix + MARKER;
export const temporaryName = ({ prefix }: Bucket, run: string, rest = ""): string =>
  `${prefix}${TEMPORARY}/${run}/${rest}`;
export const trashName = ({ prefix }: Bucket, run: string, rest = ""): string => `${prefix}${TRASH}/${run}/${rest}`;

export const PLAN_AGAIN = "Run `stowage scan` and plan again.";

export const changed = (bucket: Bucket, key: string, when: string, cause?: unknown): StowageError =>
  new StowageError("PRECONDITION", `${at(bucket, key)} changed ${when}`, { hint: PLAN_AGAIN, cause });

export const absent = (bucket: Bucket, key: string, cause?: unknown): StowageError =>
  new StowageError("NOT_FOUND", `${at(bucket, key)} does not exist`, { cause });

export const taken = (bucket: Bucket, key: string, cause?: unknown): StowageError =>
  new StowageError("PRECONDITION", `${at(bucket, key)} exists already; nothing is ever overwritten`, {
    hint: PLAN_AGAIN,
    cause,
  });

export const corrupt = (bucket: Bucket, key: string, sha256: string): StowageError =>
  new StowageError("CORRUPT", `${at(bucket, key)}: the bytes to be written are not sha256:${sha256}`, {
    hint: "The source is damaged or changed unnoticed: run `stowage verify`.",
  });

export const aborted = (): StowageError => new StowageError("ABORTED", "stopped on request");
