import { Flags } from "@oclif/core";
import { relative } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

export default class Unlock extends BaseCommand {
  static override summary = "Remove the lock that a dead apply left behind";
  static override description =
    `Normally there is no need: an apply takes over the lock of a process that died on this machine by itself. A lock whose holder is alive, or on another machine, stays unless --force is given.

${exits([7, "the holder is alive, or may be"])}`;
  static override examples = examples(
    ["unlock", "remove a stale lock"],
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
    return withWorkspace(flags, output, async ({ config, clock }) => {
      const { unlock } = await import("../../apply/lock.js");
      const holder = await unlock(config.settings.state, { force: flags.force });
      if (output.json) output.document({ unlocked: holder !== undefined, holder: holder ?? null });
      else if (!holder) output.line("There is no lock.");
      else
        output.line(
          `Removed the lock of pid ${holder.pid} on ${holder.host}, taken ${relative(holder.since, clock())}.`,
        );
      return undefined;
    });
  }
}
