import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import type { Backend, Entry, Leftover, WriteSource } from "../backend/backend.js";

/** One empty location, opened for one case. */
export interface Subject {
  backend: Backend;
  /** Writes an object behind the backend's back, over what is there, as another program would. */
  overwrite?: (key: string, bytes: Uint8Array) => Promise<void>;
  /** True for keys that the storage can not hold: then it must say so, not keep them under other names. */
  refuses?: (key: string) => boolean;
  /** Takes the storage away, as a pulled cable would. */
  unplug?: () => Promise<void>;
  /** False for a store from which nothing is removed because it honours no conditions: then that is what the cases about removals try. */
  removes?: boolean;
  /** Links that the backend signs can be followed from here; headers that this provider wants beside one for writing. */
  presign?: {
    headers?: Record<string, string> /** Milliseconds, where links for writing have one lifetime only. */;
    expires?: number;
  };
  /** A size that takes several parts; undefined: such objects are not tried. */
  large?: number;
  /** Names that come on one page of a listing; 1,000 where unset. */
  page?: number;
  dispose?: () => Promise<void>;
}

/** What a case is given: without a `needs` of its own, what is missing throws. */
export type Trial = Subject & {
  overwrite: NonNullable<Subject["overwrite"]>;
  unplug: NonNullable<Subject["unplug"]>;
  large: number;
  removes: boolean;
};

/** A promise of the contract: `run` throws when the backend breaks it. */
export interface ConformanceCase {
  name: string;
  /** What the subject must be able to do for this case; where it can not, the case is skipped. */
  needs?: "overwrite" | "unplug" | "presign" | "large";
  /** It is about a removal: where nothing is removed, the refusal is tried instead. */
  removes?: true;
  /** Milliseconds, where it takes longer than others. */
  timeout?: number;
  run(subject: Trial): Promise<void>;
}

export const RUN = "20250131T235959Z-c0ffee00";
/** 2023-11-14T22:13:20.123456789Z */
export const MTIME = 1_700_000_000_123_456_789n;

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Bytes that no buffer boundary leaves unnoticed: different everywhere. */
export const noise = (size: number): Buffer => randomBytes(size);

export function sourceOf(
  bytes: Uint8Array | string,
  more: Partial<WriteSource> & { piece?: number } = {},
): WriteSource {
  const { piece = 1 << 18, ...rest } = more;
  const data = Buffer.from(bytes);
  return {
    sha256: sha256(data),
    size: data.length,
    mtime: MTIME,
    async *bytes() {
      for (let start = 0; start < data.length; start += piece) yield data.subarray(start, start + piece);
    },
    ...rest,
  };
}

export const put = (backend: Backend, key: string, bytes: Uint8Array | string): Promise<Entry> =>
  backend.write(key, sourceOf(bytes));

/** An entry without what only the one who wrote it can know. */
export function stated(entry: Entry | undefined): Omit<Entry, "sha256" | "readBack"> | undefined {
  if (!entry) return undefined;
  const { sha256: _, readBack: __, ...rest } = entry;
  return rest;
}

export async function bytesOf(backend: Backend, key: string, version?: string, start = 0): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // A piece may be overwritten once the next one is asked for.
  for await (const piece of backend.read(key, {
    ...(version !== undefined && { version }),
    ...(start > 0 && { start }),
  }))
    pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

export const textOf = async (backend: Backend, key: string): Promise<string> =>
  (await bytesOf(backend, key)).toString();

export async function keysOf(backend: Backend): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of backend.list()) keys.push(key);
  return keys.sort();
}

export async function leftoversOf(backend: Backend): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for await (const leftover of backend.leftovers()) found.push(leftover);
  return found;
}

export const agree = async (): Promise<void> => undefined;

/** The code of the error that it throws; fails when it does not throw. */
export async function codeThrown(body: () => Promise<unknown>): Promise<string> {
  let result: unknown;
  try {
    result = await body();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    assert.equal(typeof code, "string", `threw an error without a code: ${String(error)}`);
    return String(code);
  }
  return assert.fail(`must throw, but returned ${String(result)}`);
}

export async function refuses(code: string, body: () => Promise<unknown>): Promise<void> {
  assert.equal(await codeThrown(body), code);
}

export async function drain(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes);
}

/** Runs for all items, so many at once. */
export async function atOnce<T>(items: readonly T[], most: number, body: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  const work = async () => {
    for (const item of rest) await body(item);
  };
  await Promise.all(Array.from({ length: most }, work));
}
