import { join } from "node:path";
import type { Backend, Entry } from "../backend/backend.js";
import { isTransient, retry } from "../backend/retry.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Ref, Target } from "../plan/plan.js";
import { at, expected, holdsContent, noteRot, remember } from "./observe.js";
import { backendOf, type Task } from "./run.js";

/**
 * Makes the content be at the target and proves it there. What is there already under the right hash is taken as it is.
 * @returns true when bytes were transferred
 * @throws `PRECONDITION` when other bytes are there, or the plan relied on bytes that are gone
 */
export async function ensureAt(task: Task, target: Target): Promise<boolean> {
  const { run } = task;
  await run.health.require(target.location);
  const there = await backendOf(run, target.location).stat(target.key);
  if (there) {
    if (await holdsContent(task, target.location, there)) return false;
    if (there.version === target.expect) throw noteRot(task, target);
    throw new StowageError("PRECONDITION", `${at(target)} holds another file by now`, { hint: PLAN_AGAIN });
  }
  if (target.expect !== "absent") {
    throw new StowageError("PRECONDITION", `${at(target)} held the content and is gone`, { hint: PLAN_AGAIN });
  }
  await transfer(task, target);
  return true;
}

const PLAN_AGAIN = "Run `stowage scan` and plan again.";

/**
 * Copies the content to the target from the first source that has it: `from`, then the other instances by the priority of
 * their locations. `confirm` runs before the bytes get their name (see `Backend.write`).
 */
export async function transfer(task: Task, target: Ref, confirm?: () => Promise<void>): Promise<void> {
  const sources = sourcesOf(task, target);
  // Another round is for sources that do not answer; the target's backend has its own second attempts.
  const failed = await retry(target.location, task.run.retries, async () => {
    let problem: unknown;
    for (const [index, source] of sources.entries()) {
      try {
        await copyUndisturbed(task, source, target, confirm);
        return undefined;
      } catch (error) {
        if (codeOf(error) !== SOURCE) return { error };
        const cause = causeOf(error);
        // The plan was made for this very source; another one is only asked when it can not be read.
        if (index === 0 && !UNREADABLE.has(codeOf(cause) ?? "")) return { error: cause };
        if (problem === undefined || (isTransient(cause) && !isTransient(problem))) problem = cause;
      }
    }
    throw problem;
  });
  if (failed) throw failed.error;
}

/** A file that loses another of its names while it is read seems to change: then it is read again. */
async function copyUndisturbed(...[task, source, ...rest]: Parameters<typeof copyFrom>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await copyFrom(task, source, ...rest);
    } catch (error) {
      if (attempt === 5 || !(await lostAName(task, source, causeOf(error)))) throw error;
    }
  }
}

async function lostAName(task: Task, { version, ...ref }: CopySource, cause: unknown): Promise<boolean> {
  if (codeOf(cause) !== "PRECONDITION" || version === undefined) return false;
  const now = await expected(task, { ...ref, version }).catch(() => undefined);
  return now !== undefined && now.version !== version;
}

const UNREADABLE = new Set(["UNAVAILABLE", "ACCESS_DENIED", "LOCATION_SUSPECT", "ROT"]);

/** Tells what went wrong at the source from what went wrong at the target of one copy. */
const SOURCE = "SOURCE";
const sourceProblem = (cause: unknown): StowageError => new StowageError(SOURCE, messageOf(cause), { cause });
const causeOf = (error: unknown): unknown => (error instanceof StowageError ? error.cause : error);

interface CopySource extends Ref {
  /** Undefined: made by this plan, whatever version it has. */
  version?: string;
}

function sourcesOf({ run, action }: Task, target: Ref): CopySource[] {
  const priority = new Map(run.plan.header.scans.map((scan) => [scan.location, scan.priority]));
  const others = action.witnesses
    .filter((witness) => !same(witness, target) && !same(witness, action.from))
    .map(({ location, key, version }): CopySource => ({ location, key, ...(version !== null && { version }) }))
    .sort((a, b) => (priority.get(b.location) ?? 0) - (priority.get(a.location) ?? 0));
  return [action.from, ...others];
}

const same = (a: Ref, b: Ref): boolean => a.location === b.location && a.key === b.key;

async function copyFrom(
  task: Task,
  source: CopySource,
  target: Ref,
  confirm: (() => Promise<void>) | undefined,
): Promise<void> {
  const { run, action, sha256, outcome } = task;
  const from = await open(task, source).catch((error: unknown) => {
    throw sourceProblem(error);
  });
  // Whichever copy is read in the end, the file keeps the time of the first: the one that the plan names.
  task.mtime ??= from.mtime;
  const before = outcome.bytes;
  const backend = backendOf(run, source.location);
  const path = localPath(backend, source.key);
  try {
    const published = await backendOf(run, target.location).write(target.key, {
      sha256,
      size: action.size,
      mtime: task.mtime,
      run: run.id,
      signal: run.abort,
      bytes: () => sourceBytes(task, backend, from),
      ...(path !== undefined && { path }),
      ...(confirm && { confirm }),
      onBytes: (bytes) => {
        outcome.bytes += bytes;
        run.emit({ type: "bytes", action: action.id, phase: "copy", location: target.location, bytes });
      },
    });
    // The storage may have gone while it was written, and the bytes be in the empty mount point that it left (S14).
    await run.health.requireNow(target.location);
    remember(task, target.location, published);
  } catch (error) {
    outcome.bytes = before;
    // The bytes came whole and of one version, and are not the content: the source has rotted (I4: never published).
    if (codeOf(error) === "CORRUPT") throw sourceProblem(noteRot(task, source));
    throw error;
  }
  // Unchanged from before to after: what was published is what the source holds.
  const after = await backend.stat(source.key);
  if (after?.version === from.version) remember(task, source.location, after);
}

/** The source as it is now. */
async function open(task: Task, source: CopySource): Promise<Entry> {
  await task.run.health.require(source.location);
  const entry =
    source.version === undefined
      ? await backendOf(task.run, source.location).stat(source.key)
      : await expected(task, { ...source, version: source.version });
  if (!entry) {
    throw new StowageError("NOT_FOUND", `${at(source)} is gone`, { hint: PLAN_AGAIN });
  }
  if (entry.size !== task.action.size) {
    throw new StowageError("PRECONDITION", `${at(source)} has another size by now`, { hint: PLAN_AGAIN });
  }
  return entry;
}

async function* sourceBytes({ run }: Task, backend: Backend, from: Entry): AsyncGenerator<Uint8Array> {
  try {
    yield* backend.read(from.key, { version: from.version, signal: run.abort });
  } catch (error) {
    throw sourceProblem(error);
  }
}

const localPath = (backend: Backend, key: string): string | undefined =>
  backend.root === undefined ? undefined : join(backend.root, key);
