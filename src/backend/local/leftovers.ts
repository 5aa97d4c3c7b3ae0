import { opendir, unlink } from "node:fs/promises";
import { join, sep } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import type { Leftover } from "../backend.js";
import { TEMPORARY, TRASH } from "../marker.js";
import { isAway, isNeeded, keyAway, keyWithoutRoom } from "./away.js";
import { leftReservation, readClaim } from "./claim.js";
import { look, notDirectory, pruneParents, refuseLinks } from "./directories.js";
import { type Disk, failure, pathOf, requireRoot } from "./disk.js";
import { walk } from "./list.js";
import { giveBack } from "./remove.js";

/** See `Backend.leftovers`: the trash by run, oldest run first, then the temporaries. */
export async function* listLeftovers(disk: Disk): AsyncGenerator<Leftover> {
  await requireRoot(disk);
  try {
    for (const run of (await names(disk, TRASH)).sort()) {
      // A link would lead out of the location.
      if (!(await look(join(disk.root, TRASH, run)))?.isDirectory()) continue;
      for (const unique of await names(disk, `${TRASH}/${run}`)) yield* trashOf(disk, run, unique);
    }
    for (const name of (await names(disk, TEMPORARY)).sort()) {
      if (isAway(name)) yield* awayWithoutRoomOf(disk, name);
      else yield* temporaryOf(disk, name);
    }
  } catch (error) {
    throw failure(disk, "", error);
  }
}

/** What lies under one name in the trash of a run: mostly one file, below directories that tell its key. */
async function* trashOf(disk: Disk, run: string, unique: string): AsyncGenerator<Leftover> {
  for await (const { handle, stat, found } of filesAt(disk, `${TRASH}/${run}/${unique}`)) {
    const inside = handle.slice(`${TRASH}/${run}/`.length);
    // Trash is as young as any clock says: that of the run, or that of the file system, which notes when the file and its directory were moved.
    const since = Math.max(runTime(run), milliseconds(found.ctimeNs), milliseconds(stat.ctimeNs));
    const facts = { kind: "trash" as const, run, size: Number(stat.size), since, begun: runTime(run), handle };
    if (isAway(inside)) yield { ...facts, ...unfinished(keyAway(inside), inside) };
    else yield { ...facts, key: inside.replace(/^[^/]*\//, "") };
  }
}

/** What was being removed when the disk was full. */
async function* awayWithoutRoomOf(disk: Disk, name: string): AsyncGenerator<Leftover> {
  for await (const { handle, stat, found } of filesAt(disk, `${TEMPORARY}/${name}`)) {
    const inside = handle.slice(`${TEMPORARY}/`.length);
    const since = Math.max(milliseconds(found.ctimeNs), milliseconds(stat.ctimeNs));
    const facts = { kind: "trash" as const, run: runOf(name), size: Number(stat.size), since, handle };
    yield { ...facts, ...unfinished(await keyWithoutRoom(disk, inside), inside) };
  }
}

const unfinished = (key: string | undefined, inside: string) =>
  key === undefined
    ? { key: inside, unfinished: true as const, unnamed: true as const }
    : { key, unfinished: true as const };

/** The file at a path among stowage's own, or all files below it. */
async function* filesAt(disk: Disk, base: string) {
  const found = await look(join(disk.root, base));
  if (found?.isFile()) yield { handle: base, stat: found, found };
  if (!found?.isDirectory()) return;
  for await (const { key, stat } of walk(disk, `${base}/`, {})) yield { handle: key, stat, found };
}

async function* temporaryOf(disk: Disk, name: string): AsyncGenerator<Leftover> {
  const handle = join(TEMPORARY, name);
  const found = await look(join(disk.root, handle));
  if (!found?.isFile() || (await isNeeded(disk, name))) return;
  const claim = await readClaim(join(disk.root, handle));
  // Its process may still need it.
  if (claim?.alive) return;
  // Not the time of modification: that is the source's already.
  const since = milliseconds(found.ctimeNs);
  const facts = { kind: "temporary" as const, run: runOf(name), size: Number(found.size), since, handle };
  yield { ...facts, key: name, ...(claim?.alive === false && { dead: true }) };
}

const runOf = (temporary: string): string => temporary.split(".")[0] ?? "";

const milliseconds = (ns: bigint): number => Number(ns / 1_000_000n);

/** The time in a run's name, `20250131T235959Z-…`; 0 for another name. */
function runTime(run: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(run);
  if (!match) return 0;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Never through a symbolic link: it would lead out of the location. */
async function names(disk: Disk, own: string): Promise<string[]> {
  const found: string[] = [];
  const directory = join(disk.root, own);
  await refuseLinks(disk, directory);
  const there = await look(directory);
  if (there && !there.isDirectory()) throw notDirectory(disk, directory);
  try {
    for await (const entry of await opendir(directory)) found.push(entry.name);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  return found;
}

/** See `Backend.restore`. */
export async function restoreRun(disk: Disk, run: string): Promise<Leftover[]> {
  const taken: Leftover[] = [];
  try {
    for (const unique of await names(disk, `${TRASH}/${run}`)) {
      if (!isAway(unique)) continue;
      for await (const leftover of trashOf(disk, run, unique)) await restore(disk, leftover, taken);
    }
    for (const name of await names(disk, TEMPORARY)) {
      if (!name.startsWith(`${run}.`) || !isAway(name)) continue;
      for await (const leftover of awayWithoutRoomOf(disk, name)) await restore(disk, leftover, taken);
    }
    return taken;
  } catch (error) {
    throw failure(disk, "", error);
  }
}

async function restore(disk: Disk, leftover: Leftover, taken: Leftover[]): Promise<void> {
  const { key, handle, unnamed } = leftover;
  if (unnamed) {
    taken.push(leftover);
    return;
  }
  const away = join(disk.root, handle);
  try {
    await giveBack(disk, key, pathOf(disk, key), away);
  } catch (error) {
    // Somebody else has given it back already.
    if (!(await look(away))) return;
    if (codeOf(failure(disk, key, error)) !== "PRECONDITION") throw error;
    taken.push(leftover);
  }
}

/** See `Backend.purge`. Unlinks only below the trash and the temporaries. */
export async function purgeLeftover(disk: Disk, leftover: Leftover): Promise<void> {
  const segments = leftover.handle.split(sep);
  if (
    !(segments[0] === TRASH || segments[0] === TEMPORARY) ||
    segments.some((s) => s === ".." || s === "" || s === ".")
  ) {
    throw new StowageError("INVARIANT", `${leftover.handle} is neither trash nor a temporary`);
  }
  const path = join(disk.root, leftover.handle);
  try {
    await refuseLinks(disk, path);
    await releaseReservation(disk, path);
    await unlink(path);
    if (segments[0] === TRASH) await pruneParents(disk, path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw failure(disk, leftover.handle, error);
    await requireRoot(disk);
  }
}

/** A claim takes with it the empty file that it had reserved: without it nobody could tell that one from a user's. */
async function releaseReservation(disk: Disk, path: string): Promise<void> {
  const claim = await readClaim(path);
  if (!claim) return;
  const final = join(disk.root, claim.key);
  await refuseLinks(disk, final);
  const left = await leftReservation(disk, claim.key, await look(final), { over: true });
  if (left?.notes.includes(path)) await unlink(final);
}
