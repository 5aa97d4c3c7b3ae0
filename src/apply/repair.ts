import { StowageError } from "../lib/error.js";
import type { Target } from "../plan/plan.js";
import { at, holdsContent, isRelinked } from "./observe.js";
import { backendOf, type Task } from "./run.js";
import { transfer } from "./transfer.js";

/**
 * Replaces a damaged file: the new bytes are stored and proven from a good copy, then the damaged file goes to the trash
 * (whatever `safety.trash` says), then the new one gets its name (I3). A file that is whole by now is left alone.
 */
export async function repair(task: Task, to: Target): Promise<void> {
  const { run } = task;
  await run.health.require(to.location);
  const backend = backendOf(run, to.location);
  const damaged = await backend.stat(to.key);
  // A repair that was killed between the two steps left the damaged file in the trash.
  if (!damaged) return await transfer(task, to);
  if (await holdsContent(task, to.location, damaged, "content")) return;
  // A repair that was killed while it removed the damaged file has given it its name back: a change of the name only.
  if (damaged.version !== to.expect && !isRelinked(run, { ...to, version: to.expect }, damaged)) {
    throw new StowageError("PRECONDITION", `${at(to)} changed since the damage was found`, {
      hint: "Run `stowage scan` and plan again.",
    });
  }
  await transfer(task, to, async () => await quarantine(task, to, damaged.version));
}

/** Moves the damaged file to the trash. Its bytes are no copy of the content (I4), so no other copy has to vouch for it. */
async function quarantine(task: Task, to: Target, version: string): Promise<void> {
  const { run, action, sha256 } = task;
  const backend = backendOf(run, to.location);
  const damaged = await backend.stat(to.key);
  // Secured by an attempt before this one.
  if (!damaged) return;
  const line = { action: action.id, location: to.location, key: to.key, sha256, trash: true };
  const { size, mtime, physical } = damaged;
  const facts = {
    version,
    planned: to.expect,
    size,
    mtime: String(mtime),
    ...(physical !== undefined && { physical }),
  };
  await run.lease?.require();
  await run.journal.commit({ type: "remove", at: run.now(), ...line, ...facts });
  const confirm = async () => {
    await run.health.requireNow(to.location);
    await run.lease?.require();
  };
  await backend.remove(to.key, { version, run: run.id, trash: true, confirm });
  await run.journal.commit({ type: "removed", at: run.now(), ...line });
}
