import { type FileHandle, link, mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, isProcess, myself, type Process } from "../backend/process.js";
import { codeOf, ExitCode, messageOf, StowageError } from "../lib/error.js";

/** Who holds the lock of a state directory. */
export interface LockHolder extends Process {
  /** Milliseconds since the epoch. */
  since: number;
  /** Undefined: it is on another machine or in another container, so it can not be known from here. */
  alive: boolean | undefined;
}

export interface Lock {
  /** Gives the lock back if it is still ours. */
  release(): Promise<void>;
}

type Note = Process & { since: number };

const lockFile = (state: string): string => join(state, "lock");
const takeoverFile = (state: string, nonce: string): string => join(state, `lock.takeover.${nonce}`);

/**
 * Takes the lock of a state directory, also over from a process that died. For order, not for safety (I7): what is safe
 * under it is safe without it.
 * @throws `LOCKED` (exit 7)
 */
export async function acquireLock(state: string, now: number): Promise<Lock> {
  const own: Note = { ...myself(), since: now };
  try {
    await mkdir(state, { recursive: true });
    await take(state, own);
  } catch (error) {
    throw stateUnusable(state, error);
  }
  return { release: () => releaseLock(state, own.nonce) };
}

async function take(state: string, own: Note): Promise<void> {
  if (await isUnfinished(lockFile(state))) await unlinkIfThere(lockFile(state));
  if (!(await create(state, lockFile(state), own))) {
    const holder = await lockHolder(state);
    if (holder && holder.alive !== false) throw locked(holder);
    if (holder) await clearStale(state, lockFile(state), holder, own);
    if (!(await create(state, lockFile(state), own))) throw locked(await lockHolder(state));
  }
  await sweep(state);
}

/** Who holds the lock now, if anybody. */
export async function lockHolder(state: string): Promise<LockHolder | undefined> {
  if (await isUnfinished(lockFile(state))) return undefined;
  const note = await readNote(lockFile(state));
  return note && { ...note, alive: isAlive(note) };
}

/**
 * Removes a lock that a dead process left; `force`: whoever holds it, and also one that can not be read.
 * @returns who held it
 * @throws `LOCKED` (exit 7) while the holder may be alive, unless forced
 */
export async function unlock(state: string, options: { force?: boolean } = {}): Promise<LockHolder | undefined> {
  let holder: LockHolder | undefined;
  try {
    holder = await lockHolder(state);
  } catch (error) {
    if (!options.force || codeOf(error) !== "LOCKED") throw error;
  }
  if (holder && holder.alive !== false && !options.force) throw locked(holder);
  await unlinkIfThere(lockFile(state));
  return holder;
}

async function releaseLock(state: string, nonce: string): Promise<void> {
  try {
    if ((await readNote(lockFile(state)))?.nonce === nonce) await unlinkIfThere(lockFile(state));
  } catch (error) {
    throw new StowageError("LOCK_LEFT", `the lock in ${state} could not be given back: ${messageOf(error)}`, {
      hint: "The next run takes it over when this process is gone.",
      cause: error,
    });
  }
}

/**
 * Removes the note of a dead holder. Only the one process that created the takeover file of exactly that note may do it,
 * so that no two take over and none removes the lock of the next holder; a takeover whose process died is taken over in turn.
 */
async function clearStale(state: string, file: string, holder: Note, own: Note): Promise<void> {
  const takeover = takeoverFile(state, holder.nonce);
  if (!(await create(state, takeover, own))) {
    const other = await readNote(takeover);
    if (other && isAlive(other) !== false) throw locked({ ...other, alive: isAlive(other) });
    if (other) await clearStale(state, takeover, other, { ...own, nonce: `${own.nonce}+` });
    if (!(await create(state, takeover, own))) throw locked(await lockHolder(state));
  }
  if ((await readNote(file))?.nonce === holder.nonce) await unlinkIfThere(file);
  // That note is gone for good now, so nobody has to be kept from it any more.
  await unlinkIfThere(takeover);
}

