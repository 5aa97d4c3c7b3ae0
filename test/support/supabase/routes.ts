import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  bodyOf,
  bucketOf,
  type Call,
  type FakeObject,
  type FakeSupabase,
  refusal,
  requireFree,
  requireValid,
  store,
} from "./objects.js";
import { tus } from "./tus.js";

const TWO_HOURS = 7200;
type Route = [method: string, pattern: RegExp, body: (call: Call, bucket: string, name: string) => Promise<void>];

const ROUTES: Route[] = [
  ["GET", /^\/bucket\/([^/]+)$/, findBucket],
  ["POST", /^\/object\/list-v2\/([^/]+)$/, listing],
  ["GET", /^\/object\/info\/([^/]+)\/(.+)$/, info],
  ["GET", /^\/object\/authenticated\/([^/]+)\/(.+)$/, download],
  ["GET", /^\/object\/sign\/([^/]+)\/(.+)$/, download],
  ["POST", /^\/object\/sign\/([^/]+)\/(.+)$/, signRead],
  ["POST", /^\/object\/upload\/sign\/([^/]+)\/(.+)$/, signWrite],
  ["PUT", /^\/object\/upload\/sign\/([^/]+)\/(.+)$/, upload],
  ["POST", /^\/object\/([^/]+)\/(.+)$/, upload],
  ["DELETE", /^\/object\/([^/]+)$/, removal],
];

export async function routes(fake: FakeSupabase, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", fake.url);
  const path = url.pathname.replace(/^\/storage\/v1/, "");
  const call = { fake, request, response, url };
  // Who comes by a link shows its token instead.
  const linked = /^\/object\/(upload\/)?sign\//.test(path) && url.searchParams.has("token");
  if (!linked && request.headers.authorization !== `Bearer ${fake.key}`) {
    throw refusal(403, "Unauthorized", "Invalid Compact JWS");
  }
  if (path.startsWith("/upload/resumable")) return await tus(call, path);
  for (const [method, pattern, body] of ROUTES) {
    const [, bucket, name = ""] = (method === request.method && pattern.exec(path)) || [];
    if (bucket !== undefined) return await body(call, decodeURIComponent(bucket), decodeURIComponent(name));
  }
  throw refusal(404, "Not found", `Route ${request.method}:${path} not found`);
}

