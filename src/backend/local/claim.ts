import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { open, readdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../lib/error.js";
import { TEMPORARY } from "../marker.js";
import { isAlive, myself, type Process } from "../process.js";
import { look, makeParents } from "./directories.js";
import type { Disk } from "./disk.js";
import { taken } from "./read.js";

/**
 * On a file system without hard links a name is taken by creating an empty file under it. A claim is the note, among the
 * temporaries, that this empty file is ours, so that one left by a crash is told from a user's empty file.
 */
export interface Claim {
  /** The note; with that of a dead process whose reservation was taken over. */
  notes: string[];
  /** The empty file. Its inode alone does not tell it from one that was made after it was deleted. */
  file: { ino: bigint; ctimeNs: bigint };
}

interface Note {
  key: string;
  process: Process;
  /** The empty file, once it is there; it is not replaced before this is written. */
  reserved?: { ino: string; ctime: string };
}

const SUFFIX = ".claim";
/** Without `reserved` the process died right after creating the file, or before. */
const RIGHT_AFTER = 2_000_000_000n;

/** @throws `PRECONDITION` when the name is taken by anything but the claim of a process that died */
export async function reserve(disk: Disk, key: string, final: string): Promise<Claim> {
  const note: Note = { key, process: myself() };
  const file = join(disk.root, TEMPORARY, `${randomBytes(8).toString("hex")}${SUFFIX}`);
  await makeParents(disk, file);
  await create(file, JSON.stringify(note));
  const others = async () => (await notesAbout(disk, key)).filter((other) => other.file !== file);
  // What the dead noted is settled by this claim, whichever way it ends.
  const notes = [file, ...(await others()).filter(({ dead }) => dead).map((other) => other.file)];
  try {
    await disk.step("reserve");
    const { ino, ctimeNs } = await create(final, "");
    await disk.step("created");
    await writeFile(file, JSON.stringify({ ...note, reserved: { ino: String(ino), ctime: String(ctimeNs) } }));
    return { notes, file: { ino, ctimeNs } };
  } catch (error) {
    const left = codeOf(error) === "EEXIST" ? await leftReservation(disk, key, await look(final)) : undefined;
    // Of those who write their note and then look for others, at most one finds nobody alive.
    if (left && (await others()).every(({ dead }) => dead)) return { notes, file: left.file };
    await unlink(file);
    throw codeOf(error) === "EEXIST" ? taken(disk, key, error) : error;
  }
}

/** True while the name still leads to the reserved file. */
export const isHeld = ({ file }: Claim, there: BigIntStats | undefined): boolean =>
  there?.isFile() === true && there.size === 0n && there.ino === file.ino && there.ctimeNs === file.ctimeNs;

export async function release(claim: Claim): Promise<void> {
  for (const note of claim.notes) {
    await unlink(note).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  }
}

/** The claim of a process that died, if `there` is the empty file that it left under `key`: no object, then. */
export async function leftReservation(
  disk: Disk,
  key: string,
  there: BigIntStats | undefined,
): Promise<Claim | undefined> {
  if (!there?.isFile() || there.size !== 0n) return undefined;
  for (const { file, note, written, dead } of await notesAbout(disk, key)) {
    if (dead && isReservation(note, written, there)) return { notes: [file], file: there };
  }
  return undefined;
}

interface FoundNote {
  file: string;
  note: Note;
  written: BigIntStats;
  /** Its process is gone for sure. */
  dead: boolean;
}

async function notesAbout(disk: Disk, key: string): Promise<FoundNote[]> {
  const directory = join(disk.root, TEMPORARY);
  const found: FoundNote[] = [];
  if (!(await look(directory))) return found;
  for (const name of await readdir(directory)) {
    if (!name.endsWith(SUFFIX)) continue;
    const file = join(directory, name);
    const [note, written] = [await readNote(file), await look(file)];
    if (note?.key === key && written) found.push({ file, note, written, dead: isAlive(note.process) === false });
  }
  return found;
}

/** A user's empty file is another file, or was made at another time. */
function isReservation({ reserved }: Note, written: BigIntStats, there: BigIntStats): boolean {
  if (reserved) return reserved.ino === String(there.ino) && reserved.ctime === String(there.ctimeNs);
  return there.ctimeNs >= written.ctimeNs && there.ctimeNs - written.ctimeNs < RIGHT_AFTER;
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

async function create(file: string, text: string): Promise<BigIntStats> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666);
  try {
    if (text) await handle.writeFile(text);
    return await handle.stat({ bigint: true });
  } finally {
    await handle.close();
  }
}
