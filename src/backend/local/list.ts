import { opendir, readdir, stat, unlink } from "node:fs/promises";
import { join, sep } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import type { Entry, Leftover, ListOptions } from "../backend.js";
import { isOwn, TEMPORARY, TRASH } from "../marker.js";
import { leftReservation, readClaim } from "./claim.js";
import { look, pruneParents } from "./directories.js";
import { type Disk, failure, requireRoot } from "./disk.js";
import { entryOf } from "./entry.js";
import { aborted } from "./read.js";

/** See `Backend.list`. A directory that can not be read ends the listing with an error (I5). */
export async function* listFiles(disk: Disk, options: ListOptions): AsyncGenerator<Entry> {
  await requireRoot(disk);
  try {
    for await (const { key, stat } of walk(disk, "", options)) {
      if (stat.isFile()) yield entryOf(key, stat);
    }
    // An empty listing of a root that went away meanwhile is no listing.
    await requireRoot(disk);
  } catch (error) {
    throw failure(disk, "", error);
  }
}

type Found = { key: string; stat: NonNullable<Awaited<ReturnType<typeof look>>> };

async function* walk(disk: Disk, prefix: string, options: ListOptions): AsyncGenerator<Found> {
  for (const raw of await namesIn(disk, prefix)) {
    if (options.signal?.aborted) throw aborted();
    const name = raw.toString("utf8");
    const key = prefix + name;
    if (prefix === "" && isOwn(name)) continue;
    if (!Buffer.from(name).equals(raw)) {
      options.onSkip?.(prefix + raw.toString("latin1"), "name");
      continue;
    }
    const found = await look(join(disk.root, key));
    // Gone between the listing of its directory and now.
    if (!found) continue;
    if (found.isDirectory()) yield* walk(disk, `${key}/`, options);
    else if (!found.isFile()) options.onSkip?.(key, found.isSymbolicLink() ? "symlink" : "special");
    else yield { key, stat: found };
  }
}

async function namesIn(disk: Disk, prefix: string): Promise<Buffer[]> {
  const directory = join(disk.root, prefix);
  try {
    return await readdir(directory, { encoding: "buffer" });
  } catch (error) {
    // Gone since its parent was listed: nothing is below it. Any other answer is no listing.
    if (codeOf(error) === "ENOENT" && prefix !== "" && !(await look(directory))) return [];
    throw error;
  }
}

/** See `Backend.leftovers`: the trash by run, oldest run first, then the temporaries. */
export async function* listLeftovers(disk: Disk): AsyncGenerator<Leftover> {
  await requireRoot(disk);
  try {
    for (const run of (await names(join(disk.root, TRASH))).sort()) yield* trashOf(disk, run);
    for (const name of (await names(join(disk.root, TEMPORARY))).sort()) {
      const handle = join(TEMPORARY, name);
      const found = await look(join(disk.root, handle));
      if (!found?.isFile()) continue;
      // Not the time of modification: that is the source's already.
      const since = Number(found.ctimeNs / 1_000_000n);
      const dead = (await readClaim(join(disk.root, handle)))?.dead;
      const run = name.split(".")[0] ?? "";
      yield { kind: "temporary", key: name, run, size: Number(found.size), since, handle, ...(dead && { dead }) };
    }
  } catch (error) {
    throw failure(disk, "", error);
  }
}

async function* trashOf(disk: Disk, run: string): AsyncGenerator<Leftover> {
  const since = runTime(run) ?? Number((await stat(join(disk.root, TRASH, run))).ctimeMs);
  const base = `${TRASH}/${run}/`;
  for await (const { key, stat } of walk(disk, base, {})) {
    // `<unique>/<key>`, or `<unique>.removing` where a removal was cut short: the journal knows its key.
    const name = key.slice(base.length).replace(/^[^/]*\//, "");
    yield { kind: "trash", key: name, run, size: Number(stat.size), since, handle: key };
  }
}

/** The time in a run's name, `20250131T235959Z-…`; undefined for another name. */
function runTime(run: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(run);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

async function names(directory: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of await opendir(directory)) found.push(entry.name);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  return found;
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
    await releaseReservation(disk, path);
    await unlink(path);
    if (segments[0] === TRASH) await pruneParents(disk, path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw failure(disk, leftover.handle, error);
    await requireRoot(disk);
  }
}

/** A dead process's claim takes with it the empty file that it had reserved. */
async function releaseReservation(disk: Disk, path: string): Promise<void> {
  const claim = await readClaim(path);
  if (!claim?.dead) return;
  const final = join(disk.root, claim.key);
  const left = await leftReservation(disk, claim.key, await look(final));
  if (left?.notes.includes(path)) await unlink(final);
}
