import { unavailable } from "../requests.js";
import { OWN_METADATA, type Stored } from "../store.js";
import type { Checksums } from "./checksums.js";

/** What Cloud Storage says of an object; the fields we ask for. */
export interface Resource {
  name: string;
  /** Decimal. */
  size: string;
  generation: string;
  timeCreated?: string;
  metadata?: Record<string, string>;
  /** Base64; missing on composed objects. */
  md5Hash?: string;
  crc32c?: string;
  storageClass?: string;
}

export const FIELDS = "name,size,generation,timeCreated,metadata,md5Hash,crc32c,storageClass";

/**
 * Beside the SHA-256 of an object its other checksums are noted, of the same bytes: as long as the store computes the
 * same ones, the SHA-256 is proven too. They never leave this folder.
 */
const NOTED = { md5: "stowage-md5", crc32c: "stowage-crc32c" } as const;

/** What gsutil writes: whole seconds. */
const GSUTIL_MTIME = "goog-reserved-file-mtime";
const HEX = /^[0-9a-f]{64}$/;

export const noted = (sums: Checksums): Record<string, string> => ({
  [NOTED.md5]: sums.md5,
  [NOTED.crc32c]: sums.crc32c,
});

/** Checks what came as JSON. */
export function resourceOf(about: string, json: unknown): Resource {
  const resource = (json ?? {}) as Partial<Resource>;
  const { name, size, generation } = resource;
  if (typeof name !== "string" || !/^\d+$/.test(String(size)) || !/^[1-9]\d*$/.test(String(generation))) {
    throw unavailable(`${about}: the answer describes no object`);
  }
  return { ...resource, name, size: String(size), generation: String(generation) };
}

export function storedOf(resource: Resource): Stored {
  const metadata = metadataOf(resource);
  const sha256 = provenSha256(resource);
  return {
    name: resource.name,
    size: Number(resource.size),
    token: resource.generation,
    modified: Date.parse(resource.timeCreated ?? "") || 0,
    metadata,
    ...(sha256 !== undefined && { sha256 }),
    ...(resource.storageClass !== undefined && { storageClass: resource.storageClass }),
  };
}

/** The noted SHA-256, when every checksum noted beside it is what the store computes. */
export function provenSha256({ metadata = {}, md5Hash, crc32c }: Resource): string | undefined {
  const sha256 = metadata[OWN_METADATA.sha256];
  const { [NOTED.md5]: md5, [NOTED.crc32c]: crc } = metadata;
  const same = md5 !== undefined && crc !== undefined && md5 === md5Hash && crc === crc32c;
  return same && sha256 !== undefined && HEX.test(sha256) ? sha256 : undefined;
}

/** True when the store has other bytes than those that were sent. What it does not tell is no difference. */
export const differs = ({ size, md5Hash, crc32c }: Resource, sent: Checksums & { size: number }): boolean =>
  Number(size) !== sent.size ||
  (md5Hash !== undefined && md5Hash !== sent.md5) ||
  (crc32c !== undefined && crc32c !== sent.crc32c);

/** True when the store computed the same of what it got. */
export const confirms = ({ md5Hash, crc32c }: Resource, sent: Checksums): boolean =>
  md5Hash === sent.md5 && crc32c === sent.crc32c;

function metadataOf({ metadata = {} }: Resource): Record<string, string> {
  const { [GSUTIL_MTIME]: seconds, [NOTED.md5]: _md5, [NOTED.crc32c]: _crc, ...rest } = lowerCased(metadata);
  const { [OWN_METADATA.mtime]: mtime } = rest;
  if (mtime === undefined && seconds !== undefined && /^\d{1,12}$/.test(seconds)) {
    return { ...rest, [OWN_METADATA.mtime]: new Date(Number(seconds) * 1000).toISOString() };
  }
  return rest;
}

const lowerCased = (metadata: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
