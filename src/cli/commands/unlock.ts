import { Flags } from "@oclif/core";
import type { LockHolder } from "../../apply/lock.js";
import type { SharedHolder } from "../../apply/lock-note.js";
import type { Backend } from "../../backend/backend.js";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { duration, relative } from "../../report/format.js";
import { holderText, sharedHolderText } from "../../report/lock-text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import type { Output } from "../output.js";
import { type Workspace, withWorkspace } from "../workspace.js";

export default class Unlock extends BaseCommand {
  static override summary = "Show who holds the locks, and remove those of a dead apply";
  static override description =
    `Normally there is no need: an apply takes over the lock of a process that died on this machine by itself, and the lock in a location (settings.lock) from one that stands still. Shows who holds the lock of the state directory and the one in the location, and since when; on a terminal it asks before it removes one. A lock whose holder is alive, or may be, stays unless --force is given; that of a location is watched for that, for a little more than a minute.

${exits([7, "the holder is alive, or may be"])}`;
  static override examples = examples(
    ["unlock", "see who holds the locks, and remove stale ones"],
    ["unlock --force", "remove the lock of another machine that is gone for sure"],
  );
  static override flags = {
    force: Flags.boolean({
      description: "remove it whoever holds it; safe for files, but two runs may disturb each other",
    }),
  };

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Unlock);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const shared = await sharedPlace(workspace, output, flags.force);
      const held = await show(workspace, shared, output, flags.force);
      if (held && !flags.force && output.interactive) await approve(output);
      await remove(workspace, shared, output, flags.force);
      return undefined;
    });
  }
}

interface SharedPlace {
  backend: Backend;
  holder: SharedHolder | "unreadable" | undefined;
}

/** The location with the shared lock, and who holds it; with `force`, one that can not be reached keeps nobody from the lock of this machine. */
async function sharedPlace(
  { config, backends }: Workspace,
  output: Output,
  force: boolean,
): Promise<SharedPlace | undefined> {
  const { lock } = config.settings;
  const backend = lock === undefined ? undefined : (await backends()).get(lock);
  if (!backend) return undefined;
  const { sharedHolder } = await import("../../apply/lock-shared.js");
  try {
    return { backend, holder: await sharedHolder(backend) };
  } catch (error) {
    if (!force) throw error;
    output.warn(`the lock in ${backend.location} stays as it is: ${messageOf(error)}`);
    return undefined;
  }
}

/** Tells who holds the locks. @returns whether anybody does */
async function show(
  { config, clock }: Workspace,
  shared: SharedPlace | undefined,
  output: Output,
  force: boolean,
): Promise<boolean> {
  const { lockHolder } = await import("../../apply/lock.js");
  let held = false;
  try {
    const holder = await lockHolder(config.settings.state);
    held = holder !== undefined;
    if (holder && !output.json) output.note(holderText(holder, clock()));
  } catch (error) {
    if (codeOf(error) !== "LOCKED" || !force) throw error;
  }
  if (!shared?.holder) return held;
  if (!output.json) output.note(sharedHolderText(shared.backend.location, shared.holder, clock()));
  return true;
}

async function approve(output: Output): Promise<void> {
  const answer = await output.ask("\nRemove what its holder left? Only 'yes' is accepted: ");
  if (answer.trim() === "yes") return;
  throw new StowageError("NOT_APPROVED", "nothing was removed");
}

async function remove(
  { config, clock }: Workspace,
  shared: SharedPlace | undefined,
  output: Output,
  force: boolean,
): Promise<void> {
  const { unlock } = await import("../../apply/lock.js");
  let [holder, refused]: [LockHolder | undefined, unknown] = [undefined, undefined];
  try {
    holder = await unlock(config.settings.state, { force });
  } catch (error) {
    refused = error;
  }
  const freed = shared ? await removeShared(shared, output, force) : false;
  if (refused !== undefined) throw refused;
  if (output.json) {
    const place = shared && { location: shared.backend.location, unlocked: freed, holder: shared.holder ?? null };
    output.document({ unlocked: holder !== undefined, holder: holder ?? null, ...(place && { shared: place }) });
    return;
  }
  if (!holder && !freed) output.line("There is no lock.");
  if (holder)
    output.line(`Removed the lock of pid ${holder.pid} on ${holder.host}, taken ${relative(holder.since, clock())}.`);
  if (freed) output.line(`Removed the lock in ${shared?.backend.location}.`);
}

async function removeShared({ backend, holder }: SharedPlace, output: Output, force: boolean): Promise<boolean> {
  if (!holder) return false;
  const { unlockShared } = await import("../../apply/lock-shared.js");
  return await unlockShared(backend, {
    force,
    onWatch: (_holder, ms) => output.note(`Watching for ${duration(ms)} whether it is alive.`),
  });
}
