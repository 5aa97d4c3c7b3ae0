import type { Entry } from "../backend/backend.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Ref } from "../plan/plan.js";
import { at, readHash, remember } from "./observe.js";
import { whyOf } from "./redact.js";
import { addressOf, backendOf, type Task } from "./run.js";

/**
 * Proves what was just written: the backend has read it back itself, or the store has computed the hash, or it is read now. What
 * turns out to be something else is taken away again (I4): it is ours, and nobody has counted it.
 * @returns false when it was something else and `mayFail`
 * @throws `READ_BACK` when it was something else
 */
export async function proveArrived(
  task: Task,
  target: Ref,
  published: Entry,
  options: { mayFail: boolean },
): Promise<boolean> {
  task.run.lasting.add(`${addressOf(target)}\0${published.version}`);
  if (backendOf(task.run, target.location).features.readsBack || published.readBack)
    remember(task, target.location, published, "content");
  else if (published.sha256 === task.sha256) remember(task, target.location, published, "checksum");
  else {
    const hash = await hashOf(task, target.location, published);
    if (hash !== task.sha256) {
      const kept = await takeAway(task, target, published, hash);
      if (options.mayFail && kept === undefined) return false;
      throw readBackError(target, kept);
    }
    remember(task, target.location, published, "content");
  }
  return true;
}

/** What the store itself finds damaged has no hash. */
async function hashOf(task: Task, location: string, published: Entry): Promise<string> {
  try {
    return await readHash(task, location, published);
  } catch (error) {
    if (codeOf(error) === "CORRUPT") return "unreadable";
    throw error;
  }
}

const readBackError = (target: Ref, kept: unknown): StowageError =>
  new StowageError(
    "READ_BACK",
    `${at(target)}: what was written does not read back the same; it ${kept === undefined ? "was removed again" : `is still there (${messageOf(kept)})`}, and no source goes for it`,
    { hint: "The storage or the way to it is failing: check it before anything is stored there.", cause: kept },
  );

/** Removes our own object, while it is the version that we wrote. @returns why it could not */
async function takeAway(task: Task, { location, key }: Ref, published: Entry, sha256: string): Promise<unknown> {
  const { run, action } = task;
  const { size, mtime, version } = published;
  const line = { action: action.id, location, key, sha256, trash: false };
  await run.journal.commit({
    type: "remove",
    at: run.now(),
    ...line,
    version,
    planned: version,
    size,
    mtime: String(mtime),
  });
  try {
    const confirm = () => run.health.requireNow(location);
    await backendOf(run, location).remove(key, { version, run: run.id, trash: false, confirm });
  } catch (error) {
    await run.journal.commit({ type: "kept", at: run.now(), ...line, ...whyOf(error) });
    return error;
  }
  await run.journal.commit({ type: "removed", at: run.now(), ...line });
  return undefined;
}
