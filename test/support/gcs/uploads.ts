import { randomBytes } from "node:crypto";
import {
  badName,
  checkMatch,
  checkSums,
  type Described,
  type FakeBucket,
  type FakeError,
  failure,
  isFailure,
  type Match,
  publish,
  resource,
} from "./objects.js";

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  json?: unknown;
  body?: Buffer;
}

/** What the fake was told not to do; an honest store has none of these. */
export type Defect =
  | "ignores conditions on create"
  | "ignores conditions on replace"
  | "ignores conditions on remove"
  | "ignores conditions on read"
  | "ignores conditions on resumable uploads"
  | "ignores conditions on copy"
  | "ignores checksums"
  | "flips a byte"
  | "lists late";

interface Session {
  bucket: FakeBucket;
  described: Described;
  match: Match;
  declared: Record<string, unknown>;
  length?: number;
  bytes: Buffer;
  done?: Record<string, unknown>;
}

/** How much of each part the store keeps, as real ones may keep less than was sent. */
export type Keeping = (length: number) => number;

export interface Uploads {
  multipart(bucket: FakeBucket, query: URLSearchParams, contentType: string, body: Buffer): Reply | FakeError;
  begin(bucket: FakeBucket, query: URLSearchParams, headers: Headers, body: Buffer, base: string): Reply | FakeError;
  go(id: string, headers: Headers, body: Buffer): Reply | FakeError;
  cancel(id: string): Reply | FakeError;
  /** Forgets all sessions, as the store does after a week. */
  forget(): void;
  open(): number;
}

type Headers = Record<string, string | string[] | undefined>;
const QUANTUM = 256 << 10;

export function uploads(has: (defect: Defect) => boolean, keeping: () => Keeping): Uploads {
  const sessions = new Map<string, Session>();

  function store(session: Omit<Session, "bytes">, bytes: Buffer, hashes: { md5?: string; crc32c?: string }) {
    const { declared, described, bucket } = session;
    const sums = {
      md5: textOf(declared["md5Hash"]) ?? hashes.md5,
      crc32c: textOf(declared["crc32c"]) ?? hashes.crc32c,
    };
    const wrong = has("ignores checksums") ? undefined : checkSums(bytes, sums);
    if (wrong) return wrong;
    const kept = Buffer.from(bytes);
    if (has("flips a byte") && kept.length > 0) kept[0]! ^= 1;
    const made = publish(bucket, described, kept, session.match);
    return isFailure(made) ? made : { status: 200, json: resource(bucket.name, made) };
  }

  /** Adds what is new of a part. */
  function take(session: Session, first: number, last: number, end: number | undefined, body: Buffer) {
    if (last - first + 1 !== body.length) return failure(400, "badRequest", "Bytes are missing.");
    if (first > session.bytes.length) return failure(400, "badRequest", "Invalid request: a gap.");
    if (end === undefined && body.length % QUANTUM !== 0) {
      return failure(400, "badRequest", "Parts must be multiples of 256 KiB.");
    }
    const fresh = body.subarray(session.bytes.length - first);
    const kept = keeping()(fresh.length);
    session.bytes = Buffer.concat([session.bytes, fresh.subarray(0, kept)]);
    return undefined;
  }

  const matchOf = (bucket: FakeBucket, name: string, query: URLSearchParams): Match => {
    const replaces = bucket.live.has(name);
    const wanted = query.get("ifGenerationMatch") ?? undefined;
    const deaf =
      (wanted === "0" && has("ignores conditions on create")) ||
      (wanted !== "0" && replaces && has("ignores conditions on replace"));
    return deaf ? {} : { ifGenerationMatch: wanted };
  };

  return {
    multipart(bucket, query, contentType, body) {
      const parts = partsOf(contentType, body);
      if (!parts) return failure(400, "parseError", "Malformed multipart body.");
      const [json, media] = parts;
      const declared = JSON.parse(json.toString()) as Record<string, unknown>;
      const described = describedOf(declared, query);
      const match = matchOf(bucket, described.name, query);
      return store({ bucket, described, match, declared }, media, {});
    },
    begin(bucket, query, headers, body, base) {
      const declared = JSON.parse(body.toString() || "{}") as Record<string, unknown>;
      const described = describedOf(declared, query);
      const match = matchOf(bucket, described.name, query);
      const later = has("ignores conditions on resumable uploads") ? {} : match;
      const wrong = badName(described.name) ?? checkMatch(bucket.live.get(described.name), later);
      if (wrong) return wrong;
      const id = randomBytes(12).toString("hex");
      const length = headers["x-upload-content-length"];
      sessions.set(id, {
        bucket,
        described,
        match: later,
        declared,
        bytes: Buffer.alloc(0),
        ...(length !== undefined && { length: Number(length) }),
      });
      return { status: 200, headers: { location: `${base}/upload/session/${id}` } };
    },
    go(id, headers, body) {
      const session = sessions.get(id);
      if (!session) return failure(404, "notFound", "Not Found");
      if (session.done) return { status: 200, json: session.done };
      const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(String(headers["content-range"]));
      if (!range) return failure(400, "badRequest", "Failed to parse Content-Range header.");
      const end = range[3] === "*" ? undefined : Number(range[3]);
      if (end !== undefined && session.length !== undefined && end !== session.length) {
        return failure(400, "badRequest", "The total is not the declared length.");
      }
      const wrong = range[1] === undefined ? undefined : take(session, Number(range[1]), Number(range[2]), end, body);
      if (wrong) return wrong;
      if (end === undefined || session.bytes.length < end) return waiting(session);
      const reply = store(session, session.bytes, hashesOf(headers["x-goog-hash"]));
      if (!isFailure(reply)) session.done = reply.json;
      return reply;
    },
    cancel(id) {
      if (!sessions.has(id)) return failure(404, "notFound", "Not Found");
      sessions.delete(id);
      return { status: 499 };
    },
    forget: () => sessions.clear(),
    open: () => [...sessions.values()].filter(({ done }) => !done).length,
  };
}

