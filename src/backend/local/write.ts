import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import type { Entry, WriteSource } from "../backend.js";
import { localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";
import { TEMPORARY } from "../marker.js";
import { copyFile, type FileHandle, open, stat, unlink } from "./calls.js";
import { leftReservation } from "./claim.js";
import { look, makeParents, refuseLinks } from "./directories.js";
import { at, type Disk, failure, pathOf, requireRoot } from "./disk.js";
import { entryOf, isSame } from "./entry.js";
import { setMtime } from "./mtime.js";
import { pourInto } from "./pour.js";
import { publish } from "./publish.js";
import { aborted, BUFFER, openRegular, pieces, taken } from "./read.js";
import { secondName } from "./second-name.js";

/** See `Backend.write`: temporary, hash in flight, time, fsync, read back, link, fsync. */
export async function writeFile(disk: Disk, key: string, source: WriteSource): Promise<Entry> {
  const final = pathOf(disk, key);
  try {
    // Before many bytes are moved, to save the work; `publish` is what makes sure.
    if (source.size > BUFFER || !source.file) {
      await requireRoot(disk);
      await refuseLinks(disk, final);
    }
    if (!source.confirm) await refuseTaken(disk, key, final);
    return await viaTemporary(disk, key, final, source);
  } catch (error) {
    throw failure(disk, key, error);
  }
}

async function viaTemporary(disk: Disk, key: string, final: string, source: WriteSource): Promise<Entry> {
  const temporary = join(disk.root, TEMPORARY, `${source.run ?? "write"}.${randomBytes(8).toString("hex")}`);
  const device = (await makeParents(disk, temporary)).at(-1)?.stat?.dev;
  await disk.barrier.open();
  let own: Stat | undefined;
  let second: Stat | undefined;
  try {
    second = await secondName(disk, temporary, device, source, () => readThrough(disk, key, source));
    if (!second) await fill(disk, key, temporary, source);
    await disk.step("filled");
    const proven = second ?? (await proveReadBack(disk, key, temporary, source));
    await source.confirm?.();
    own = await look(temporary);
    // Bytes that changed after they were read are bytes that nobody has read (I4).
    if (!own || !isSame(own, proven)) throw notReadBack(disk, key, "somebody else changed it before it had its name");
    await publish(disk, temporary, key, final, own.dev);
  } finally {
    await discard(temporary);
  }
  await disk.step("discarded");
  const entry = await look(final);
  // Somebody may have put another file there since: nothing is known of that one.
  if (!entry?.isFile() || !own || !isSame(entry, own)) throw taken(disk, key);
  return { ...entryOf(key, entry), ...(second && { second: true }) };
}

async function refuseTaken(disk: Disk, key: string, final: string): Promise<void> {
  const there = await look(final);
  if (there && !(await leftReservation(disk, key, there))) throw taken(disk, key);
}

/** The temporary holds exactly the source's bytes, with the source's time, and both are on the disk. */
async function fill(disk: Disk, key: string, temporary: string, source: WriteSource): Promise<void> {
  if (await reflinked(disk, temporary, source)) {
    // What was shared may not be what was promised: reading it back decides, and the bytes are then copied the long way.
    const { hash } = await readBack(temporary, source.signal);
    if (hash === source.sha256) {
      await finish(disk, await openForWriting(temporary), source);
      source.onBytes?.(source.size);
      return;
    }
    await unlink(temporary);
  }
  await disk.step("create");
  const handle = await open(temporary, "wx", 0o666);
  await copyInto(handle, disk, key, source).catch(async (error: unknown) => {
    await handle.close();
    throw error;
  });
  await finish(disk, handle, source);
}

async function copyInto(handle: FileHandle, disk: Disk, key: string, source: WriteSource): Promise<void> {
  const pour = pourInto(handle, source.size);
  await readThrough(disk, key, source, (piece) => pour.add(piece));
  await pour.end();
}

/** The source, to its end. @throws `CORRUPT` when it is not what was promised */
async function readThrough(
  disk: Disk,
  key: string,
  source: WriteSource,
  into?: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  const hash = createHash("sha256");
  let total = 0;
  for await (const piece of source.bytes()) {
    if (source.signal?.aborted) throw aborted();
    total += piece.length;
    hash.update(piece);
    await into?.(piece);
    source.onBytes?.(piece.length);
  }
  if (total !== source.size || hash.digest("hex") !== source.sha256) {
    throw new StowageError("CORRUPT", `${at(disk, key)}: the bytes to be written are not sha256:${source.sha256}`, {
      hint: "The source is damaged or changed unnoticed: run `stowage verify`.",
    });
  }
}

/** Permissions, time, fsync; closes the file. */
async function finish(disk: Disk, handle: FileHandle, source: WriteSource): Promise<void> {
  try {
    if (source.path !== undefined) await keepMode(handle, source.path);
    await setMtime(handle, source.mtime);
    await disk.barrier.file(handle);
  } finally {
    await handle.close();
  }
}

const NO_MODES = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOENT"]);

/** A private or executable file stays so where both ends have permissions; where they have none, it is left as created. */
async function keepMode(handle: FileHandle, path: string): Promise<void> {
  try {
    await handle.chmod(((await stat(path)).mode & 0o777) | 0o400);
  } catch (error) {
    if (!NO_MODES.has(codeOf(error) ?? "")) throw error;
  }
}

/** No symbolic link leads there. */
const isPlain = (disk: Disk, path: string): Promise<boolean> =>
  refuseLinks(disk, path).then(
    () => true,
    () => false,
  );

/** Shares the blocks of a local source where the file system can. */
async function reflinked(disk: Disk, temporary: string, source: WriteSource): Promise<boolean> {
  const place = source.file?.root ?? "";
  if (source.path === undefined || source.size === 0 || disk.noReflink.has(place)) return false;
  if (source.file && !(await isPlain({ ...disk, ...source.file }, source.path))) return false;
  const from = await look(source.path);
  if (!from?.isFile() || disk.noReflink.has(String(from.dev))) return false;
  // Another one is for who reads it to refuse.
  if (source.file && localVersion(from) !== source.file.version) return false;
  try {
    await copyFile(source.path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Not one file system, or one that cannot: the ordinary way works, or tells what is wrong.
    disk.noReflink.add(String(from.dev));
    if (place !== "") disk.noReflink.add(place);
    return false;
  }
}

/** What arrived on the disk is what was meant, read through a handle of its own. Returns the file as it was before it was read. */
async function proveReadBack(disk: Disk, key: string, temporary: string, source: WriteSource): Promise<Stat> {
  const { hash, file } = await readBack(temporary, source.signal);
  if (hash === source.sha256) return file;
  throw notReadBack(disk, key, "it does not read back the same");
}

const notReadBack = (disk: Disk, key: string, why: string): StowageError =>
  new StowageError("READ_BACK", `${at(disk, key)}: what was written can not be relied on: ${why}`, {
    hint: "Check the disk, its connection, and what else writes there, before anything is stored there.",
  });

async function readBack(path: string, signal: AbortSignal | undefined): Promise<{ hash: string; file: Stat }> {
  const handle = await openRegular(path);
  try {
    const file = await handle.stat({ bigint: true });
    const hash = createHash("sha256");
    for await (const piece of pieces(handle, Number(file.size))) {
      if (signal?.aborted) throw aborted();
      hash.update(piece);
    }
    return { hash: hash.digest("hex"), file };
  } finally {
    await handle.close();
  }
}

const openForWriting = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));

/** A temporary that can not be removed is listed by `leftovers` and does not undo what was published. */
async function discard(temporary: string): Promise<void> {
  await unlink(temporary).catch(() => undefined);
}
