import { createHash, randomBytes } from "node:crypto";

/** One version of one object, or a delete marker. */
export interface FakeVersion {
  id: string;
  marker: boolean;
  bytes: Buffer;
  etag: string;
  modified: Date;
  metadata: Record<string, string>;
  storageClass: string;
  /** Base64 of the SHA-256; of all bytes, or of the parts' hashes. */
  sha256?: string;
  checksumType?: "FULL_OBJECT" | "COMPOSITE";
  tags: Record<string, string>;
  /** The value of the header. */
  restore?: string;
  archiveStatus?: string;
  encryption?: string;
}

export interface FakeUpload {
  id: string;
  key: string;
  headers: Record<string, string | undefined>;
  parts: Map<number, { bytes: Buffer; etag: string }>;
}

export interface FakeBucket {
  /** Takes any checksum, and tells it again. */
  echoes?: boolean;
  /** Takes any bytes, whatever was signed. */
  unsigned?: boolean;
  versioning?: string;
  /** Newest first. */
  keys: Map<string, FakeVersion[]>;
  uploads: Map<string, FakeUpload>;
}

/** An error as S3 answers it. */
export class FakeError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  constructor(status: number, code: string, message = code, headers: Record<string, string> = {}) {
    super(message);
    [this.status, this.code, this.headers] = [status, code, headers];
  }
}

export const freshBucket = (): FakeBucket => ({ keys: new Map(), uploads: new Map() });
export const md5 = (bytes: Buffer): string => createHash("md5").update(bytes).digest("hex");
export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("base64");
export const freshId = (): string => randomBytes(16).toString("base64url");

export const current = (bucket: FakeBucket, key: string): FakeVersion | undefined => {
  const top = bucket.keys.get(key)?.[0];
  return top?.marker ? undefined : top;
};

type Headers = Record<string, string | undefined>;
const bare = (etag: string) => etag.replaceAll('"', "");

/** The conditions of a write, a copy's target, a Complete or a DELETE, as Amazon documents them. */
export function checkConditions(bucket: FakeBucket, key: string, headers: Headers): void {
  const there = current(bucket, key);
  if (headers["if-none-match"] === "*" && there) throw new FakeError(412, "PreconditionFailed");
  const match = headers["if-match"];
  if (match === undefined) return;
  if (!there) throw new FakeError(404, "NoSuchKey");
  if (match !== "*" && bare(match) !== there.etag) throw new FakeError(412, "PreconditionFailed");
}

/** What PUT, CopyObject and Complete make visible, on top of what is there in a versioned bucket and instead of it otherwise. */
export function publish(
  bucket: FakeBucket,
  key: string,
  headers: Headers,
  made: Pick<FakeVersion, "bytes" | "etag"> & Partial<FakeVersion>,
): FakeVersion {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-"));
  const encryption = headers["x-amz-server-side-encryption"];
  const version: FakeVersion = {
    ...{ id: bucket.versioning === "Enabled" ? freshId() : "null", marker: false, modified: new Date(), tags: {} },
    metadata: Object.fromEntries(metadata.map(([name, value]) => [name.slice(11), value ?? ""])),
    storageClass: headers["x-amz-storage-class"] ?? "STANDARD",
    ...(encryption !== undefined && { encryption }),
    ...made,
  };
  push(bucket, key, version);
  return version;
}

function push(bucket: FakeBucket, key: string, version: FakeVersion): void {
  const older = (bucket.keys.get(key) ?? []).filter(({ id }) => id !== version.id);
  bucket.keys.set(key, bucket.versioning === undefined ? [version] : [version, ...older]);
}

/** @returns the delete marker that was added, or the version that was removed */
export function erase(bucket: FakeBucket, key: string, versionId: string | undefined): FakeVersion | undefined {
  if (versionId !== undefined) {
    const versions = bucket.keys.get(key) ?? [];
    const left = versions.filter(({ id }) => id !== versionId);
    if (left.length > 0) bucket.keys.set(key, left);
    else bucket.keys.delete(key);
    return versions.find(({ id }) => id === versionId);
  }
  if (bucket.versioning === undefined) {
    bucket.keys.delete(key);
    return undefined;
  }
  const marker = { ...{ marker: true, bytes: Buffer.alloc(0), etag: "", metadata: {}, storageClass: "", tags: {} } };
  const version = { ...marker, id: bucket.versioning === "Enabled" ? freshId() : "null", modified: new Date() };
  push(bucket, key, version);
  return version;
}

/** Sent bytes are compared with what was said of them. */
export function checkBody(
  headers: Headers,
  bytes: Buffer,
  { echoes = false, unsigned = false }: Pick<FakeBucket, "echoes" | "unsigned"> = {},
): void {
  const signed = headers["x-amz-content-sha256"] ?? "";
  const hex = Buffer.from(sha256(bytes), "base64").toString("hex");
  if (!unsigned && /^[0-9a-f]{64}$/.test(signed) && signed !== hex)
    throw new FakeError(400, "XAmzContentSHA256Mismatch");
  const checksum = headers["x-amz-checksum-sha256"];
  if (!echoes && checksum !== undefined && checksum !== sha256(bytes)) throw new FakeError(400, "BadDigest");
}
