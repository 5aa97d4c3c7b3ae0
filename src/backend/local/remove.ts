import { dirname, join } from "node:path";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { RemoveOptions } from "../backend.js";
import { isSameVersion, localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";
import { TRASH } from "../marker.js";
import {
  type Away,
  awayByName,
  awayInFolder,
  confirmed,
  elsewhere,
  forgetNote,
  intoTrash,
  liesIn,
  noteKey,
} from "./away.js";
import { rename, unlink } from "./calls.js";
import { gone, look, makeLastingParents, pruneParents, refuseLinks, syncParents } from "./directories.js";
import { absence, at, type Disk, failure, pathOf, requireRoot } from "./disk.js";
import { isSame } from "./entry.js";
import { publish } from "./publish.js";
import { changed, notRegular, openRegular, refuseTaken, taken } from "./read.js";

/**
 * See `Backend.remove`. The file is first renamed into the trash, where nobody writes by name; what arrived there must be
 * the file that was verified, or it is put back: at once, or by `restore` when the process is killed before.
 */
export async function removeFile(disk: Disk, key: string, options: RemoveOptions): Promise<void> {
  const path = pathOf(disk, key);
  await disk.barrier.open();
  const verified = await requireVersion(disk, key, path, options.version);
  if (options.otherName && verified.nlink < 2n) throw onlyName(disk, key);
  const away = await secure(disk, key, path, verified, options).catch((error: unknown) => {
    throw failure(disk, key, error);
  });
  let secured: Stat;
  try {
    secured = await requireSame(disk, key, away.path, verified);
    await Promise.all([syncParents(disk, away.path, verified.dev), syncNearest(disk, path)]);
    await disk.step("secured");
    await options.confirm();
    await disk.step("confirmed");
    await requireSame(disk, key, away.path, verified);
    if (options.trash) await confirmed(disk, away);
  } catch (error) {
    await putBack(disk, key, path, verified, away, error);
    throw failure(disk, key, error);
  }
  if (!options.trash) await letGo(disk, away, key, secured, options);
  await disk.step("removed");
  await pruneParents(disk, path);
}

async function requireVersion(disk: Disk, key: string, path: string, version: string): Promise<Stat> {
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

const onlyName = (disk: Disk, key: string): StowageError =>
  new StowageError(
    "SAME_STORAGE",
    `${at(disk, key)} stays: what is at its target is this very file, seen in two ways`,
    {
      hint: "Look at how the two are mounted: they share a folder, or the disk takes two names for one.",
    },
  );

/** Renames the file to a name of its own among stowage's files, on the same file system. */
async function secure(disk: Disk, key: string, path: string, verified: Stat, options: RemoveOptions): Promise<Away> {
  const { run, trash } = options;
  let away = (trash ? awayInFolder : awayByName)(disk, run, key);
  for (let attempt = 1; ; attempt++) {
    try {
      await makeLastingParents(disk, away.path);
      await disk.step("secure");
      await noteKey(disk, away, key);
      await rename(path, away.path);
      await disk.step("renamed to trash");
      return away;
    } catch (error) {
      // The answer may have been lost and the rename done all the same (I6): where the file is decides.
      if (await arrived(away, verified)) return away;
      if (away.folder) await pruneParents(disk, away.path, join(disk.root, TRASH, run));
      await forgetNote(disk, away.path);
      // Another run is over and took away the part of the trash that was empty a moment ago.
      const vanished = codeOf(error) === "ENOENT" && (await look(path));
      // A full disk has no room for a directory, but what makes room must not fail for that.
      const other = trash ? undefined : elsewhere(disk, run, key, away, codeOf(error));
      if (attempt === 5 || !(vanished || other)) throw await absence(disk, key, error);
      away = other ?? away;
    }
  }
}

async function arrived(away: Away, verified: Stat): Promise<boolean> {
  try {
    return (await look(away.path))?.ino === verified.ino;
  } catch (error) {
    // Nothing has a name that is too long.
    if (codeOf(error) === "ENAMETOOLONG") return false;
    throw error;
  }
}

/** Makes it durable that the name is gone, also when its directory went with it. */
async function syncNearest(disk: Disk, path: string): Promise<void> {
  for (let left = path; ; left = dirname(left)) {
    try {
      await disk.barrier.name(left);
      return;
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || dirname(left) === disk.root) throw error;
    }
  }
}

/** A rename changes the time of change, so the rest of the version must do here. */
async function requireSame(disk: Disk, key: string, secured: string, verified: Stat): Promise<Stat> {
  const now = await look(secured);
  if (!now?.isFile() || !isSame(now, verified)) throw changed(disk, key, "while it was being removed");
  return now;
}

/** Gives the file its name back, never over another; if the name is taken by now, the bytes stay where they are. */
async function putBack(disk: Disk, key: string, path: string, verified: Stat, away: Away, why: unknown): Promise<void> {
  let problem = "it is gone from there";
  try {
    const lies = await liesIn(away);
    if (lies !== undefined) return await giveBack(disk, key, path, lies);
  } catch (error) {
    problem = messageOf(error);
  }
  const lies = await liesIn(away).catch(() => away.path);
  const there = await look(path).catch(() => undefined);
  // Who took the run for over has done it.
  if (lies === undefined && there?.ino === verified.ino && there.dev === verified.dev) return;
  const fact = `${at(disk, key)} was not removed (${messageOf(why)}) but could not be put back (${problem})`;
  if (lies === undefined) throw lost(fact, away, why);
  throw new StowageError("PRECONDITION", `${fact}; its bytes are in ${printable(lies)}`, {
    hint: "Move the file from there to where it belongs by hand.",
    cause: why,
  });
}

const lost = (fact: string, { path }: Away, cause: unknown): StowageError =>
  new StowageError("PRECONDITION", `${fact}; its bytes are not in ${printable(path)} any more`, {
    hint: "Somebody else has moved or removed them: another machine may have given the file its name back. Run `stowage scan`.",
    cause,
  });

/**
 * A second name for the file, and the first one goes. Where the key leads to the very same file, somebody has done that before.
 * @throws `PRECONDITION` when the name is taken, or leads through a symbolic link
 */
export async function giveBack(disk: Disk, key: string, path: string, away: string): Promise<void> {
  // Through a link both can be one name, the last one of the file.
  await refuseLinks(disk, path);
  await refuseLinks(disk, away);
  const [own, there] = [await look(away), await look(path)];
  if (!own) throw gone(away);
  if (own.isDirectory()) return await giveFolderBack(disk, key, path, away, own.dev);
  const same = own.ino === there?.ino && own.dev === there.dev;
  // So they can where one folder is mounted at two places.
  if (same && own.nlink < 2n) throw taken(disk, key);
  if (same) await syncParents(disk, path, own.dev);
  else await publish(disk, away, key, path, own.dev);
  await disk.step("unlink");
  await unlink(away).catch(() => undefined);
  await forgetNote(disk, away);
  await pruneParents(disk, away);
}

/** A folder that took the name of the file in the last moment gets it back whole, and replaces nothing but an empty folder. */
async function giveFolderBack(disk: Disk, key: string, path: string, away: string, dev: bigint): Promise<void> {
  await refuseTaken(disk, key, path);
  await makeLastingParents(disk, path);
  await disk.step("rename");
  await rename(away, path);
  await syncParents(disk, path, dev);
  await forgetNote(disk, away);
  await pruneParents(disk, away);
}

/** Unlinks what the trash holds; what can not be unlinked is trash. Its own name is gone for good. */
async function letGo(disk: Disk, away: Away, key: string, secured: Stat, options: RemoveOptions): Promise<void> {
  const shared = options.otherName && (await openRegular(away.path).catch(() => undefined));
  try {
    await disk.step("unlink");
    // Whoever has touched it since it was looked at has changed what the other name leads to.
    const untouched = shared && isSameVersion(await shared.stat({ bigint: true }), secured);
    await unlink(away.path);
    if (untouched) options.otherName?.(localVersion(await shared.stat({ bigint: true })));
  } catch {
    // A file that stays under this name for all that gets its own back.
    const left = await look(away.path);
    if (left) await intoTrash(disk, away, options.run, key, left.dev).catch(() => undefined);
  }
  await shared?.close();
  if (away.folder) await pruneParents(disk, away.path, join(disk.root, TRASH, options.run));
  await forgetNote(disk, away.path);
}

/** See `Backend.tidy`. */
export async function tidyTrash(disk: Disk, run: string): Promise<void> {
  await pruneParents(disk, join(disk.root, TRASH, run, "x"));
}
