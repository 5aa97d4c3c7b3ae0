import type { Entry } from "../backend/backend.js";
import { hashStream } from "../backend/hash-stream.js";
import { isTouchedOnly } from "../backend/local-version.js";
import { retriesOf, retry } from "../backend/retry.js";
import { codeOf, StowageError } from "../lib/error.js";
import { address, printable } from "../lib/key.js";
import type { Ref, Source } from "../plan/plan.js";
import type { Present, ProofKind } from "./events.js";
import { isLocal, paced } from "./pace.js";
import { addressOf, backendOf, type Run, type Task } from "./run.js";

export const at = ({ location, key }: Ref): string => printable(address(location, key));

/** The instance that the plan names, as it is now; undefined when the storage says that it is gone. @throws `PRECONDITION` when it changed */
export async function expected(task: Task, source: Source): Promise<Entry | undefined> {
  const entry = await backendOf(task.run, source.location).stat(source.key);
  if (!entry || entry.version === source.version) return entry;
  // Another file may by chance have got the inode, the size and the time of the one that was removed: its bytes tell.
  if (
    (isRelinked(task.run, source, entry) || isBegun(task, source, entry)) &&
    (await holdsContent(task, source.location, entry, "content"))
  )
    return entry;
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
  const arrival = run.arrivals().get(addressOf(action.from));
  if (arrival === undefined || arrival === task.sha256) return false;
  const entry = await backendOf(run, action.from.location).stat(action.from.key);
  return entry !== undefined && (await readHash(task, action.from.location, entry)) === arrival;
}

/** True when only its number of names changed, and that by a removal of this plan. */
export function isRelinked(run: Run, source: Source, entry: Entry): boolean {
  const known = run.relinked.get(relinkedKey(source));
  return (
    known !== undefined &&
    (known.physical === undefined || known.physical === entry.physical) &&
    known.size === entry.size &&
    known.mtime === entry.mtime
  );
}

/** A move that was killed may have given its source a second name for a while, which changed its time of change. */
const isBegun = ({ run, action }: Task, source: Source, entry: Entry): boolean =>
  run.continued &&
  action.kind === "move" &&
  [action.from, action.to].every((end) => end && isLocal(run, end.location)) &&
  addressOf(source) === addressOf(action.from) &&
  isTouchedOnly(source.version, entry.version);

export const relinkedKey = ({ location, version }: { location: string; version: string }): string =>
  `${location}\0${version}`;

/**
 * True when this version is proven to be the task's content: by this run before, by a hash that the store itself has computed
 * where a checksum is `needed` only, else by reading it now. False says that the bytes have another hash.
 * @throws `ARCHIVED` when they would have to be read
 */
export async function holdsContent(task: Task, location: string, entry: Entry, needed: ProofKind): Promise<boolean> {
  const { sha256 } = task;
  if (isProven(task, { location, key: entry.key }, needed, entry.version)) return true;
  if (entry.size !== task.action.size) return false;
  const computed = needed === "checksum" && entry.sha256 === sha256;
  if (!computed && (await readHash(task, location, entry)) !== sha256) return false;
  remember(task, location, entry, computed ? "checksum" : "content");
  return true;
}

/** True when this run has proven that the instance is the task's content: at all, or in this very version. */
export function isProven({ run, sha256 }: Task, ref: Ref, needed: ProofKind, version?: string): boolean {
  const proven = run.proven.get(addressOf(ref));
  if (proven?.sha256 !== sha256 || (version !== undefined && proven.version !== version)) return false;
  return proven.by === "content" || needed === "checksum";
}

/** The hash of the bytes, read now. @throws `ARCHIVED` */
export async function readHash({ run, action }: Task, location: string, entry: Entry): Promise<string> {
  const backend = backendOf(run, location);
  if (entry.archived !== undefined) {
    throw new StowageError("ARCHIVED", `${at({ location, key: entry.key })} can not be read: ${entry.archived}`);
  }
  return await retry(location, retriesOf(backend, run.retries), () =>
    hashStream(
      paced(run, [location], backend.read(entry.key, { version: entry.version, signal: run.abort })),
      (bytes) => run.emit({ type: "bytes", action: action.id, phase: "verify", location, bytes }),
    ),
  );
}

/** Notes that this version is the task's content, and how that is known. */
export function remember(task: Task, location: string, entry: Entry, by: ProofKind): void {
  const { outcome, run, sha256 } = task;
  const { key, size, mtime, version, second, physical } = entry;
  const present: Present = { location, key, sha256, size, mtime: String(mtime), version, by };
  if (second && physical !== undefined) present.physical = physical;
  run.proven.set(addressOf(present), present);
  const known = outcome.present.findIndex((other) => other.key === key && other.location === location);
  if (known >= 0) outcome.present.splice(known, 1);
  outcome.present.push(present);
}

/** Notes rot: the version that was scanned, with other bytes. What was only claimed is no rot: nobody had read it. */
export function noteRot(task: Task, ref: Ref & { claimed?: true }): StowageError {
  if (ref.claimed) {
    task.outcome.disproved = [...(task.outcome.disproved ?? []), { location: ref.location, key: ref.key }];
    return new StowageError("CLAIM", `${at(ref)} does not hold sha256:${task.sha256}, as its metadata claims`, {
      hint: `Run \`stowage verify ${ref.location} --claimed\`, which finds out what it holds.`,
    });
  }
  task.outcome.rot.push({ location: ref.location, key: ref.key });
  return new StowageError("ROT", `${at(ref)} is damaged: its bytes are not sha256:${task.sha256} any more`, {
    hint: "Run `stowage verify --repair` to restore it from a good copy.",
  });
}
