import type { Entry } from "../backend.js";
import type { ObjectStore, Stored } from "../store.js";
import { OWN_METADATA } from "../store.js";
import type { Bucket } from "./bucket.js";

const SHA256 = /^[0-9a-f]{64}$/;
const MILLION = 1_000_000n;
const BILLION = 1_000_000_000n;

/**
 * What may be believed of it: a store that takes bytes with a wrong checksum would tell that very checksum. And what is told of an object that
 * we have not `sent` ourselves is believed only where the store computes it.
 */
export function believed(
  { features, store }: Pick<Bucket, "features" | "store">,
  stored: Stored,
  sent = false,
): Stored {
  if (stored.sha256 === undefined || (features.store?.checksums && (sent || store.computesSha256))) return stored;
  const { sha256: _, ...rest } = stored;
  return rest;
}

/** The object as the backend contract tells it. A hash in the metadata is a claim: whoever writes an object can write anything there. */
export function entryOf(key: string, stored: Stored): Entry {
  const { metadata, sha256, storageClass, archived } = stored;
  if (!metadata && sha256 === undefined && archived === undefined) return listedEntry(key, stored);
  const claim = metadata?.[OWN_METADATA.sha256]?.toLowerCase();
  const attrs = attributesOf(metadata);
  const held = stored.size === 0 && metadata?.[OWN_METADATA.upload] !== undefined && claim === undefined;
  return {
    key,
    size: stored.size,
    mtime: timeOf(metadata?.[OWN_METADATA.mtime]) ?? BigInt(Math.trunc(stored.modified)) * MILLION,
    version: stored.token,
    ...(sha256 !== undefined && { sha256 }),
    ...(claim !== undefined && SHA256.test(claim) && { claim }),
    ...(storageClass !== undefined && { storageClass }),
    ...(archived !== undefined && { archived }),
    ...(attrs && { attrs }),
    ...(held && { held: true as const }),
  };
}

/** What most listings tell, of each of millions. */
function listedEntry(key: string, { size, modified, token, storageClass }: Stored): Entry {
  const entry: Entry = { key, size, mtime: BigInt(Math.trunc(modified)) * MILLION, version: token };
  if (storageClass !== undefined) entry.storageClass = storageClass;
  return entry;
}

/** Metadata from outside: without stowage's own, and without the time that is an entry's `mtime`. */
function attributesOf(metadata: Record<string, string> | undefined): Record<string, string> | undefined {
  const own = Object.entries(metadata ?? {}).filter(([name]) => !isOwnMetadata(name));
  return own.length > 0 ? Object.fromEntries(own) : undefined;
}

export const isOwnMetadata = (name: string): boolean => name === OWN_METADATA.mtime || name.startsWith("stowage-");

/** The time of modification as rclone writes it for this provider. */
export function timeText(format: ObjectStore["mtimeFormat"], mtime: bigint): string {
  const fraction = ((mtime % BILLION) + BILLION) % BILLION;
  const date = new Date(Number((mtime - fraction) / MILLION));
  const year = date.getUTCFullYear();
  // Years of other than four digits have no such form; seconds say it all the same.
  if (format !== "rfc3339" || !(year >= 0 && year <= 9999)) return secondsText(mtime);
  return `${date.toISOString().slice(0, 19)}.${String(fraction).padStart(9, "0")}Z`;
}

function secondsText(mtime: bigint): string {
  if (mtime < 0n) return `-${secondsText(-mtime)}`;
  const decimals = String(mtime % BILLION)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${mtime / BILLION}${decimals && `.${decimals}`}`;
}

/** Nanoseconds since the epoch; reads either form. Undefined for what can not be understood. */
export function timeOf(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  const seconds = /^(-?)(\d{1,18})(?:\.(\d{1,18}))?$/.exec(text);
  if (seconds) {
    const [, sign, whole = "0", decimals = ""] = seconds;
    const absolute = BigInt(whole) * BILLION + nanoseconds(decimals);
    return sign ? -absolute : absolute;
  }
  const rfc = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,18}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (!rfc) return undefined;
  const [, instant = "", decimals = "", zone = ""] = rfc;
  const milliseconds = Date.parse(`${instant.replace(/[t ]/, "T")}${zone.toUpperCase()}`);
  return Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * MILLION + nanoseconds(decimals);
}

const nanoseconds = (decimals: string): bigint => BigInt(decimals.slice(0, 9).padEnd(9, "0"));
