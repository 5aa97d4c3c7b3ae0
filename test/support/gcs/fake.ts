/**
 * A fake of Google Cloud Storage's JSON API, for tests only: no real server that enforces generations is to be had. It is called a fake
 * wherever its results show. It enforces preconditions, checksums, generations, the resumable protocol, paging and versions, and can be told to be
 * as careless as other stores are.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import {
  destroy,
  type FakeBucket,
  type FakeError,
  failure,
  isFailure,
  listing,
  type Match,
  noObject,
  publish,
  resource,
  versionOf,
} from "./objects.js";
import { checkSigned, type TestKey } from "./signed.js";
import { type Defect, describedOf, type Keeping, type Reply, type Uploads, uploads } from "./uploads.js";

export type { Defect } from "./uploads.js";

/** What happens to a request instead of an answer, or to its answer. */
export type Trouble =
  | { status: number; headers?: Record<string, string>; body?: string }
  /** The connection breaks: before anything happened, after it happened, or in the midst of the answer. */
  | "reset"
  | "lost answer"
  | "half an answer";

export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  bytes: number;
}

export interface FakeOptions {
  pageSize?: number;
  /** Bytes that one call of rewrite copies. */
  copyPerCall?: number;
  key?: TestKey;
}

export interface FakeGcs {
  /** `http://127.0.0.1:port` */
  endpoint: string;
  buckets: Map<string, FakeBucket>;
  bucket(name: string, options?: Partial<FakeBucket>): FakeBucket;
  defects: Set<Defect>;
  /** Asked about every request; what it returns happens to it. */
  trouble: ((request: Seen) => Trouble | undefined) | undefined;
  keeping: Keeping;
  seen: Seen[];
  uploads: Uploads;
  close(): Promise<void>;
}

