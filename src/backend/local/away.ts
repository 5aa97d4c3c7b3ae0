import { randomBytes } from "node:crypto";
import { dirname, join, relative } from "node:path";
import { codeOf } from "../../lib/error.js";
import { invalidKey } from "../../lib/key.js";
import { isOwn, TEMPORARY, TRASH } from "../marker.js";
import { readFile, rename, unlink, writeFile } from "./calls.js";
import { look, makeParents, syncAbove, syncParents } from "./directories.js";
import type { Disk } from "./disk.js";

/**
 * Where a file is while it is being removed. Its name tells the key and that the removal was not confirmed yet: whoever finds one of a run
 * that is over gives the file its name back. What is in the trash for its time has another name.
 */
export interface Away {
  path: string;
  /** The directory of its own in which it lies, and the one that it is in once the removal is confirmed. */
  folder?: { now: string; then: string };
  /** The note that tells the key where the name does not. */
  note?: string;
}

const REMOVING = ".removing";
const NOTE = ".key";

const unique = (): string => randomBytes(6).toString("hex");
const escaped = (key: string): string => key.replaceAll("%", "%25").replaceAll("/", "%2F");
const unescaped = (name: string): string => name.replaceAll("%2F", "/").replaceAll("%25", "%");

/** `<trash>/<run>/<unique>.removing/<key>`, as what is kept keeps its key. */
export function awayInFolder(disk: Disk, run: string, key: string): Away {
  const then = join(disk.root, TRASH, run, unique());
  const now = then + REMOVING;
  return { path: join(now, key), folder: { now, then } };
}

/** `<trash>/<run>/<unique>.<key>.removing`: what is not kept needs no directories of its own. */
export const awayByName = (disk: Disk, run: string, key: string): Away => ({
  path: join(disk.root, TRASH, run, `${unique()}.${escaped(key)}${REMOVING}`),
});

/** The same where not even the directory of the run can be made. */
const awayWithoutRoom = (disk: Disk, run: string, key: string): Away => ({
  path: join(disk.root, TEMPORARY, `${run}.${unique()}.${escaped(key)}${REMOVING}`),
});

/** The same under a name that has the same length for every key. */
function awayUnnamed(disk: Disk, run: string): Away {
  const base = join(disk.root, TEMPORARY, `${run}.${unique()}`);
  return { path: base + REMOVING, note: base + NOTE };
}

/** Where else it can go when the disk is full or the name too long; undefined when there is no place left. */
export function elsewhere(
  disk: Disk,
  run: string,
  key: string,
  away: Away,
  code: string | undefined,
): Away | undefined {
  if (away.note !== undefined || !(code === "ENOSPC" || code === "ENAMETOOLONG")) return undefined;
  if (away.folder || dirname(away.path) === join(disk.root, TEMPORARY)) return awayUnnamed(disk, run);
  return code === "ENOSPC" ? awayWithoutRoom(disk, run, key) : awayInFolder(disk, run, key);
}

/**
 * Notes the key, durably, where the name does not tell it. A full disk may have no room for that; then a killed run leaves a file that
 * nobody knows the name of, which is kept.
 */
export async function noteKey(disk: Disk, { note }: Away, key: string): Promise<void> {
  if (note === undefined) return;
  try {
    await disk.step("note");
    await writeFile(note, JSON.stringify(key), { flag: "wx", flush: true });
    await disk.barrier.name(note);
  } catch (error) {
    await unlink(note).catch(() => undefined);
    if (codeOf(error) !== "ENOSPC" && codeOf(error) !== "EDQUOT") throw error;
  }
}

const noteOf = (path: string): string => path.slice(0, -REMOVING.length) + NOTE;

/** The note has served when the file is not there any more. */
export async function forgetNote(disk: Disk, path: string): Promise<void> {
  if (!UNNAMED.test(relative(join(disk.root, TEMPORARY), path)) || (await look(path))) return;
  // One that stays is a temporary like all else.
  await unlink(noteOf(path)).catch(() => undefined);
}

