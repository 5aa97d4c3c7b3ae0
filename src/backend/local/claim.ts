import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../lib/error.js";
import { invalidKey } from "../../lib/key.js";
import type { Stat } from "../looks.js";
import { TEMPORARY } from "../marker.js";
import { isAlive, isProcess, myself, type Process } from "../process.js";
import { type FileHandle, open, readdir, readFile, unlink } from "./calls.js";
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
  /** When the note was created, by the clock of the disk: the empty file came after it. */
  begun: string;
  /** The empty file, once it is there; it is not replaced before this is written. */
  reserved?: { ino: string; ctime: string };
}

const SUFFIX = ".claim";
/** Without `reserved` the process died right after creating the file, or before, or what it added was lost with the power. */
const RIGHT_AFTER = 2_000_000_000n;

/**
 * `run` becomes part of the note's name, so that what is left of it is known to be over when the run is.
 * @throws `PRECONDITION` when the name is taken by anything but the claim of a process that died
 */
export async function reserve(disk: Disk, key: string, final: string, run: string): Promise<Claim> {
  const file = join(disk.root, TEMPORARY, `${run}.${randomBytes(8).toString("hex")}${SUFFIX}`);
  await makeParents(disk, file);
  const handle = await open(file, CREATE, 0o666);
  try {
    return await reserveNoting(disk, key, final, { file, handle });
  } finally {
    // What it says is durable by now.
    await handle.close().catch(() => undefined);
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

async function reserveNoting(
  disk: Disk,
  key: string,
  final: string,
  { file, handle }: { file: string; handle: FileHandle },
): Promise<Claim> {
  const others = async () => (await notesAbout(disk, key)).filter((other) => other.file !== file);
  const { dev, ctimeNs } = await handle.stat({ bigint: true });
  const note: Note = { key, process: myself(), begun: String(ctimeNs) };
  let tried = false;
  let made: Stat | undefined;
  try {
    await write(handle, note);
    // The name must not outlast the note: after a loss of power nobody could tell whose empty file it is.
    await disk.barrier.name(file, dev);
    // What the dead noted is settled by this claim, whichever way it ends.
    const notes = [file, ...(await others()).filter(({ dead }) => dead).map((other) => other.file)];
    await disk.step("reserve");
    tried = true;
    made = await createEmpty(final);
    await disk.step("created");
    await write(handle, { ...note, reserved: { ino: String(made.ino), ctime: String(made.ctimeNs) } });
    return { notes, file: made };
  } catch (error) {
    const there = await look(final);
    const occupied = codeOf(error) === "EEXIST";
    if (occupied) {
      const left = await leftReservation(disk, key, there);
      const before = await others();
      // Of those who write their note and then look for others, at most one finds nobody alive.
      if (left && before.every(({ dead }) => dead))
        return { notes: [file, ...before.map((b) => b.file)], file: left.file };
    }
    if (made && isHeld({ notes: [], file: made }, there)) await unlink(final);
    // An empty file may be ours, the answer lost: then the note stays, and who comes after us takes the name over.
    if (!tried || made || !there || occupied) await unlink(file);
    throw occupied ? taken(disk, key, error) : error;
  }
}

/** True while the name still leads to the reserved file. */
export const isHeld = ({ file }: Claim, there: Stat | undefined): boolean =>
  there?.isFile() === true && there.size === 0n && there.ino === file.ino && there.ctimeNs === file.ctimeNs;

export async function release(claim: Claim): Promise<void> {
  for (const note of claim.notes) {
    await unlink(note).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  }
}

/**
 * The claim of a process that died, if `there` is the empty file that it left under `key`: no object, then. `over`: one that says
 * exactly which file it is about needs not be of a dead process.
 */
export async function leftReservation(
  disk: Disk,
  key: string,
  there: Stat | undefined,
  { over = false } = {},
): Promise<Claim | undefined> {
  if (!there?.isFile() || there.size !== 0n) return undefined;
  for (const { file, note, written, dead } of await notesAbout(disk, key)) {
    const left = dead || (over && note.reserved !== undefined);
    if (left && isReservation(note, written, there)) return { notes: [file], file: there };
  }
  return undefined;
}

interface FoundNote {
  file: string;
  note: Note;
  written: Stat;
  /** Its process is gone for sure. */
  dead: boolean;
}

async function notesAbout(disk: Disk, key: string): Promise<FoundNote[]> {
  const directory = join(disk.root, TEMPORARY);
  const found: FoundNote[] = [];
  if (!(await look(directory))?.isDirectory()) return found;
  for (const name of await readdir(directory)) {
    if (!name.endsWith(SUFFIX)) continue;
    const file = join(directory, name);
    const [note, written] = [await readNote(file), await look(file)];
    if (note?.key === key && written) found.push({ file, note, written, dead: isAlive(note.process) === false });
  }
  return found;
}

/** A user's empty file is another file, or was made at another time. */
function isReservation({ reserved, begun }: Note, written: Stat, there: Stat): boolean {
  if (reserved) return reserved.ino === String(there.ino) && reserved.ctime === String(there.ctimeNs);
  // The time of the note itself may already be that of what was added and lost.
  return there.ctimeNs >= BigInt(begun) && there.ctimeNs - written.ctimeNs < RIGHT_AFTER;
}

/** The key that a claim is about, and whether its process lives; undefined where that can not be known from here. */
export async function readClaim(file: string): Promise<{ key: string; alive: boolean | undefined } | undefined> {
  if (!file.endsWith(SUFFIX)) return undefined;
  const note = await readNote(file);
  return note && { key: note.key, alive: isAlive(note.process) };
}

/** No note is longer: a key has 4,096 bytes at most. */
const LIMIT = 64 << 10;

/** The last line that is whole: a crash can only have torn what was added. */
async function readNote(file: string): Promise<Note | undefined> {
  const found = await look(file);
  if (!found?.isFile() || found.size > LIMIT) return undefined;
  try {
    const lines = (await readFile(file, "utf8")).split("\n");
    const note: unknown = JSON.parse(lines.at(-2) ?? lines[0] ?? "");
    return isNote(note) ? note : undefined;
  } catch {
    // Torn by the crash, or gone by now: it proves nothing.
    return undefined;
  }
}

/** Anybody who may write to the location can have put it there: what is no key of a file in it is no note. */
const isNote = (note: unknown): note is Note =>
  typeof note === "object" &&
  note !== null &&
  "key" in note &&
  typeof note.key === "string" &&
  invalidKey(note.key) === undefined &&
  /^\d{1,20}$/.test(String((note as Note).begun)) &&
  isProcess((note as Note).process);

async function createEmpty(file: string): Promise<Stat> {
  const handle = await open(file, CREATE, 0o666);
  try {
    return await handle.stat({ bigint: true });
  } finally {
    await handle.close();
  }
}

/** Durable before the next step: an empty file of a user's must never be taken for a reservation, nor the other way round. */
async function write(handle: FileHandle, note: Note): Promise<void> {
  await handle.writeFile(`${JSON.stringify(note)}\n`);
  await handle.sync();
}
