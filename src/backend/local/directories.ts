import { dirname, relative } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import type { Stat } from "../looks.js";
import { isHand, lookAt, mkdir, rmdir } from "./calls.js";
import { at, type Disk, requireRoot } from "./disk.js";

/** What lies at a path without following a link; undefined when the storage says there is nothing. */
export async function look(path: string): Promise<Stat | undefined> {
  try {
    return await lookAt(path);
  } catch (error) {
    // ENOTDIR: a file stands where the path wants a directory, so nothing is below it.
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Refuses a path that leads through a symbolic link: what is behind it does not belong to the location (S16). */
export async function refuseLinks(disk: Disk, path: string): Promise<void> {
  const nearest = `${disk.root}\0${dirname(path)}`;
  if (performance.now() - since > MOMENT) plain.clear();
  if (plain.has(nearest)) return;
  for (const directory of parentsOf(disk, path)) {
    const found = await look(directory);
    if (!found) return;
    if (found.isSymbolicLink()) throw notDirectory(disk, directory);
  }
  if (!isHand()) return;
  if (plain.size === 0) since = performance.now();
  plain.add(nearest);
}

/**
 * Directories that no link leads to, by root and path, as a thread of its own (hand.ts) has just seen them: what it does in one moment is about
 * few of them. Only that is taken from it, and not that they exist.
 */
const plain = new Set<string>();
let since = 0;
/** Milliseconds. */
const MOMENT = 5;

/** How often a directory that others remove because it is empty is made anew. */
const STUBBORN = 20;

/** Makes the directories above `path`, one at a time and never through a symbolic link. Never makes the root. @returns all of them */
export async function makeParents(disk: Disk, path: string): Promise<Found[]> {
  for (let attempt = 1; ; attempt++) {
    const found: Found[] = [];
    try {
      for (const directory of parentsOf(disk, path)) {
        const stat = (await look(directory)) ?? (await makeOnce(disk, directory));
        if (stat && !stat.isDirectory()) throw notDirectory(disk, directory);
        found.push({ directory, stat });
      }
      return found;
    } catch (error) {
      // The one above was empty until now, and somebody removed it.
      if (codeOf(error) !== "ENOENT" || attempt === STUBBORN) throw error;
    }
  }
}

/** Many files go into one new directory at a time: who finds it missing while another makes it waits for that. */
function makeOnce(disk: Disk, directory: string): Promise<Stat | undefined> {
  const making = disk.making.get(directory) ?? make(disk, directory).finally(() => disk.making.delete(directory));
  disk.making.set(directory, making);
  return making;
}

async function make(disk: Disk, directory: string): Promise<Stat | undefined> {
  try {
    await disk.step("mkdir");
    await mkdir(directory);
  } catch (error) {
    if (codeOf(error) === "ENOENT") await requireRoot(disk);
    if (codeOf(error) !== "EEXIST") throw error;
  }
  return await look(directory);
}

/** How many directories are remembered: the name of a forgotten one is made durable again. */
const REMEMBERED = 100_000;

/**
 * Makes the name of `path`, which leads to something on that device, durable, and the names of all directories above it: also of those that others
 * have made, who may have died before they made them durable. Each only once as long as it is the same directory.
 */
export async function syncParents(disk: Disk, path: string, dev: bigint): Promise<void> {
  await Promise.all([disk.barrier.name(path, dev), syncAbove(disk, path)]);
}

/** Makes the directories above `path`, durably: what is put into one that a loss of power takes would go with it. */
export async function makeLastingParents(disk: Disk, path: string): Promise<void> {
  const found = await makeParents(disk, path);
  await syncThese(disk, found);
}

/** Makes durable the names of the directories above `path`. */
export async function syncAbove(disk: Disk, path: string): Promise<void> {
  const found: Found[] = [];
  for (const directory of parentsOf(disk, path)) found.push({ directory, stat: await look(directory) });
  await syncThese(disk, found);
}

interface Found {
  directory: string;
  stat: Stat | undefined;
}

async function syncThese(disk: Disk, found: readonly Found[]): Promise<void> {
  const fresh: { directory: string; dev: bigint; same: string }[] = [];
  for (const { directory, stat } of found) {
    if (!stat) throw gone(directory);
    const same = `${directory}\0${stat.ino}-${stat.birthtimeNs}`;
    if (!disk.lasting.has(same)) fresh.push({ directory, dev: stat.dev, same });
  }
  await Promise.all(fresh.map(({ directory, dev }) => disk.barrier.name(directory, dev)));
  if (disk.lasting.size >= REMEMBERED) disk.lasting.clear();
  for (const { same } of fresh) disk.lasting.add(same);
}

/** Removes the directories above `path` that have become empty; never the root, nor `stop`. Best effort: an empty directory is no object. */
export async function pruneParents(disk: Disk, path: string, stop?: string): Promise<void> {
  if (!isHand()) return await prune(disk, path, stop);
  // All that go in one turn: only the last one of a directory can leave it empty.
  const place = `${disk.root}\0${dirname(path)}\0${stop}`;
  const pruned =
    pruning.get(place) ??
    new Promise<void>((resolve) => void setImmediate(resolve)).then(() => {
      pruning.delete(place);
      return prune(disk, path, stop);
    });
  pruning.set(place, pruned);
  await pruned;
}

const pruning = new Map<string, Promise<void>>();

async function prune(disk: Disk, path: string, stop?: string): Promise<void> {
  for (const directory of parentsOf(disk, path).reverse()) {
    if (directory === stop) return;
    try {
      await refuseLinks(disk, directory);
      await rmdir(directory);
    } catch (error) {
      // Not empty, or not ours to remove: it stays, and so does all above it. One that is not there keeps nothing.
      if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENAMETOOLONG") return;
    }
  }
}

/** The directories between the root and `path`, from the top; without the root. */
function parentsOf({ root }: Disk, path: string): string[] {
  const top = root.endsWith("/") ? root.length : root.length + 1;
  // Both are normal: what is below the root begins with it.
  if (!path.startsWith(root) || path.length <= top) return [];
  const parents: string[] = [];
  for (let end = path.indexOf("/", top); end >= 0; end = path.indexOf("/", end + 1)) parents.push(path.slice(0, end));
  return parents;
}

/** As the system would say it. */
export const gone = (path: string): Error =>
  Object.assign(new Error(`${path} is gone`), { code: "ENOENT", syscall: "lstat" });

export const notDirectory = (disk: Disk, directory: string): StowageError =>
  new StowageError("PRECONDITION", `${at(disk, relative(disk.root, directory))} is not a directory`, {
    hint: "A file or symbolic link stands where a directory is needed: rename or remove it.",
  });
