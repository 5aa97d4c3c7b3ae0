import { createHash, randomUUID } from "node:crypto";
import { codeOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { printable } from "../../lib/key.js";
import type { Condition, Stored, Upload } from "../store.js";
import { type Azure, blobOf, conditionsOf, send } from "./context.js";
import { find } from "./head.js";
import { toAzure } from "./metadata.js";
import { CHECKED_MD5, type Properties, storedOf } from "./stored.js";

const md5Of = (bytes: Uint8Array): Buffer => createHash("md5").update(bytes).digest();

/** See `ObjectStore.put`. One request for what fits into a block, else blocks that become a blob all at once. */
export async function upload(azure: Azure, name: string, what: Upload, condition: Condition): Promise<Stored> {
  if (what.parts || what.size > azure.limits.block) return await inBlocks(azure, name, what, condition);
  try {
    return await atOnce(azure, name, what, condition);
  } catch (error) {
    // Blocks of an upload that was given up may be in the way of a blob in one piece for a week, not of one in blocks.
    if (codeOf(error) !== "PRECONDITION" || !("absent" in condition) || (await find(azure, name))) throw error;
    return await inBlocks(azure, name, what, condition);
  }
}

async function atOnce(azure: Azure, name: string, what: Upload, condition: Condition): Promise<Stored> {
  const bytes = what.whole ?? (await gathered(what));
  // The service checks an MD5 only: that it belongs to the SHA-256 that goes with it is seen to here.
  if (sha256Hex(bytes) !== what.sha256)
    throw new StowageError("CORRUPT", `${printable(name)}: the bytes to be written are others`);
  const md5 = md5Of(bytes);
  const options = optionsOf(azure, what, condition, md5);
  const blob = blobOf(azure, name);
  const sent = await send(
    azure,
    name,
    ({ signal, alive }) => blob.upload(bytes, bytes.length, { ...options, abortSignal: signal, onProgress: alive }),
    { signal: what.signal },
  );
  return written(azure, name, { ...sent, contentLength: bytes.length }, options.metadata);
}

async function gathered(what: Upload): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(what.size);
  let filled = 0;
  for await (const piece of what.bytes()) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes.subarray(0, filled);
}

/** Blocks are nothing until the list of them is committed, under the condition; what is not, the service drops after a week. */
async function inBlocks(azure: Azure, name: string, what: Upload, condition: Condition): Promise<Stored> {
  const size = blockSize(azure, what.size);
  const lanes = Math.max(1, Math.floor(azure.limits.memory / size));
  const nonce = randomUUID();
  const ids: string[] = [];
  const whole = createHash("md5");
  let length = 0;
  await inParallel(blocksOf(what, size), lanes, async (bytes) => {
    const id = blockId(nonce, ids.length);
    ids.push(id);
    whole.update(bytes);
    length += bytes.length;
    return () => stage(azure, name, what, id, bytes);
  });
  const md5 = whole.digest();
  const options = optionsOf(azure, what, condition, md5);
  const blob = blobOf(azure, name);
  const sent = await send(azure, name, ({ signal }) => blob.commitBlockList(ids, { ...options, abortSignal: signal }), {
    signal: what.signal,
  });
  return written(azure, name, { ...sent, contentLength: length, contentMD5: md5 }, options.metadata);
}

/** The service refuses a block that does not have this MD5. */
async function stage(azure: Azure, name: string, what: Upload, id: string, bytes: Uint8Array): Promise<void> {
  const blob = blobOf(azure, name);
  const transactionalContentMD5 = md5Of(bytes);
  await send(
    azure,
    name,
    ({ signal, alive }) =>
      blob.stageBlock(id, bytes, bytes.length, { transactionalContentMD5, abortSignal: signal, onProgress: alive }),
    { signal: what.signal },
  );
}

/** Ids of one length, and of one upload alone: another's blocks can never get into its list. */
export const blockId = (nonce: string, index: number): string =>
  Buffer.from(`${nonce}-${String(index).padStart(6, "0")}`).toString("base64");

/** Few enough blocks, in steps of a MiB. */
function blockSize({ limits }: Azure, size: number): number {
  const least = Math.ceil(size / limits.blocks);
  return least <= limits.block ? limits.block : Math.ceil(least / 2 ** 20) * 2 ** 20;
}

/** A blob's bytes, `size` at a time, in buffers of their own. */
async function* blocksOf(what: Upload, size: number): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafe(Math.min(size, what.size));
  let filled = 0;
  for await (const piece of what.bytes()) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + block.length - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < block.length) continue;
      yield block;
      block = Buffer.allocUnsafe(size);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/**
 * Prepares each item in order and runs what that gives, at most `lanes` at once; never takes the next item before there is room for it.
 * Throws the first error after everything that was begun has ended.
 */
async function inParallel<T>(
  items: AsyncIterable<T>,
  lanes: number,
  prepare: (item: T) => Promise<() => Promise<void>>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const item of items) {
      const body = await prepare(item);
      const run = body()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(run));
      running.add(run);
      while (running.size >= lanes) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

/** Of a request that makes a blob. */
function optionsOf({ tier }: Azure, { metadata }: Upload, condition: Condition, md5: Buffer) {
  return {
    metadata: toAzure({ ...metadata, [CHECKED_MD5]: md5.toString("hex") }),
    conditions: conditionsOf(condition),
    blobHTTPHeaders: { blobContentType: "application/octet-stream", blobContentMD5: md5 },
    ...(tier !== undefined && { tier }),
  };
}

/** The new blob, as `head` would tell it. */
export const written = (azure: Azure, name: string, sent: Properties, metadata: Record<string, string>): Stored =>
  storedOf(azure, name, { ...sent, metadata, accessTier: azure.tier, accessTierInferred: false });
