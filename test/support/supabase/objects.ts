import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** See `fakeSupabase`. */
export interface FakeSupabase {
  url: string;
  key: string;
  buckets: Map<string, Map<string, FakeObject>>;
  uploads: Map<string, FakeUpload>;
  /** What this one does wrong on purpose. */
  defects: Set<FakeDefect>;
  /** Method and path of every request. */
  seen: string[];
  sign(payload: Record<string, unknown>): string;
  close(): Promise<void>;
}

export type FakeDefect =
  /** As older servers do: of many that create one name at once each believes to be the first. */
  "looks before it writes" | "ignores If-Match" | "repeats a page" | "loses an answer" | "has no second listing";

export interface FakeObject {
  id: string;
  bytes: Buffer;
  etag: string;
  updated: number;
  metadata: Record<string, unknown>;
}

export interface FakeUpload {
  bucket: string;
  name: string;
  length: number;
  upsert: boolean;
  metadata: Record<string, unknown>;
  bytes: Buffer;
}

/** An answer that is no success, as the service words it: most refusals have the status 400. */
export interface Refusal {
  statusCode: number;
  error: string;
  message: string;
}

export const refusal = (statusCode: number, error: string, message: string): Refusal => ({
  statusCode,
  error,
  message,
});

/** One request and what belongs to it. */
export interface Call {
  fake: FakeSupabase;
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
}

const VALID = /^(\w|\/|!|-|\.|\*|'|\(|\)| |&|\$|@|=|;|:|\+|,|\?)*$/;

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

export function bucketOf({ fake }: Call, bucket: string): Map<string, FakeObject> {
  const objects = fake.buckets.get(bucket);
  if (!objects) throw refusal(404, "Bucket not found", "Bucket not found");
  return objects;
}

export function requireValid(name: string): void {
  if (!VALID.test(name)) throw refusal(400, "InvalidKey", `Invalid key: ${name}`);
}

export function requireFree(objects: Map<string, FakeObject>, name: string, upsert: boolean): void {
  if (!upsert && objects.has(name)) throw refusal(409, "Duplicate", "The resource already exists");
}

let clock = 0;

export function store(
  objects: Map<string, FakeObject>,
  name: string,
  bytes: Buffer,
  metadata: Record<string, unknown>,
) {
  clock = Math.max(Date.now(), clock + 1);
  const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
  objects.set(name, { id: randomUUID(), bytes, etag, updated: clock, metadata });
}