/** The takeovers of locks that are gone, and the drafts of processes that died: one that lives writes its draft again. */
async function sweep(state: string): Promise<void> {
  try {
    for (const name of await readdir(state)) {
      if (/^lock\.(takeover|draft)\./.test(name)) await unlinkIfThere(join(state, name));
    }
  } catch {
    // The lock is ours all the same; the next one sweeps.
  }
}

/** False when the file exists. The note is complete from the first moment: it is written elsewhere and linked. */
async function create(state: string, file: string, note: Note): Promise<boolean> {
  const draft = join(state, `lock.draft.${note.nonce}`);
  for (let attempt = 1; ; attempt++) {
    try {
      await writeDraft(draft, note);
      return await linkOrCreate(draft, file, note);
    } catch (error) {
      // Somebody took the lock meanwhile, and swept.
      if (codeOf(error) !== "ENOENT" || attempt === STUBBORN) throw error;
    } finally {
      // One that stays is swept by the next.
      await unlink(draft).catch(() => undefined);
    }
  }
}

const STUBBORN = 5;

async function writeDraft(draft: string, note: Note): Promise<void> {
  await writeNote(await open(draft, "w", 0o644), note);
}

async function writeNote(handle: FileHandle, note: Note): Promise<void> {
  try {
    await handle.writeFile(`${JSON.stringify(note)}\n`);
    // A note that a loss of power has cut could not be told from one that is in force.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function linkOrCreate(draft: string, file: string, note: Note): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    // The answer may have been lost and the link made all the same (I6): what it says decides.
    if ((await readNote(file))?.nonce === note.nonce) return true;
    if (codeOf(error) === "EEXIST") return false;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(codeOf(error) ?? "")) throw error;
  }
  return await createInPlace(file, note);
}

/** Without hard links the note is there before it is complete. */
async function createInPlace(file: string, note: Note): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(file, "wx", 0o644);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  try {
    await writeNote(handle, note);
    return true;
  } catch (error) {
    // Half a note would keep everybody out.
    await unlinkIfThere(file).catch(() => undefined);
    throw error;
  }
}

/** Nothing, zeros, or the beginning of a note, which has no braces within. Anything else that can not be read is for its owner to remove. */
const BEGUN = /^(\0*|\{("pid":[^}]*)?)$/;
/** Much longer than it takes to write a note. */
const UNFINISHED_MS = 10_000;

/** What a process left that was killed between creating the file and writing its note: nobody holds that. */
async function isUnfinished(file: string): Promise<boolean> {
  try {
    return BEGUN.test(await readFile(file, "utf8")) && Date.now() - (await stat(file)).mtimeMs > UNFINISHED_MS;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

async function readNote(file: string): Promise<Note | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  let note: unknown;
  try {
    note = JSON.parse(text);
  } catch (error) {
    throw unreadable(file, messageOf(error));
  }
  if (isProcess(note) && "since" in note && isTime(note.since)) return note as Note;
  throw unreadable(file, "it does not say who holds it");
}

const isTime = (value: unknown): boolean => typeof value === "number" && Math.abs(value) <= 8.64e15;

const unreadable = (file: string, why: string): StowageError =>
  new StowageError("LOCKED", `the lock ${file} can not be read: ${why}`, {
    hint: "If no stowage is running, remove it with `stowage unlock --force`.",
    exit: ExitCode.locked,
  });

async function unlinkIfThere(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function locked(holder: LockHolder | undefined): StowageError {
  const who = holder
    ? `pid ${holder.pid} on ${holder.host} since ${new Date(holder.since).toISOString()}`
    : "another process";
  const hint =
    holder?.alive === undefined
      ? "Wait until it has finished; if it is gone for sure, run `stowage unlock --force`."
      : "Wait until it has finished and run the command again.";
  return new StowageError("LOCKED", `another run holds the lock (${who})`, { hint, exit: ExitCode.locked });
}

const stateUnusable = (state: string, cause: unknown): StowageError =>
  cause instanceof StowageError
    ? cause
    : new StowageError("STATE_UNUSABLE", `the state directory ${state} can not be used: ${messageOf(cause)}`, {
        hint: "Make room or fix its permissions; nothing was done.",
        cause,
      });
