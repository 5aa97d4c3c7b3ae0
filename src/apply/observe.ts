import type { Entry } from "../backend/backend.js";
import { hashStream } from "../backend/hash-stream.js";
import { retry } from "../backend/retry.js";
import { codeOf, StowageError } from "../lib/error.js";
import { address, printable } from "../lib/key.js";
import type { Ref, Source } from "../plan/plan.js";
import type { Present } from "./events.js";
import { addressOf, backendOf, type Run, type Task } from "./run.js";

export const at = ({ location, key }: Ref): string => printable(address(location, key));

/** The instance that the plan names, as it is now; undefined when the storage says that it is gone. @throws `PRECONDITION` when it changed */
export async function expected(task: Task, source: Source): Promise<Entry | undefined> {
  const entry = await backendOf(task.run, source.location).stat(source.key);
  if (!entry || entry.version === source.version) return entry;
  // Another file may by chance have got the inode, the size and the time of the one that was removed: its bytes tell.
  if (isRelinked(task.run, source, entry) && (await holdsContent(task, source.location, entry))) return entry;
  throw new StowageError("PRECONDITION", `${at(source)} changed since it was scanned`, {
    hint: "Run `stowage scan` and plan again.",
  });
}

/**
 * The action's `from` as it is now; undefined when it is gone. It is gone, too, when its key holds by now what a later
 * action of this plan puts there: then an earlier run of the plan came that far.
 */
export async function source(task: Task): Promise<Entry | undefined> {
  try {
    return await expected(task, task.action.from);
  } catch (error) {
    if (codeOf(error) !== "PRECONDITION" || !(await holdsArrival(task))) throw error;
    return undefined;
  }
}

async function holdsArrival(task: Task): Promise<boolean> {
  const { run, action } = task;
  const arrival = run.arrivals.get(addressOf(action.from));
  if (arrival === undefined || arrival === task.sha256) return false;
  const entry = await backendOf(run, action.from.location).stat(action.from.key);
  return entry !== undefined && (await readHash(task, action.from.location, entry)) === arrival;
}

/** True when only its number of names changed, and that by a removal of this plan. */
function isRelinked(run: Run, source: Source, entry: Entry): boolean {
  const known = run.relinked.get(relinkedKey(source));
  return (
    known !== undefined && known.physical === entry.physical && known.size === entry.size && known.mtime === entry.mtime
  );
}

export const relinkedKey = ({ location, version }: { location: string; version: string }): string =>
  `${location}\0${version}`;

/**
 * True when the bytes of this version have the hash of the task's content: read now, unless this run has proven that very
 * version before. False says that they have another one.
 */
export async function holdsContent(task: Task, location: string, entry: Entry): Promise<boolean> {
  const { run, sha256 } = task;
  const ref = { location, key: entry.key };
  const proven = run.proven.get(addressOf(ref));
  if (proven && proven.version === entry.version && proven.sha256 === sha256) return true;
  if (entry.size !== task.action.size) return false;
  const hash = await readHash(task, location, entry);
  if (hash !== sha256) return false;
  remember(task, location, entry);
  return true;
}

async function readHash({ run, action }: Task, location: string, entry: Entry): Promise<string> {
  const backend = backendOf(run, location);
  return await retry(location, run.retries, () =>
    hashStream(backend.read(entry.key, { version: entry.version, signal: run.abort }), (bytes) =>
      run.emit({ type: "bytes", action: action.id, phase: "verify", location, bytes }),
    ),
  );
}

/** Notes that the bytes of this version are the task's content. */
export function remember(task: Task, location: string, entry: Entry): void {
  const present: Present = {
    location,
    key: entry.key,
    sha256: task.sha256,
    size: entry.size,
    mtime: String(entry.mtime),
    version: entry.version,
  };
  task.run.proven.set(addressOf(present), present);
  task.outcome.present.push(present);
}

/** Notes rot: the version that was scanned, with other bytes. */
export function noteRot(task: Task, ref: Ref): StowageError {
  task.outcome.rot.push({ location: ref.location, key: ref.key });
  return new StowageError("ROT", `${at(ref)} is damaged: its bytes are not sha256:${task.sha256} any more`, {
    hint: "Run `stowage verify --repair` to restore it from a good copy.",
  });
}
