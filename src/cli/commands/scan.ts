import { rm } from "node:fs/promises";
import { Args, Flags } from "@oclif/core";
import { ExitCode, StowageError } from "../../lib/error.js";
import { scanLines } from "../../report/scan-text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { noteSettling, refresh } from "../refresh.js";
import { withWorkspace } from "../workspace.js";

export default class Scan extends BaseCommand {
  static override summary = "Bring the catalog up to date with what is in storage";
  static override description =
    `Lists every location and reads what is new or changed; what is unchanged keeps its hash. Storage is only read. \`stowage plan\` and \`stowage apply\` scan by themselves. With --json: one event a line, the last is the result.

${exits([1, "error, or a location could not be scanned"], [6, "damaged files found"], [7, "another process is using the catalog"], [130, "interrupted; what was read is kept"])}`;
  static override examples = examples(
    ["scan", "look at every location"],
    ["scan nas --hash all", "read every file of one location again, whether it looks changed or not"],
    ["scan --rebuild", "throw the catalog away, which is only a cache, and make it anew"],
  );
  static override strict = false;
  static override args = {
    location: Args.string({ description: "locations to scan; all of them where none is named" }),
  };
  static override flags = {
    rebuild: Flags.boolean({ description: "begin with an empty catalog" }),
    hash: Flags.option({
      options: ["auto", "all", "none"] as const,
      default: "auto",
      description: "what to read: new and changed files, everything, or nothing",
    })(),
  };

  async run(): Promise<number> {
    const { argv, flags } = await this.parse(Scan);
    const locations = argv as string[];
    const output = this.output(flags);
    if (flags.rebuild && locations.length > 0) {
      throw new StowageError("USAGE", "--rebuild scans every location: name none", { exit: ExitCode.usage });
    }
    return withWorkspace(flags, output, async (workspace) => {
      const { chooseLocations } = await import("../../scan/health.js");
      chooseLocations(workspace.config, locations);
      let catalog = await workspace.catalog("write");
      if (flags.rebuild) {
        // Opened first: while another process has it open for writing, it is not ours to throw away.
        await catalog.close();
        for (const path of [catalog.file, `${catalog.file}.wal`]) await rm(path, { force: true });
        catalog = await workspace.catalog("write");
      }
      const report = await refresh(workspace, catalog, output, {
        hash: flags.hash,
        events: output.json,
        ...(locations.length > 0 ? { locations } : {}),
      });
      noteSettling(report, output, workspace.config.settings.settle);
      if (output.json) output.event({ type: "result", ...report });
      else await output.lines(scanLines(report, output.text));
      if (report.locations.some(({ rot }) => rot.length > 0)) return ExitCode.integrity;
      return report.locations.every(({ status }) => status === "complete") ? ExitCode.ok : ExitCode.error;
    });
  }
}