export function json({ response }: Call, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

/** Of a bucket that is not there the service says the same. */
function objectOf({ fake }: Call, bucket: string, name: string): FakeObject {
  const object = fake.buckets.get(bucket)?.get(name);
  if (!object) throw refusal(404, "not_found", "Object not found");
  return object;
}

async function findBucket(call: Call, bucket: string): Promise<void> {
  bucketOf(call, bucket);
  json(call, { id: bucket, name: bucket, public: false });
}

/** In the order of names, however many are asked for at most 1,000; of a bucket that is not there nothing. */
async function listing(call: Call, bucket: string): Promise<void> {
  const { fake, request } = call;
  if (fake.defects.has("has no second listing")) {
    throw refusal(400, "InvalidRequest", "This feature is not available for your tenant");
  }
  const asked: { prefix?: string; limit?: number; cursor?: string } = JSON.parse((await bodyOf(request)).toString());
  const { prefix = "", cursor = "" } = asked;
  const limit = Math.min(asked.limit ?? 1000, 1000);
  const after = fake.defects.has("repeats a page") ? "" : Buffer.from(cursor, "base64").toString();
  const names = [...(fake.buckets.get(bucket)?.keys() ?? [])]
    .filter((name) => name.startsWith(prefix) && name > after)
    .sort();
  const page = names.slice(0, limit);
  const objects = page.map((name) => {
    const { id, bytes, etag, updated } = objectOf(call, bucket, name);
    const at = new Date(updated).toISOString();
    return { name, id, updated_at: at, created_at: at, metadata: { eTag: etag, size: bytes.length } };
  });
  const hasNext = names.length > limit;
  json(call, {
    hasNext,
    ...(hasNext && { nextCursor: Buffer.from(page.at(-1) ?? "").toString("base64") }),
    folders: [],
    objects,
  });
}

async function info(call: Call, bucket: string, name: string): Promise<void> {
  const { id, bytes, etag, updated, metadata } = objectOf(call, bucket, name);
  const at = new Date(updated).toISOString();
  json(call, { id, name, bucket_id: bucket, size: bytes.length, etag, metadata, last_modified: at, created_at: at });
}

async function download(call: Call, bucket: string, name: string): Promise<void> {
  const { fake, request, response, url } = call;
  if (url.pathname.includes("/object/sign/")) requireToken(call, bucket, name, "read");
  const { bytes, etag } = objectOf(call, bucket, name);
  const wanted = request.headers["if-match"];
  if (wanted !== undefined && wanted !== etag && !fake.defects.has("ignores If-Match")) {
    throw refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (start > 0 && start >= bytes.length) throw refusal(416, "InvalidRange", "invalid range provided");
  const rest = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { etag, "content-length": rest.length });
  response.end(rest);
}

async function upload(call: Call, bucket: string, name: string): Promise<void> {
  const { fake, request, url } = call;
  const objects = bucketOf(call, bucket);
  if (url.pathname.includes("/object/upload/sign/")) requireToken(call, bucket, name, "write");
  requireValid(name);
  const upsert = request.headers["x-upsert"] === "true";
  requireFree(objects, name, upsert);
  const noted = request.headers["x-metadata"];
  const metadata = typeof noted === "string" ? JSON.parse(Buffer.from(noted, "base64").toString()) : {};
  const bytes = await bodyOf(request);
  await new Promise(setImmediate);
  requireFree(bucketOf(call, bucket), name, upsert || fake.defects.has("looks before it writes"));
  store(objects, name, bytes, metadata);
  json(call, { Id: randomUUID(), Key: `${bucket}/${name}` });
}

async function removal(call: Call, bucket: string): Promise<void> {
  const { prefixes }: { prefixes: string[] } = JSON.parse((await bodyOf(call.request)).toString());
  const objects = bucketOf(call, bucket);
  json(
    call,
    prefixes.filter((name) => objects.delete(name)).map((name) => ({ name })),
  );
}

async function signRead(call: Call, bucket: string, name: string): Promise<void> {
  const { expiresIn }: { expiresIn: number } = JSON.parse((await bodyOf(call.request)).toString());
  objectOf(call, bucket, name);
  const token = call.fake.sign({ url: `${bucket}/${name}`, scope: "read", until: Date.now() + expiresIn * 1000 });
  json(call, { signedURL: `/object/sign/${bucket}/${name}?token=${token}` });
}

async function signWrite(call: Call, bucket: string, name: string): Promise<void> {
  await bodyOf(call.request);
  requireFree(bucketOf(call, bucket), name, false);
  const token = call.fake.sign({ url: `${bucket}/${name}`, scope: "write", until: Date.now() + TWO_HOURS * 1000 });
  json(call, { url: `/object/upload/sign/${bucket}/${name}?token=${token}` });
}

function requireToken({ fake, url }: Call, bucket: string, name: string, scope: "read" | "write"): void {
  const token = url.searchParams.get("token") ?? "";
  const payload: Record<string, unknown> = JSON.parse(
    Buffer.from(token.split(".")[0] ?? "", "base64url").toString() || "{}",
  );
  if (fake.sign(payload) !== token || payload["url"] !== `${bucket}/${name}` || payload["scope"] !== scope) {
    throw refusal(400, "InvalidSignature", "Invalid signature");
  }
  if (Number(payload["until"]) < Date.now())
    throw refusal(400, "InvalidJWT", '"exp" claim timestamp check failed, the jwt expired');
}
