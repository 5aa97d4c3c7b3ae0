import {
  checkBody,
  checkConditions,
  current,
  erase,
  type FakeBucket,
  FakeError,
  type FakeVersion,
  freshId,
  md5,
  publish,
  sha256,
} from "./fake-state.js";
import { texts, xml } from "./fake-xml.js";

/** A request for one object. */
export interface Ask {
  method: string;
  bucket: FakeBucket;
  key: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  body: Buffer;
  /** Of any bucket, for copies. */
  find(bucket: string): FakeBucket;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

const ARCHIVED = new Set(["GLACIER", "DEEP_ARCHIVE"]);

export function answer(ask: Ask): Reply {
  const { method, query } = ask;
  if (query.has("tagging")) return tagging(ask);
  if (method === "POST") return query.has("uploads") ? begin(ask) : complete(ask);
  if (method === "PUT")
    return query.has("uploadId") ? part(ask) : ask.headers["x-amz-copy-source"] ? copy(ask) : put(ask);
  if (method === "DELETE") return query.has("uploadId") ? abort(ask) : remove(ask);
  return read(ask);
}

function put({ bucket, key, headers, body }: Ask): Reply {
  checkBody(headers, body, bucket);
  checkConditions(bucket, key, headers);
  const checksum = headers["x-amz-checksum-sha256"];
  const proof = checksum === undefined ? {} : { sha256: checksum, checksumType: "FULL_OBJECT" as const };
  return {
    headers: headersOf(bucket, publish(bucket, key, headers, { bytes: body, etag: md5(body), ...proof }), true),
  };
}

function source(ask: Ask): Buffer {
  const [path = "", version] = (ask.headers["x-amz-copy-source"] ?? "").split("?versionId=");
  const [bucket = "", ...key] = decodeURIComponent(path).replace(/^\//, "").split("/");
  const versions = ask.find(bucket).keys.get(key.join("/")) ?? [];
  const id = version === undefined ? undefined : decodeURIComponent(version);
  const found = id === undefined ? versions[0] : versions.find((each) => each.id === id);
  if (!found || found.marker) throw new FakeError(404, "NoSuchKey");
  const match = ask.headers["x-amz-copy-source-if-match"];
  if (match !== undefined && match.replaceAll('"', "") !== found.etag) throw new FakeError(412, "PreconditionFailed");
  requireReadable(found);
  const range = /^bytes=(\d+)-(\d+)$/.exec(ask.headers["x-amz-copy-source-range"] ?? "");
  return range ? found.bytes.subarray(Number(range[1]), Number(range[2]) + 1) : found.bytes;
}

function copy(ask: Ask): Reply {
  const { bucket, key, headers } = ask;
  const bytes = source(ask);
  checkConditions(bucket, key, headers);
  const wanted = headers["x-amz-checksum-algorithm"] === "SHA256";
  const proof = wanted ? { sha256: sha256(bytes), checksumType: "FULL_OBJECT" as const } : {};
  const made = publish(bucket, key, headers, { bytes, etag: md5(bytes), ...proof });
  const { "x-amz-version-id": id } = headersOf(bucket, made, false);
  const told = { ETag: `"${made.etag}"`, LastModified: made.modified.toISOString() };
  const body = { ...told, ChecksumSHA256: made.sha256, ChecksumType: made.checksumType };
  return { headers: id === undefined ? {} : { "x-amz-version-id": id }, body: xml("CopyObjectResult", body) };
}

function begin({ bucket, key, headers }: Ask): Reply {
  const id = freshId();
  bucket.uploads.set(id, { id, key, headers, parts: new Map() });
  return { body: xml("InitiateMultipartUploadResult", { Key: key, UploadId: id }) };
}

function uploadOf({ bucket, key, query }: Ask) {
  const upload = bucket.uploads.get(query.get("uploadId") ?? "");
  if (!upload || upload.key !== key) throw new FakeError(404, "NoSuchUpload");
  return upload;
}

function part(ask: Ask): Reply {
  const upload = uploadOf(ask);
  const copied = ask.headers["x-amz-copy-source"] !== undefined;
  if (!copied) checkBody(ask.headers, ask.body);
  const bytes = copied ? source(ask) : ask.body;
  const etag = md5(bytes);
  upload.parts.set(Number(ask.query.get("partNumber")), { bytes, etag });
  if (!copied) return { headers: { etag: `"${etag}"`, "x-amz-checksum-sha256": sha256(bytes) } };
  return { body: xml("CopyPartResult", { ETag: `"${etag}"`, ChecksumSHA256: sha256(bytes) }) };
}

function complete(ask: Ask): Reply {
  const { bucket, key, headers, body } = ask;
  const upload = uploadOf(ask);
  const sent = String(body);
  const etags = texts(sent, "ETag").map((etag) => etag.replaceAll('"', ""));
  const checksums = texts(sent, "ChecksumSHA256");
  const parts = texts(sent, "PartNumber").map((number, index) => {
    const found = upload.parts.get(Number(number));
    if (!found || found.etag !== etags[index]) throw new FakeError(400, "InvalidPart");
    if (checksums[index] !== sha256(found.bytes)) throw new FakeError(400, "InvalidPart", "a checksum is missing");
    return found;
  });
  if (parts.length === 0) throw new FakeError(400, "MalformedXML");
  checkConditions(bucket, key, headers);
  bucket.uploads.delete(upload.id);
  const hashes = Buffer.concat(parts.map(({ bytes }) => Buffer.from(sha256(bytes), "base64")));
  const made = publish(bucket, key, upload.headers, {
    bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
    etag: `${md5(Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, "hex"))))}-${parts.length}`,
    ...{ sha256: `${sha256(hashes)}-${parts.length}`, checksumType: "COMPOSITE" as const },
  });
  const told = headersOf(bucket, made, false);
  const versionId = told["x-amz-version-id"];
  const reply = { Key: key, ETag: `"${made.etag}"`, ChecksumSHA256: made.sha256, ChecksumType: made.checksumType };
  return {
    headers: versionId === undefined ? {} : { "x-amz-version-id": versionId },
    body: xml("CompleteMultipartUploadResult", reply),
  };
}

function abort(ask: Ask): Reply {
  ask.bucket.uploads.delete(uploadOf(ask).id);
  return { status: 204 };
}

function remove({ bucket, key, query, headers }: Ask): Reply {
  checkConditions(bucket, key, headers);
  const gone = erase(bucket, key, query.get("versionId") ?? undefined);
  if (!gone) return { status: 204 };
  return {
    status: 204,
    headers: { "x-amz-version-id": gone.id, ...(gone.marker && { "x-amz-delete-marker": "true" }) },
  };
}

function find({ bucket, key, query }: Ask): FakeVersion {
  const id = query.get("versionId");
  const found = id === null ? current(bucket, key) : bucket.keys.get(key)?.find((each) => each.id === id);
  if (!found || found.marker) throw new FakeError(404, "NoSuchKey");
  return found;
}

function requireReadable({ storageClass, restore, archiveStatus }: FakeVersion): void {
  const away = ARCHIVED.has(storageClass) || archiveStatus !== undefined;
  if (away && !restore?.includes('"false"')) throw new FakeError(403, "InvalidObjectState");
}

function read(ask: Ask): Reply {
  const found = find(ask);
  const match = ask.headers["if-match"];
  if (match !== undefined && match.replaceAll('"', "") !== found.etag) throw new FakeError(412, "PreconditionFailed");
  const headers = headersOf(ask.bucket, found, ask.headers["x-amz-checksum-mode"] === "ENABLED");
  if (ask.method === "HEAD") return { headers: { ...headers, "content-length": String(found.bytes.length) } };
  requireReadable(found);
  const range = /^bytes=(\d+)-(\d*)$/.exec(ask.headers["range"] ?? "");
  if (!range) return { headers, body: found.bytes };
  const [start, end] = [Number(range[1]), range[2] ? Number(range[2]) + 1 : found.bytes.length];
  if (start >= found.bytes.length) throw new FakeError(416, "InvalidRange");
  const told = { ...headers, "content-range": `bytes ${start}-${end - 1}/${found.bytes.length}` };
  return { status: 206, headers: told, body: found.bytes.subarray(start, end) };
}

function headersOf(bucket: FakeBucket, version: FakeVersion, checksums: boolean): Record<string, string> {
  const { etag, modified, metadata, storageClass, restore, archiveStatus, encryption, sha256: sum } = version;
  return {
    ...{ etag: `"${etag}"`, "last-modified": modified.toUTCString() },
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...(bucket.versioning !== undefined && { "x-amz-version-id": version.id }),
    ...(storageClass !== "STANDARD" && { "x-amz-storage-class": storageClass }),
    ...(restore !== undefined && { "x-amz-restore": restore }),
    ...(archiveStatus !== undefined && { "x-amz-archive-status": archiveStatus }),
    ...(encryption !== undefined && { "x-amz-server-side-encryption": encryption }),
    ...(checksums && sum !== undefined && { "x-amz-checksum-sha256": sum }),
    ...(checksums && version.checksumType && { "x-amz-checksum-type": version.checksumType }),
  };
}

function tagging(ask: Ask): Reply {
  const found = find(ask);
  if (ask.method === "PUT") {
    const [keys, values] = [texts(String(ask.body), "Key"), texts(String(ask.body), "Value")];
    found.tags = Object.fromEntries(keys.map((key, index) => [key, values[index] ?? ""]));
    return {};
  }
  const Tag = Object.entries(found.tags).map(([Key, Value]) => ({ Key, Value }));
  return { body: xml("Tagging", { TagSet: { Tag } }) };
}
