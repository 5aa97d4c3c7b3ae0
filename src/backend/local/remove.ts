import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { RemoveOptions } from "../backend.js";
import { localVersion } from "../local-version.js";
import { TEMPORARY, TRASH } from "../marker.js";
import { look, makeParents, pruneParents, refuseLinks, syncAbove, syncDirectory, syncParents } from "./directories.js";
import { absence, at, type Disk, failure, pathOf, requireRoot } from "./disk.js";
import { publish } from "./publish.js";
import { changed, notRegular } from "./read.js";

const REMOVING = ".removing";

/**
 * See `Backend.remove`. The file is first renamed into the trash, where nobody writes by name; what arrived there must be
 * the file that was verified, or it is put back.
 */
export async function removeFile(disk: Disk, key: string, options: RemoveOptions): Promise<void> {
  const path = pathOf(disk, key);
  const verified = await requireVersion(disk, key, path, options.version);
  const secured = await secure(disk, key, path, verified, options);
  try {
    await requireSame(disk, key, secured, verified);
    await syncParents(disk, secured);
    await syncNearest(disk, path);
    await disk.step("secured");
    await options.confirm();
    await disk.step("confirmed");
    await requireSame(disk, key, secured, verified);
  } catch (error) {
    await putBack(disk, key, path, secured, options, error);
    throw failure(disk, key, error);
  }
  if (!options.trash) await letGo(disk, secured, options);
  await disk.step("removed");
  await pruneParents(disk, path);
}

async function requireVersion(disk: Disk, key: string, path: string, version: string): Promise<BigIntStats> {
  try {
    await refuseLinks(disk, path);
    const found = await look(path);
    if (!found) {
      await requireRoot(disk);
      throw new StowageError("NOT_FOUND", `${at(disk, key)} does not exist`);
    }
    if (!found.isFile()) throw notRegular(disk, key);
    if (localVersion(found) !== version) throw changed(disk, key, "since it was verified");
    return found;
  } catch (error) {
    throw await absence(disk, key, error);
  }
}

/** Renames the file to a name of its own among stowage's files, on the same file system, and returns that name. */
async function secure(
  disk: Disk,
  key: string,
  path: string,
  verified: BigIntStats,
  options: RemoveOptions,
): Promise<string> {
  const unique = randomBytes(6).toString("hex");
  const trash = join(disk.root, TRASH, options.run);
  // What is kept keeps its key; what is not needs no directories of its own.
  let secured = options.trash ? join(trash, unique, key) : join(trash, `${unique}${REMOVING}`);
  for (let attempt = 1; ; attempt++) {
    try {
      await makeParents(disk, secured);
      await syncAbove(disk, secured);
      await disk.step("secure");
      await rename(path, secured);
      await disk.step("renamed to trash");
      return secured;
    } catch (error) {
      // The answer may have been lost and the rename done all the same (I6): where the file is decides.
      if ((await look(secured))?.ino === verified.ino) return secured;
      if (options.trash) await pruneParents(disk, secured, trash);
      // Another run is over and took away the part of the trash that was empty a moment ago.
      const vanished = codeOf(error) === "ENOENT" && (await look(path));
      // A full disk has no room for a directory, but what makes room must not fail for that.
      const full = codeOf(error) === "ENOSPC" && !options.trash;
      if (attempt === 5 || !(vanished || full)) throw await absence(disk, key, error);
      if (full) secured = join(disk.root, TEMPORARY, `${options.run}.${unique}${REMOVING}`);
    }
  }
}

/** Makes it durable that the name is gone, also when its directory went with it. */
async function syncNearest(disk: Disk, path: string): Promise<void> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    try {
      await syncDirectory(directory);
      return;
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || directory === disk.root) throw error;
    }
  }
}

/** A rename changes the time of change, so the rest of the version must do here. */
async function requireSame(disk: Disk, key: string, secured: string, verified: BigIntStats): Promise<void> {
  const now = await look(secured);
  const same =
    now?.isFile() &&
    now.ino === verified.ino &&
    now.dev === verified.dev &&
    now.size === verified.size &&
    now.mtimeNs === verified.mtimeNs;
  if (!same) throw changed(disk, key, "while it was being removed");
}

/** Gives the file its name back, never over another; if the name is taken by now, the bytes stay in the trash. */
async function putBack(
  disk: Disk,
  key: string,
  path: string,
  secured: string,
  options: RemoveOptions,
  why: unknown,
): Promise<void> {
  try {
    await publish(disk, secured, key, path);
    await letGo(disk, secured, options);
  } catch (error) {
    const kept = await keep(disk, key, secured, options);
    throw new StowageError(
      "PRECONDITION",
      `${at(disk, key)} was not removed (${messageOf(why)}) but could not be put back (${messageOf(error)}); its bytes are in ${printable(kept)}`,
      { hint: "Move the file from there to where it belongs by hand.", cause: why },
    );
  }
}

/** Leaves the bytes in the trash under their key. @returns where they are */
async function keep(disk: Disk, key: string, secured: string, options: RemoveOptions): Promise<string> {
  const kept = join(disk.root, TRASH, options.run, randomBytes(6).toString("hex"), key);
  try {
    await makeParents(disk, kept);
    await syncAbove(disk, kept);
    await rename(secured, kept);
    await syncParents(disk, kept);
    return kept;
  } catch {
    // Then they stay where they are: what counts is that they do.
    return (await look(kept)) ? kept : secured;
  }
}

/** Unlinks what the trash holds. A file that can not be unlinked stays listed by `leftovers`; its own name is gone for good. */
async function letGo(disk: Disk, secured: string, options: RemoveOptions): Promise<void> {
  await disk.step("unlink");
  await unlink(secured).catch(() => undefined);
  if (options.trash) await pruneParents(disk, secured, join(disk.root, TRASH, options.run));
}

/** See `Backend.tidy`. */
export async function tidyTrash(disk: Disk, run: string): Promise<void> {
  await pruneParents(disk, join(disk.root, TRASH, run, "x"));
}