const waiting = ({ bytes }: Session): Reply => ({
  status: 308,
  ...(bytes.length > 0 && { headers: { range: `bytes=0-${bytes.length - 1}` } }),
});

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export function describedOf(declared: Record<string, unknown>, query: URLSearchParams): Described {
  const contentEncoding = textOf(declared["contentEncoding"]);
  const storageClass = textOf(declared["storageClass"]);
  const kmsKeyName = query.get("kmsKeyName") ?? query.get("destinationKmsKeyName");
  return {
    name: textOf(declared["name"]) ?? query.get("name") ?? "",
    metadata: (declared["metadata"] as Record<string, string> | undefined) ?? {},
    contentType: textOf(declared["contentType"]) ?? "application/octet-stream",
    ...(contentEncoding && { contentEncoding }),
    ...(storageClass && { storageClass }),
    ...(kmsKeyName && { kmsKeyName }),
  };
}

function hashesOf(header: string | string[] | undefined): { md5?: string; crc32c?: string } {
  const found: { md5?: string; crc32c?: string } = {};
  for (const part of String(header ?? "").split(",")) {
    const [, kind, value] = /^\s*(md5|crc32c)=(.+?)\s*$/.exec(part) ?? [];
    if (kind === "md5" || kind === "crc32c") found[kind] = value ?? "";
  }
  return found;
}

/** The JSON and the bytes of a multipart/related body. */
function partsOf(contentType: string, body: Buffer): [Buffer, Buffer] | undefined {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (!boundary) return undefined;
  const dash = `--${boundary}`;
  const first = body.indexOf(dash);
  const second = body.indexOf(`\r\n${dash}`, first + dash.length);
  const end = body.lastIndexOf(`\r\n${dash}--`);
  if (first < 0 || second < 0 || end <= second) return undefined;
  const content = (from: number, to: number) => body.subarray(body.indexOf("\r\n\r\n", from) + 4, to);
  return [content(first, second), content(second + 2, end)];
}
