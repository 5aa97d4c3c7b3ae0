import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, StowageError } from "../../lib/error.js";
import type { ReadOptions } from "../backend.js";
import { hashStream } from "../hash-stream.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import { aborted, absent, at, type Bucket, changed } from "./bucket.js";
import { look, remember, sizeOf } from "./look.js";

/** How often a stream is asked for again that broke before it gave a single byte. */
const FRUITLESS = 3;

/**
 * See `Backend.read`. All bytes come under one token, also those after a stream that broke. Where it is not known that the store
 * refuses another token, it is looked at before and after.
 */
export async function* readObject(
  bucket: Bucket,
  key: string,
  name: string,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const { start = 0, signal } = options;
  if (signal?.aborted) throw aborted();
  const trusted = bucket.features.store?.conditionalRead === true;
  const { token, size } = await described(bucket, key, name, options, trusted);
  yield* resumed(bucket, key, name, { token, size, start, ...(signal && { signal }) });
  if (!trusted && (await bucket.store.head(name, signal))?.token !== token) {
    throw changed(bucket, key, "while it was read");
  }
}

async function described(
  bucket: Bucket,
  key: string,
  name: string,
  { version, start = 0, signal }: ReadOptions,
  trusted: boolean,
): Promise<Pick<Stored, "token" | "size">> {
  const known = version === undefined || !trusted ? undefined : sizeOf(bucket, name, version);
  // Where there is nothing to send the store would not be asked, so it is here.
  if (version !== undefined && known !== undefined && known > start) return { token: version, size: known };
  const found = await look(bucket, name, signal);
  if (!found) throw absent(bucket, key);
  if (version !== undefined && found.token !== version) throw changed(bucket, key, "since it was looked at");
  if (found.archived !== undefined) {
    throw new StowageError("ARCHIVED", `${at(bucket, key)} can not be read now`, { hint: found.archived });
  }
  return found;
}

interface Reading {
  token: string;
  size: number;
  start: number;
  signal?: AbortSignal;
}

async function* resumed(bucket: Bucket, key: string, name: string, reading: Reading): AsyncGenerator<Uint8Array> {
  const { size, start, signal } = reading;
  let fruitless = 0;
  for (let offset = start; offset < size; ) {
    const from = offset;
    try {
      for await (const piece of stream(bucket, key, name, { ...reading, start: offset })) {
        offset += piece.length;
        yield piece;
      }
    } catch (error) {
      fruitless = offset > from ? 0 : fruitless + 1;
      if (!isBroken(error, fruitless)) throw refusal(bucket, key, error, offset > start);
      if (fruitless > 0) await pause(fruitless, signal);
    }
  }
}

/** One stream, up to the end of the object. */
async function* stream(bucket: Bucket, key: string, name: string, reading: Reading): AsyncGenerator<Uint8Array> {
  const { size, start, token, signal } = reading;
  let offset = start;
  for await (const piece of bucket.store.read(name, { token, start, ...(signal && { signal }) })) {
    if (signal?.aborted) throw aborted();
    offset += piece.length;
    if (offset > size) throw changed(bucket, key, "while it was read");
    if (piece.length > 0) yield piece;
  }
  if (offset < size) throw unavailable(`${at(bucket, key)}: the stream ended at ${offset} of ${size} bytes`);
}

const isBroken = (error: unknown, fruitless: number): boolean =>
  codeOf(error) === "UNAVAILABLE" && fruitless < FRUITLESS;

/** The store's refusal in the words of the location. */
function refusal(bucket: Bucket, key: string, error: unknown, begun: boolean): unknown {
  const code = codeOf(error);
  if (code === "PRECONDITION" || (code === "NOT_FOUND" && begun)) {
    return changed(bucket, key, begun ? "while it was read" : "since it was looked at", error);
  }
  return code === "NOT_FOUND" ? absent(bucket, key, error) : error;
}

async function pause(fruitless: number, signal: AbortSignal | undefined): Promise<void> {
  const delay = Math.random() * 100 * 2 ** fruitless;
  await sleep(delay, undefined, signal && { signal }).catch(() => {
    throw aborted();
  });
}

/** What a small object of stowage's own holds now, as text; undefined where there is none. */
export const contentOf = async (bucket: Pick<Bucket, "store">, name: string): Promise<string | undefined> =>
  (await bytesOf(bucket, name))?.toString("utf8");

/** What a small object of stowage's own holds now; undefined where there is none. */
export async function bytesOf({ store }: Pick<Bucket, "store">, name: string): Promise<Buffer | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      const pieces: Buffer[] = [];
      for await (const piece of store.read(name, {})) pieces.push(Buffer.from(piece));
      return Buffer.concat(pieces);
    } catch (error) {
      if (codeOf(error) === "NOT_FOUND") return undefined;
      if (codeOf(error) !== "UNAVAILABLE" || attempt === FRUITLESS) throw error;
      await pause(attempt, undefined);
    }
  }
}

/** Lower-case hex of the object while it has the token. */
export async function hashOf(bucket: Bucket, key: string, found: Stored, signal?: AbortSignal): Promise<string> {
  const { name, token } = found;
  remember(bucket, found);
  return await hashStream(readObject(bucket, key, name, { version: token, ...(signal && { signal }) }));
}
