import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { listObjects, listVersions } from "./fake-list.js";
import { type Ask, answer, type Reply } from "./fake-object.js";
import { type FakeBucket, FakeError, freshBucket } from "./fake-state.js";
import { texts, xml } from "./fake-xml.js";
import type { S3Server } from "./server.js";

/** What happens to a request instead of its answer, or after its effect. */
export type Fault =
  | { status: number; code: string; headers?: Record<string, string> }
  /** The request has no effect, and the connection ends. */
  | "reset"
  /** The request has its effect, and the connection ends before the answer. */
  | "lost"
  /** Only half of the body comes. */
  | "truncated"
  /** It fails after the status line said 200. */
  | "late error";

export interface FakeS3 extends S3Server {
  buckets: Map<string, FakeBucket>;
  /** Told of each request, as `PUT name?query`; what it returns is done to it. */
  fault: (request: string, headers: IncomingMessage["headers"]) => Fault | undefined;
  /** Waited for before each answer; told of the request as `fault` is. */
  delay: ((request: string) => Promise<void>) | undefined;
  /** Changes what is asked for behind everybody's back. */
  rewrite: ((url: URL) => void) | undefined;
  /** What was asked, as `PUT name?query`. */
  log: string[];
  /** Keys of one page, at most. */
  pageSize: number;
  close(): Promise<void>;
}

/**
 * A fake of S3 in memory that enforces what the real service documents and other stores ignore: conditions on DELETE, CopyObject and Complete, checksums, versions
 * with delete markers, archived classes, paging. Signatures must be there; they are not verified.
 */
export async function fakeS3(): Promise<FakeS3> {
  const server = createServer((request, response) => {
    void serve(fake, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fake: FakeS3 = {
    ...{ endpoint: `http://127.0.0.1:${portOf(server)}`, accessKeyId: "fakeaccess", secretAccessKey: "fakesecret" },
    ...{ buckets: new Map(), fault: () => undefined, delay: undefined, rewrite: undefined, log: [], pageSize: 1000 },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function serve(fake: FakeS3, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", fake.endpoint);
  const [bucket = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
  const key = rest.join("/");
  url.searchParams.delete("x-id");
  const line = `${request.method} ${key}${url.search}`;
  fake.log.push(line);
  const fault = fake.fault(line, request.headers);
  if (fault === "reset") return void request.socket.destroy();
  const body = await collect(request);
  if (body === undefined) return;
  await fake.delay?.(line);
  fake.rewrite?.(url);
  let reply: Reply;
  try {
    if (typeof fault === "object") throw new FakeError(fault.status, fault.code, fault.code, fault.headers);
    reply = route(fake, request, url, bucket, key, body);
  } catch (error) {
    if (!(error instanceof FakeError)) throw error;
    reply = { status: error.status, headers: error.headers, body: errorText(error) };
  }
  if (fault === "lost") return void request.socket.destroy();
  if (fault === "late error") reply = { body: errorText(new FakeError(200, "InternalError")) };
  send(request, response, reply, fault === "truncated");
}

const errorText = ({ code, message }: FakeError): string =>
  xml("Error", { Code: code, Message: message, RequestId: "fake" });

/** Undefined when the request ended before its body did. */
async function collect(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece);
  } catch {
    // The client has gone: nobody waits for an answer.
    return undefined;
  }
  return Buffer.concat(pieces);
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply, truncated: boolean): void {
  const bytes = Buffer.from(reply.body ?? "");
  const length = request.method === "HEAD" ? {} : { "content-length": String(bytes.length) };
  response.writeHead(reply.status ?? 200, { ...length, ...reply.headers });
  if (!truncated) response.end(request.method === "HEAD" ? undefined : bytes);
  else response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

function route(fake: FakeS3, request: IncomingMessage, url: URL, name: string, key: string, body: Buffer): Reply {
  authenticate(fake, request, url.searchParams);
  const { method = "GET" } = request;
  const { searchParams: query } = url;
  if (key === "" && method === "PUT" && !query.has("versioning")) {
    fake.buckets.set(name, freshBucket());
    return {};
  }
  const find = (bucket: string): FakeBucket => {
    const found = fake.buckets.get(bucket);
    if (!found) throw new FakeError(404, "NoSuchBucket");
    return found;
  };
  const bucket = find(name);
  if (key === "") return ofBucket(fake, method, name, bucket, query, String(body));
  if (Buffer.byteLength(key) > 1024) throw new FakeError(400, "KeyTooLongError");
  if (method === "PUT" && request.headers["content-length"] === undefined)
    throw new FakeError(411, "MissingContentLength");
  const headers = request.headers as Record<string, string | undefined>;
  return answer({ method, bucket, key, query, headers, body, find } satisfies Ask);
}

function ofBucket(
  fake: FakeS3,
  method: string,
  name: string,
  bucket: FakeBucket,
  query: URLSearchParams,
  body: string,
): Reply {
  if (method === "HEAD") return {};
  if (method === "DELETE") {
    if (bucket.keys.size > 0) throw new FakeError(409, "BucketNotEmpty");
    fake.buckets.delete(name);
    return { status: 204 };
  }
  if (method === "PUT") {
    bucket.versioning = texts(body, "Status")[0] ?? "";
    return {};
  }
  if (query.has("versioning")) return { body: xml("VersioningConfiguration", { Status: bucket.versioning }) };
  if (query.has("versions")) return { body: listVersions(name, bucket, query, fake.pageSize) };
  if (query.has("uploads")) {
    const Upload = [...bucket.uploads.values()].map(({ key, id }) => ({ Key: key, UploadId: id }));
    return { body: xml("ListMultipartUploadsResult", { IsTruncated: false, Upload }) };
  }
  return { body: listObjects(name, bucket, query, fake.pageSize) };
}

/** A signature by a known key, not expired, over headers that are all there. */
function authenticate(fake: FakeS3, request: IncomingMessage, query: URLSearchParams): void {
  const header = request.headers.authorization;
  const credential = header ? /Credential=([^/,]+)/.exec(header)?.[1] : query.get("X-Amz-Credential")?.split("/")[0];
  if (credential === undefined || !(header?.includes("Signature=") || query.has("X-Amz-Signature"))) {
    throw new FakeError(403, "AccessDenied");
  }
  if (credential !== fake.accessKeyId) throw new FakeError(403, "InvalidAccessKeyId");
  if (header) return;
  const missing = (query.get("X-Amz-SignedHeaders") ?? "")
    .split(";")
    .filter((name) => request.headers[name] === undefined);
  if (missing.length > 0) throw new FakeError(403, "SignatureDoesNotMatch");
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get("X-Amz-Date") ?? "") ?? [];
  const signed = Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
  if (!(Date.now() < signed + Number(query.get("X-Amz-Expires")) * 1000))
    throw new FakeError(403, "AccessDenied", "Request has expired");
}
