import type { OnDamage } from "../apply/journal-read.js";
import type { JournalSource } from "../apply/journal-source.js";
import { didYouMean } from "../config/suggest.js";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";
import type { Output } from "./output.js";
import type { Workspace } from "./workspace.js";

/**
 * The journals of this machine; where its state directory has none, the copies that `settings.journal` names, as far as they can be had.
 */
export async function openJournals(workspace: Workspace, output: Output): Promise<JournalSource> {
  const { state, journal } = workspace.config.settings;
  const { journalsIn } = await import("../apply/journal-source.js");
  const own = journalsIn(state);
  if (journal === undefined || (await own.runs()).length > 0) return own;
  try {
    const copies = await journalsAt(journal, workspace);
    return (await copies.runs()).length > 0 ? copies : own;
  } catch (error) {
    output.warn(`the copies of journals in ${journal} can not be read: ${messageOf(error)}`);
    return own;
  }
}

/** The copies of journals in a location. @throws `UNKNOWN_LOCATION`, and what the location throws */
export async function journalsAt(name: string, { config, backends }: Workspace): Promise<JournalSource> {
  const names = config.locations.map((location) => location.name);
  if (!names.includes(name)) {
    const hint = didYouMean(name, names);
    throw new StowageError("UNKNOWN_LOCATION", `there is no location "${name}" in storage.yaml`, {
      ...(hint && { hint }),
      exit: ExitCode.usage,
    });
  }
  const backend = (await backends()).get(name);
  if (!backend) throw new StowageError("LOCATION_SUSPECT", `${name} is not available`);
  const { mirroredJournals } = await import("../apply/journal-mirror.js");
  return await mirroredJournals(backend);
}

/** Warns of each damaged journal once: it is used as far as it holds, and nothing waits for it. */
export function warnOfDamage(output: Output): OnDamage {
  const told = new Set<string>();
  return (run, { line, reason }) => {
    if (told.has(run)) return;
    told.add(run);
    output.warn(
      `the journal of run ${run} is damaged from line ${line} on (${reason}); going on without the rest of it. \`stowage history --verify\` tells more.`,
    );
  };
}
