import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../lib/error.js";
import { isAlive, myself, type Process } from "../process.js";
import { look, makeParents } from "./directories.js";
import { type Disk, TEMPORARY } from "./disk.js";
import { taken } from "./read.js";

/**
 * On a file system without hard links a name is taken by creating an empty file under it. A claim is the note, among the
 * temporaries, that this empty file is ours, so that one left by a crash is told from a user's empty file.
 */
export interface Claim {
  file: string;
  /** The inode of the empty file. */
  ino: bigint;
}

interface Note {
  key: string;
  process: Process;
}

const SUFFIX = ".claim";

/** @throws `PRECONDITION` when the name is taken by anything but the claim of a process that died */
export async function reserve(disk: Disk, key: string, final: string): Promise<Claim> {
  const note: Note = { key, process: myself() };
  const file = join(disk.root, TEMPORARY, `${randomBytes(8).toString("hex")}${SUFFIX}`);
  await makeParents(disk, file);
  await create(file, JSON.stringify(note));
  try {
    await disk.step("reserve");
    return { file, ino: await create(final, "") };
  } catch (error) {
    const left = codeOf(error) === "EEXIST" ? await leftReservation(disk, key, await look(final)) : undefined;
    // The dead process's note stays until this one is through: the name stays claimed by somebody.
    if (left) return { file, ino: left.ino };
    await unlink(file);
    throw codeOf(error) === "EEXIST" ? taken(disk, key, error) : error;
  }
}

export async function release(claim: Claim): Promise<void> {
  await unlink(claim.file);
}

/** The claim of a process that died, if `there` is the empty file that it left under `key`: no object, then. */
export async function leftReservation(
  disk: Disk,
  key: string,
  there: BigIntStats | undefined,
): Promise<Claim | undefined> {
  if (!there?.isFile() || there.size !== 0n) return undefined;
  const directory = join(disk.root, TEMPORARY);
  if (!(await look(directory))) return undefined;
  for (const name of await readdir(directory)) {
    if (!name.endsWith(SUFFIX)) continue;
    const file = join(directory, name);
    const [note, written] = [await readNote(file), await look(file)];
    if (note?.key !== key || isAlive(note.process) !== false) continue;
    // A reservation is made right after its note: an older empty file is a user's.
    if (written && there.ctimeNs >= written.ctimeNs) return { file, ino: there.ino };
  }
  return undefined;
}

/** The key that a leftover claim is about, and whether its process is gone for sure. */
export async function readClaim(file: string): Promise<{ key: string; dead: boolean } | undefined> {
  if (!file.endsWith(SUFFIX)) return undefined;
  const note = await readNote(file);
  return note && { key: note.key, dead: isAlive(note.process) === false };
}

async function readNote(file: string): Promise<Note | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Note;
  } catch {
    // Torn by the crash, or gone by now: it proves nothing.
    return undefined;
  }
}

/** The inode of the new file. */
async function create(file: string, text: string): Promise<bigint> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666);
  try {
    if (text) await handle.writeFile(text);
    return (await handle.stat({ bigint: true })).ino;
  } finally {
    await handle.close();
  }
}