/** True for the note of a file that is still being removed, by its name among the temporaries. */
export async function isNeeded(disk: Disk, name: string): Promise<boolean> {
  if (!name.endsWith(NOTE)) return false;
  return (await look(join(disk.root, TEMPORARY, name.slice(0, -NOTE.length) + REMOVING))) !== undefined;
}

const UNNAMED = /^[^./]+\.[0-9a-f]{12}\.removing$/;
const BY_NAME = /^[0-9a-f]{12}\.([^/]+)\.removing(\/.+)?$/s;
const WITHOUT_ROOM = /^[^.]+\.[0-9a-f]{12}\.([^/]+)\.removing(\/.+)?$/s;
const IN_FOLDER = /^[0-9a-f]{12}\.removing\/(.+)$/s;

/**
 * True for all whose removal was not confirmed, by its path below the run's trash or among the temporaries: also for what can be given no
 * name back. A folder that took the name of the file just before is there with all that is in it.
 */
export const isAway = (path: string): boolean => path.split("/")[0]?.endsWith(REMOVING) === true;

/** The key of a file whose removal was not confirmed, by its path below the run's trash; undefined for all else. */
export const keyAway = (path: string): string | undefined => keyOf(IN_FOLDER.exec(path)?.[1] ?? named(BY_NAME, path));

/** The same of a path among the temporaries. */
export async function keyWithoutRoom(disk: Disk, path: string): Promise<string | undefined> {
  const [name = ""] = path.split("/");
  if (!UNNAMED.test(name)) return keyOf(named(WITHOUT_ROOM, path));
  const noted = await readKey(join(disk.root, TEMPORARY, noteOf(name)));
  return keyOf(noted && noted + path.slice(name.length));
}

/** No note is longer: a key has 4,096 bytes at most. */
const LIMIT = 64 << 10;

async function readKey(note: string): Promise<string | undefined> {
  const found = await look(note);
  if (!found?.isFile() || found.size > LIMIT) return undefined;
  const text = await readFile(note, "utf8");
  try {
    const key: unknown = JSON.parse(text);
    return typeof key === "string" ? key : undefined;
  } catch {
    // Torn by a crash: it tells nothing.
    return undefined;
  }
}

function named(pattern: RegExp, path: string): string | undefined {
  const match = pattern.exec(path);
  return match ? unescaped(match[1] ?? "") + (match[2] ?? "") : undefined;
}

/** Whatever else is there was put there by somebody else. */
const keyOf = (text: string | undefined): string | undefined =>
  text === undefined || invalidKey(text) !== undefined || isOwn(text.split("/")[0] ?? "") ? undefined : text;

/** The removal was confirmed: from here on the file lies in the trash for its time. */
export async function confirmed(disk: Disk, { folder }: Away): Promise<void> {
  if (!folder) return;
  await disk.step("confirm");
  await rename(folder.now, folder.then).catch(async (error: unknown) => {
    // The answer may have been lost and the rename done all the same (I6).
    if (!(await look(folder.then))) throw error;
  });
  await disk.step("in trash");
  // Where a loss of power undoes that, the file gets its name back.
  await disk.barrier.name(folder.then).catch(() => undefined);
}

/** Where it is by now, which is the trash when only the answer of `confirmed` is missing; undefined when it is in neither place. */
export async function liesIn({ path, folder }: Away): Promise<string | undefined> {
  if (await look(path)) return path;
  const kept = folder && join(folder.then, relative(folder.now, path));
  return kept !== undefined && (await look(kept)) ? kept : undefined;
}

/** What was confirmed and can not be unlinked lies in the trash like all else, under its key. */
export async function intoTrash(disk: Disk, away: Away, run: string, key: string, dev: bigint): Promise<void> {
  const kept = join(disk.root, TRASH, run, unique(), key);
  await makeParents(disk, kept);
  await syncAbove(disk, kept);
  await rename(away.path, kept);
  await syncParents(disk, kept, dev);
}
