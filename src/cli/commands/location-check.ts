import { ExitCode } from "../../lib/error.js";
import { checkLines } from "../../report/location-text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { lockTrouble } from "../lock-place.js";
import { withWorkspace } from "../workspace.js";

export default class LocationCheck extends BaseCommand {
  static override summary = "Look whether each location is there, and what it can do";
  static override description =
    `Reads the marker, the free space, and how fast it answers; shows what \`stowage init\` found out about its file system. Tries, with a temporary file of its own, whether it can be written to, unless it is read_only; changes nothing else.

${exits([1, "error, or a location is suspect or can not be written to"], [7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["location check", "see why a location is suspect, and what to do"],
    ["location check --json | jq '.locations[] | select(.suspect)'", "watch the mounts from a script"],
  );

  async run(): Promise<number> {
    const { flags } = await this.parse(LocationCheck);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const { checkLocations } = await import("../../scan/check.js");
      const catalog = await workspace.catalog("write");
      const checks = await checkLocations(workspace.config, catalog, await workspace.backends());
      const allowed = workspace.config.locations.flatMap((each) => (each.allowUnconditionalDelete ? [each.name] : []));
      if (output.json) output.document({ locations: checks });
      else await output.lines(checkLines(checks, { ...output.text, allowed: new Set(allowed) }));
      const lock = await lockTrouble(workspace);
      if (lock && !output.json) await output.lines(lock.lines(output.text));
      return lock || checks.some(({ suspect, unwritable }) => suspect !== null || unwritable !== null)
        ? ExitCode.error
        : ExitCode.ok;
    });
  }
}