export async function fakeGcs(options: FakeOptions = {}): Promise<FakeGcs> {
  const { pageSize = 1000, copyPerCall = 1 << 20, key } = options;
  const defects = new Set<Defect>();
  const has = (defect: Defect) => defects.has(defect);
  const fake: FakeGcs = {
    endpoint: "",
    buckets: new Map(),
    bucket(name, more = {}) {
      const made = { name, versioning: false, storageClass: "STANDARD", live: new Map(), noncurrent: [], ...more };
      fake.buckets.set(name, made);
      return made;
    },
    defects,
    trouble: undefined,
    keeping: (length) => length,
    seen: [],
    uploads: uploads(has, () => fake.keeping),
    close: () => closed(server),
  };
  const copies = new Map<string, number>();
  const call: Call = { fake, has, pageSize, copyPerCall, copies, key };
  const server = createServer((request, response) => {
    void answer(call, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  fake.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

interface Call {
  fake: FakeGcs;
  has: (defect: Defect) => boolean;
  pageSize: number;
  copyPerCall: number;
  /** Bytes copied so far, by rewrite token. */
  copies: Map<string, number>;
  key: TestKey | undefined;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

async function answer(call: Call, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", call.fake.endpoint);
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    return; // The client has gone.
  }
  const body = Buffer.concat(pieces);
  const { method = "GET", headers } = request;
  const seen: Seen = { method, path: url.pathname, query: url.searchParams, headers, bytes: body.length };
  call.fake.seen.push(seen);
  const trouble = call.fake.trouble?.(seen);
  if (trouble === "reset") return void request.socket.destroy();
  if (trouble && typeof trouble === "object") {
    response.writeHead(trouble.status, trouble.headers).end(trouble.body ?? "");
    return;
  }
  const reply = replyTo(call, request, url, body);
  if (trouble === "lost answer") return void request.socket.destroy();
  send(response, isFailure(reply) ? told(reply) : reply, trouble === "half an answer");
}

const told = ({ status, reason, message }: FakeError): Reply => ({
  status,
  json: { error: { code: status, message, errors: [{ message, domain: "global", reason }] } },
});

function send(response: ServerResponse, reply: Reply, half: boolean): void {
  const body = reply.body ?? (reply.json === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(reply.json)));
  const type = reply.json === undefined ? {} : { "content-type": "application/json" };
  response.writeHead(reply.status, { ...type, "content-length": String(body.length), ...reply.headers });
  if (!half) return void response.end(body);
  response.write(body.subarray(0, body.length >> 1), () => response.socket?.destroy());
}

function replyTo(call: Call, request: IncomingMessage, url: URL, body: Buffer): Reply | FakeError {
  const { fake } = call;
  const parts = url.pathname.split("/").slice(1).map(decodeURIComponent);
  const [one, two, three, four] = parts;
  if (one === "upload" && two === "session") {
    const id = three ?? "";
    return request.method === "DELETE" ? fake.uploads.cancel(id) : fake.uploads.go(id, request.headers, body);
  }
  const upload = one === "upload";
  const path = upload ? parts.slice(1) : parts;
  if (path[0] !== "storage" || path[1] !== "v1") return signed(call, request, url, body);
  const name = upload ? parts[4] : four;
  const bucket = fake.buckets.get(name ?? "");
  if (!bucket) return failure(404, "notFound", "The specified bucket does not exist.");
  if (bucket.requesterPays && !url.searchParams.has("userProject")) {
    return failure(400, "required", "Bucket is a requester pays bucket but no user project provided.");
  }
  if (upload) {
    const { searchParams: query } = url;
    if (query.get("uploadType") === "resumable")
      return fake.uploads.begin(bucket, query, request.headers, body, fake.endpoint);
    return fake.uploads.multipart(bucket, query, request.headers["content-type"] ?? "", body);
  }
  if (path.length === 4)
    return { status: 200, json: { name: bucket.name, versioning: { enabled: bucket.versioning } } };
  if (path.length === 5) return { status: 200, json: listed(call, bucket, url.searchParams) };
  if (path[6] === "rewriteTo") return rewritten(call, bucket, path, url.searchParams, body);
  return object(call, request, bucket, path[5] ?? "", url.searchParams, body);
}

function listed({ has, pageSize }: Call, bucket: FakeBucket, query: URLSearchParams): Record<string, unknown> {
  const young = Date.now() - 300;
  const late = (name: string) => (bucket.live.get(name)?.created ?? 0) > young;
  if (!has("lists late")) return listing(bucket, query, pageSize);
  const live = new Map([...bucket.live].filter(([name]) => !late(name)));
  return listing({ ...bucket, live }, query, pageSize);
}

const matchOf = (query: URLSearchParams, ignored: boolean): Match =>
  ignored ? {} : { ifGenerationMatch: query.get("ifGenerationMatch") ?? undefined };

function object(
  { has }: Call,
  request: IncomingMessage,
  bucket: FakeBucket,
  name: string,
  query: URLSearchParams,
  body: Buffer,
): Reply | FakeError {
  const generation = query.get("generation") ?? undefined;
  if (request.method === "DELETE") {
    const failed = destroy(bucket, name, matchOf(query, has("ignores conditions on remove")), generation);
    return failed ?? { status: 204 };
  }
  const found = versionOf(bucket, name, generation);
  if (!found) return noObject(bucket.name, name);
  const wanted = matchOf(query, has("ignores conditions on read")).ifGenerationMatch;
  if (wanted !== undefined && wanted !== found.generation) {
    return failure(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
  }
  if (request.method === "PATCH") {
    const { metadata = {} } = JSON.parse(body.toString()) as { metadata?: Record<string, string> };
    Object.assign(found, { metadata: { ...found.metadata, ...metadata }, metageneration: found.metageneration + 1 });
  }
  if (query.get("alt") !== "media") return { status: 200, json: resource(bucket.name, found) };
  const packed = found.contentEncoding === "gzip";
  const unpacks = packed && !/gzip/.test(String(request.headers["accept-encoding"] ?? ""));
  const headers = { "x-goog-generation": found.generation, ...(packed && !unpacks && { "content-encoding": "gzip" }) };
  if (unpacks) return { status: 200, headers, body: gunzipSync(found.bytes) };
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  if (start === undefined) return { status: 200, headers, body: found.bytes };
  if (Number(start) >= found.bytes.length) return failure(416, "requestedRangeNotSatisfiable", "out of range");
  return { status: 206, headers, body: found.bytes.subarray(Number(start)) };
}

function rewritten(
  { fake, has, copies, copyPerCall }: Call,
  bucket: FakeBucket,
  path: string[],
  query: URLSearchParams,
  body: Buffer,
): Reply | FakeError {
  const source = bucket.live.get(path[5] ?? "");
  const target = fake.buckets.get(path[8] ?? "");
  const name = path[10] ?? "";
  if (!source) return noObject(bucket.name, path[5] ?? "");
  if (!target) return failure(404, "notFound", "The specified bucket does not exist.");
  const deaf = has("ignores conditions on copy");
  const wanted = query.get("ifSourceGenerationMatch");
  if (!deaf && wanted !== null && wanted !== source.generation) {
    return failure(412, "conditionNotMet", "The source is another one.");
  }
  const token = query.get("rewriteToken") ?? `${source.generation}>${target.name}/${name}#${copies.size}`;
  if (query.has("rewriteToken") && !copies.has(token)) return failure(400, "invalid", "Invalid rewrite token.");
  const limit = Number(query.get("maxBytesRewrittenPerCall") ?? copyPerCall);
  const copied = Math.min(source.bytes.length, (copies.get(token) ?? 0) + limit);
  copies.set(token, copied);
  const progress = { totalBytesRewritten: String(copied), objectSize: String(source.bytes.length) };
  if (copied < source.bytes.length) return { status: 200, json: { ...progress, done: false, rewriteToken: token } };
  const described = { ...describedOf(JSON.parse(body.toString()) as Record<string, unknown>, query), name };
  const made = publish(target, described, source.bytes, matchOf(query, deaf));
  return isFailure(made)
    ? made
    : { status: 200, json: { ...progress, done: true, resource: resource(target.name, made) } };
}

/** The XML API, as far as links need it. */
function signed({ fake, key }: Call, request: IncomingMessage, url: URL, body: Buffer): Reply | FakeError {
  const [bucketName = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
  const bucket = fake.buckets.get(bucketName);
  const name = rest.join("/");
  if (!bucket || !key) return failure(404, "notFound", "no such bucket");
  const wrong = checkSigned(request, url, key);
  if (wrong) return wrong;
  if (request.method !== "PUT") {
    const found = bucket.live.get(name);
    return found ? { status: 200, body: found.bytes } : noObject(bucketName, name);
  }
  const match = { ifGenerationMatch: request.headers["x-goog-if-generation-match"] as string | undefined };
  const made = publish(bucket, { name, metadata: {}, contentType: "text/plain" }, body, match);
  return isFailure(made) ? made : { status: 200, headers: { "x-goog-generation": made.generation } };
}
