import { Args } from "@oclif/core";
import { StowageError } from "../../lib/error.js";
import { explainLines } from "../../report/explain-text.js";
import { addressOf } from "../addresses.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

export default class Explain extends BaseCommand {
  static override summary = "Tell why a file goes where it goes, rule by rule";
  static override description =
    `Shows the values that the rules see of one file, every condition with its verdict, the rule that decides, and what a plan would do. Answers from the catalog, as of the last scan.

${exits([1, "error, or no such file"], [7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["explain primary:raw/2026/clip.mp4", "ask about a file in a location"],
    ["explain ~/Pictures/AI/raw/2026/clip.mp4", "ask about a path"],
    ["explain primary:raw/a.jpg --json | jq '.rules[] | select(.matched) | .name'", "list the rules that match"],
  );
  static override args = {
    address: Args.string({ description: "LOCATION:KEY, or a path inside a location", required: true }),
  };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(Explain);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const { explain } = await import("../../plan/explain.js");
      const { config } = workspace;
      const where = addressOf(args.address, config);
      if (!where) {
        throw new StowageError("NOT_FOUND", `"${args.address}" is no location:key and no path inside a location`, {
          hint: `The locations are: ${config.locations.map(({ name }) => name).join(", ")}.`,
        });
      }
      const explained = await explain(config, await workspace.catalog("read"), where, { now: workspace.clock() });
      if (output.json) output.document(explained);
      else await output.lines(explainLines(explained, workspace.file, output.text));
      return undefined;
    });
  }
}
