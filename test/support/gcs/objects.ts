import { createHash } from "node:crypto";

/** An error as the JSON API tells it. */
export interface FakeError {
  status: number;
  reason: string;
  message: string;
}

export const failure = (status: number, reason: string, message: string): FakeError => ({ status, reason, message });
export const isFailure = (value: unknown): value is FakeError =>
  typeof value === "object" && value !== null && "status" in value && "reason" in value;

export interface FakeObject {
  name: string;
  generation: string;
  metageneration: number;
  bytes: Buffer;
  metadata: Record<string, string>;
  contentType: string;
  contentEncoding?: string;
  storageClass: string;
  kmsKeyName?: string;
  created: number;
  /** When it ceased to be the current one. */
  deleted?: number;
}

export interface FakeBucket {
  name: string;
  versioning: boolean;
  storageClass: string;
  requesterPays?: boolean;
  live: Map<string, FakeObject>;
  noncurrent: FakeObject[];
}

export interface Match {
  ifGenerationMatch?: string | undefined;
  ifGenerationNotMatch?: string | undefined;
}

export type Described = Pick<FakeObject, "name" | "metadata" | "contentType"> &
  Partial<Pick<FakeObject, "contentEncoding" | "storageClass" | "kmsKeyName">>;

/** Written anew, and simply: it must not share a mistake with what it checks. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export const crc32cOf = (bytes: Uint8Array): string => {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ bytes[at]!) & 255]!;
  const text = Buffer.alloc(4);
  text.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return text.toString("base64");
};
export const md5Of = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64");

const sums = new WeakMap<Buffer, { md5Hash: string; crc32c: string }>();
function sumsOf(bytes: Buffer): { md5Hash: string; crc32c: string } {
  const known = sums.get(bytes) ?? { md5Hash: md5Of(bytes), crc32c: crc32cOf(bytes) };
  sums.set(bytes, known);
  return known;
}

export function resource(bucket: string, object: FakeObject): Record<string, unknown> {
  return {
    kind: "storage#object",
    id: `${bucket}/${object.name}/${object.generation}`,
    bucket,
    name: object.name,
    generation: object.generation,
    metageneration: String(object.metageneration),
    size: String(object.bytes.length),
    ...sumsOf(object.bytes),
    contentType: object.contentType,
    ...(object.contentEncoding && { contentEncoding: object.contentEncoding }),
    ...(object.kmsKeyName && { kmsKeyName: object.kmsKeyName }),
    storageClass: object.storageClass,
    timeCreated: new Date(object.created).toISOString(),
    updated: new Date(object.created).toISOString(),
    ...(Object.keys(object.metadata).length > 0 && { metadata: object.metadata }),
    ...(object.deleted && { timeDeleted: new Date(object.deleted).toISOString() }),
  };
}

/** What is wrong with a name, in the store's words. */
export function badName(name: string): FakeError | undefined {
  const length = Buffer.byteLength(name);
  const bad = length === 0 || length > 1024 || /[\r\n]/.test(name) || name === "." || name === "..";
  return bad ? failure(400, "invalid", "Invalid object name.") : undefined;
}

export function checkMatch(current: FakeObject | undefined, match: Match): FakeError | undefined {
  const generation = current?.generation ?? "0";
  const { ifGenerationMatch: wanted, ifGenerationNotMatch: unwanted } = match;
  const wrong = (wanted !== undefined && wanted !== generation) || (unwanted !== undefined && unwanted === generation);
  return wrong
    ? failure(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
    : undefined;
}

let counter = 1_700_000_000_000_000n;

/** Makes it the current object. The condition is checked in the same turn: nobody comes in between. */
export function publish(bucket: FakeBucket, described: Described, bytes: Buffer, match: Match): FakeObject | FakeError {
  const current = bucket.live.get(described.name);
  const wrong = badName(described.name) ?? checkMatch(current, match);
  if (wrong) return wrong;
  if (current) retire(bucket, current);
  counter += 1n + BigInt(Math.floor(Math.random() * 1000));
  const object: FakeObject = {
    ...described,
    storageClass: described.storageClass ?? bucket.storageClass,
    generation: String(counter),
    metageneration: 1,
    bytes,
    created: Date.now(),
  };
  bucket.live.set(object.name, object);
  return object;
}

export function retire(bucket: FakeBucket, object: FakeObject): void {
  bucket.live.delete(object.name);
  if (bucket.versioning) bucket.noncurrent.push({ ...object, deleted: Date.now() });
}

/** Without a generation the current object (which may become a version), with one exactly that version, for good. */
export function destroy(bucket: FakeBucket, name: string, match: Match, generation?: string): FakeError | undefined {
  const current = bucket.live.get(name);
  const at = generation === undefined ? current : versionOf(bucket, name, generation);
  if (!at) return noObject(bucket.name, name);
  const wrong = checkMatch(at, match);
  if (wrong) return wrong;
  if (generation === undefined) retire(bucket, at);
  else if (at === current) bucket.live.delete(name);
  else bucket.noncurrent.splice(bucket.noncurrent.indexOf(at), 1);
  return undefined;
}

export function versionOf(bucket: FakeBucket, name: string, generation?: string): FakeObject | undefined {
  const current = bucket.live.get(name);
  if (generation === undefined || current?.generation === generation) return current;
  return bucket.noncurrent.find((version) => version.name === name && version.generation === generation);
}

export const noObject = (bucket: string, name: string): FakeError =>
  failure(404, "notFound", `No such object: ${bucket}/${name}`);

/** What was declared of the bytes, compared. */
export function checkSums(bytes: Buffer, declared: { md5?: string | undefined; crc32c?: string | undefined }) {
  const { md5Hash, crc32c } = sumsOf(bytes);
  if (declared.md5 !== undefined && declared.md5 !== md5Hash) {
    return failure(
      400,
      "invalid",
      `Provided MD5 hash "${declared.md5}" doesn't match calculated MD5 hash "${md5Hash}".`,
    );
  }
  if (declared.crc32c !== undefined && declared.crc32c !== crc32c) {
    return failure(400, "invalid", `Provided CRC32C "${declared.crc32c}" doesn't match calculated CRC32C "${crc32c}".`);
  }
  return undefined;
}

/** One page in the order of UTF-8 bytes. */
export function listing(bucket: FakeBucket, query: URLSearchParams, pageSize: number): Record<string, unknown> {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter");
  const token = query.get("pageToken");
  const after = token ? Buffer.from(token, "base64url").toString() : undefined;
  const limit = Math.min(pageSize, Number(query.get("maxResults") ?? 1000) || 1000);
  const names = [...bucket.live.keys()].filter((name) => name.startsWith(prefix));
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const entries = new Map<string, FakeObject | undefined>();
  for (const name of names) {
    const end = delimiter ? name.indexOf(delimiter, prefix.length) : -1;
    if (end < 0) entries.set(name, bucket.live.get(name));
    else entries.set(name.slice(0, end + 1), undefined);
  }
  const keys = [...entries.keys()];
  const start =
    after === undefined ? 0 : keys.findIndex((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
  const page = start < 0 ? [] : keys.slice(start, start + limit);
  const objects = page.flatMap((key) => entries.get(key) ?? []);
  const prefixes = page.filter((key) => !entries.get(key));
  const last = page.at(-1);
  const more = start >= 0 && start + limit < keys.length && last !== undefined;
  return {
    kind: "storage#objects",
    ...(objects.length > 0 && { items: objects.map((object) => resource(bucket.name, object)) }),
    ...(prefixes.length > 0 && { prefixes }),
    ...(more && { nextPageToken: Buffer.from(last).toString("base64url") }),
  };
}
