import { constants } from "node:fs";
import { StowageError } from "../../lib/error.js";
import type { ReadOptions } from "../backend.js";
import { localVersion } from "../local-version.js";
import { type FileHandle, open } from "./calls.js";
import { look, refuseLinks, syncParents } from "./directories.js";
import { absence, at, type Disk, failure, pathOf } from "./disk.js";

export const BUFFER = 1 << 20;
/** The largest file that is handed from one thread to another. */
const SMALL = 1 << 18;
const REGULAR = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The file's bytes, in one reused buffer. See `Backend.read`. */
export async function* readFile(disk: Disk, key: string, options: ReadOptions): AsyncGenerator<Uint8Array> {
  const handle = await openToRead(disk, key);
  try {
    const before = await handle.stat({ bigint: true });
    if (!before.isFile()) throw notRegular(disk, key);
    const version = localVersion(before);
    if (options.version !== undefined && version !== options.version)
      throw changed(disk, key, "since it was looked at");
    const start = Math.min(options.start ?? 0, Number(before.size));
    let total = BigInt(start);
    for await (const piece of pieces(handle, Number(before.size), start)) {
      if (options.signal?.aborted) throw aborted();
      total += BigInt(piece.length);
      if (total > before.size) break;
      yield piece;
    }
    const after = localVersion(await handle.stat({ bigint: true }));
    if (after !== version || total !== before.size) throw changed(disk, key, "while it was read");
  } catch (error) {
    throw failure(disk, key, error);
  } finally {
    await handle.close();
  }
}

/** A small file, whole and of that version; undefined when it is large. @throws as `readFile` does */
export async function readSmall(disk: Disk, key: string, version: string): Promise<Uint8Array | undefined> {
  const handle = await openToRead(disk, key);
  try {
    const before = await handle.stat({ bigint: true });
    if (!before.isFile()) throw notRegular(disk, key);
    if (localVersion(before) !== version) throw changed(disk, key, "since it was looked at");
    if (before.size > SMALL) return undefined;
    const buffer = Buffer.allocUnsafeSlow(Number(before.size) + 1);
    let [total, count] = [0, 0];
    do {
      count = (await handle.read(buffer, total, buffer.length - total, total)).bytesRead;
      total += count;
    } while (count > 0 && total < before.size);
    const after = localVersion(await handle.stat({ bigint: true }));
    if (after !== version || BigInt(total) !== before.size) throw changed(disk, key, "while it was read");
    return buffer.subarray(0, total);
  } catch (error) {
    throw failure(disk, key, error);
  } finally {
    await handle.close();
  }
}

async function openToRead(disk: Disk, key: string): Promise<FileHandle> {
  const path = pathOf(disk, key);
  try {
    await refuseLinks(disk, path);
    return await open(path, REGULAR);
  } catch (error) {
    throw await absence(disk, key, error);
  }
}

/** See `Backend.settle`. */
export async function settleFile(disk: Disk, key: string): Promise<void> {
  const path = pathOf(disk, key);
  try {
    await refuseLinks(disk, path);
    const handle = await openRegular(path);
    const { dev } = await syncedFile(handle).finally(() => handle.close());
    await syncParents(disk, path, dev);
  } catch (error) {
    throw await absence(disk, key, error);
  }
}

async function syncedFile(handle: FileHandle): Promise<{ dev: bigint }> {
  await handle.sync();
  return await handle.stat({ bigint: true });
}

/** An open file's bytes from `start` on, in one buffer that every piece shares. */
export async function* pieces(handle: FileHandle, size: number, start = 0): AsyncGenerator<Uint8Array> {
  // One byte more than the size, so that the end of a small file is seen with the first call.
  const buffer = Buffer.allocUnsafeSlow(Math.min(BUFFER, size + 1));
  for (let position = start; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
    if (bytesRead < buffer.length && position >= size) return;
  }
}

/** Opens what a temporary's name leads to anew: a regular file or an error. */
export async function openRegular(path: string): Promise<FileHandle> {
  return await open(path, REGULAR);
}

export const aborted = (): StowageError => new StowageError("ABORTED", "stopped on request");

export const notRegular = (disk: Disk, key: string): StowageError =>
  new StowageError("PRECONDITION", `${at(disk, key)} is not a regular file`, {
    hint: "stowage does not touch directories, symbolic links and special files.",
  });

export const changed = (disk: Disk, key: string, when: string): StowageError =>
  new StowageError("PRECONDITION", `${at(disk, key)} changed ${when}`, { hint: "Run `stowage scan` and plan again." });

/** @throws `PRECONDITION` unless nothing stands at the path */
export async function refuseTaken(disk: Disk, key: string, path: string): Promise<void> {
  if (await look(path)) throw taken(disk, key);
}

export const taken = (disk: Disk, key: string, cause?: unknown): StowageError =>
  new StowageError("PRECONDITION", `${at(disk, key)} exists already; nothing is ever overwritten`, {
    hint: "Run `stowage scan` and plan again.",
    cause,
  });
