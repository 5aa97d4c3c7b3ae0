import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { invalidKey } from "../../lib/key.js";
import { isOwn, TEMPORARY, TRASH } from "../marker.js";
import { look, makeParents, syncAbove, syncDirectory, syncParents } from "./directories.js";
import type { Disk } from "./disk.js";

/**
 * Where a file is while it is being removed. Its name tells the key and that the removal was not confirmed yet: whoever finds one of a run
 * that is over gives the file its name back. What is in the trash for its time has another name.
 */
export interface Away {
  path: string;
  /** The directory of its own in which it lies, and the one that it is in once the removal is confirmed. */
  folder?: { now: string; then: string };
}

const REMOVING = ".removing";

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
export const awayWithoutRoom = (disk: Disk, run: string, key: string): Away => ({
  path: join(disk.root, TEMPORARY, `${run}.${unique()}.${escaped(key)}${REMOVING}`),
});

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
export const keyWithoutRoom = (path: string): string | undefined => keyOf(named(WITHOUT_ROOM, path));

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
  await syncDirectory(dirname(folder.then)).catch(() => undefined);
}

/** Where it is by now, which is the trash when only the answer of `confirmed` is missing; undefined when it is in neither place. */
export async function liesIn({ path, folder }: Away): Promise<string | undefined> {
  if (await look(path)) return path;
  const kept = folder && join(folder.then, relative(folder.now, path));
  return kept !== undefined && (await look(kept)) ? kept : undefined;
}

/** What was confirmed and can not be unlinked lies in the trash like all else, under its key. */
export async function intoTrash(disk: Disk, away: Away, run: string, key: string): Promise<void> {
  const kept = join(disk.root, TRASH, run, unique(), key);
  await makeParents(disk, kept);
  await syncAbove(disk, kept);
  await rename(away.path, kept);
  await syncParents(disk, kept);
}
