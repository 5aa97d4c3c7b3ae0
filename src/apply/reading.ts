import { join } from "node:path";
import type { Backend, Entry } from "../backend/backend.js";
import type { LocalFile } from "../backend/local-file.js";
import { partsOf } from "../backend/local-version.js";
import { StowageError } from "../lib/error.js";
import type { Ref } from "../plan/plan.js";
import { at, expected, noteRot, readHash, relinkedKey, remember } from "./observe.js";
import { isLocal, paced } from "./pace.js";
import { backendOf, type Task } from "./run.js";
import { type CopySource, FEW, PLAN_AGAIN, sourceProblem } from "./sources.js";

// The source of a copy: what it is, its bytes, and what is known of it afterwards.

/**
 * What the plan tells of its source, where all that a look would tell is in the version: a file on this machine, which on its way to another one is
 * read in that version or not at all. Undefined where it has to be looked at. @throws `sourceProblem`
 */
export async function asPlanned(task: Task, source: CopySource, target: Ref): Promise<Entry | undefined> {
  const { run, action } = task;
  const { location, key, version } = source;
  if (!source.planned || version === undefined || run.relinked.has(relinkedKey({ location, version })))
    return undefined;
  // What is empty may be there to hold a name only.
  if (action.size === 0 || action.size > FEW || !isLocal(run, location) || !isLocal(run, target.location))
    return undefined;
  await askSource(run.health.require(location));
  const parts = partsOf(version);
  return parts?.size === action.size ? { key, version, ...parts } : undefined;
}

/** The source as it is now. @throws `sourceProblem` */
export async function openSource(task: Task, source: CopySource): Promise<Entry> {
  return await askSource(lookedAt(task, source));
}

const askSource = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw sourceProblem(error);
  });

async function lookedAt(task: Task, source: CopySource): Promise<Entry> {
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
  if (entry.archived !== undefined) {
    throw new StowageError("ARCHIVED", `${at(source)} can not be read: ${entry.archived}`, { hint: PLAN_AGAIN });
  }
  return entry;
}

/** The bytes of the source, at the speed that is allowed; `onWhole`: they were all read. @throws `sourceProblem` */
export async function* sourceBytes(
  { run }: Task,
  source: CopySource,
  { key, version }: Entry,
  { target, onWhole }: { target: Ref; onWhole: () => void },
): AsyncGenerator<Uint8Array> {
  try {
    const bytes = backendOf(run, source.location).read(key, { version, signal: run.abort });
    yield* paced(run, [source.location, target.location], bytes);
    onWhole();
  } catch (error) {
    throw sourceProblem(error);
  }
}

interface LocalSource {
  path?: string;
  /** Where the target is on this machine, too. */
  file?: LocalFile;
  /** To be called when nothing came of it: a look at a file that got no second name must find the very version again. */
  unlinked(): void;
}

/** What the target is told of a source that it could read by itself. */
export function localSource({ run, action }: Task, source: CopySource, from: Entry, target: Ref): LocalSource {
  const { root } = backendOf(run, source.location);
  if (root === undefined) return { unlinked: () => undefined };
  const path = join(root, source.key);
  if (![source, target].every(({ location }) => isLocal(run, location))) return { path, unlinked: () => undefined };
  const moved = action.kind === "move" && source.planned;
  const [key, note] = [relinkedKey(action.from), { size: from.size, mtime: from.mtime }];
  // It may get a second name, and so another version, whatever comes of it. What a removal has noted stays.
  if (moved && !run.relinked.has(key)) run.relinked.set(key, note);
  let linked = false;
  const onLink = (): void => {
    linked = true;
  };
  return {
    path,
    file: { location: source.location, root, key: source.key, version: from.version, moved, onLink },
    unlinked() {
      if (!linked && run.relinked.get(key) === note) run.relinked.delete(key);
    },
  };
}

/**
 * What was published is what the source holds: it was read to its end, and of one version; or, where the `reader` is given, the target has read
 * it by itself, and it is unchanged from before to after.
 */
export async function rememberSource(task: Task, { location, key }: Ref, from: Entry, reader?: Backend): Promise<void> {
  // The copy is proven without it.
  const after = reader ? await reader.stat(key).catch(() => undefined) : from;
  if (after?.version === from.version) remember(task, location, after, "content");
}

/** The source itself has two names now: of both the same is known. */
export function rememberSecond(task: Task, published: Entry): void {
  const { location, key } = task.action.from;
  task.second = { ...published, key };
  remember(task, location, task.second, "content");
}

/** The bytes that came are not the content (I4: never published): the source has rotted, if it reads so again. */
export async function blame(task: Task, source: CopySource, from: Entry, error: unknown): Promise<unknown> {
  try {
    return (await readHash(task, source.location, from)) === task.sha256 ? error : sourceProblem(noteRot(task, source));
  } catch (cause) {
    return sourceProblem(cause);
  }
}
