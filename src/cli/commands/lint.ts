import { resolve } from "node:path";
import process from "node:process";
import { Flags } from "@oclif/core";
import { codeOf, ExitCode } from "../../lib/error.js";
import { BaseCommand } from "../base-command.js";
import { failOnErrors, printDiagnostics } from "../diagnostics.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

export default class Lint extends BaseCommand {
  static override summary = "Find what is valid in storage.yaml but probably not meant";
  static override description =
    `Rules that an earlier rule shadows, rules that match no file or only files that earlier rules decide, locations that overlap, sets that nothing uses. The files are those of the last scan; without one only the text is looked at.

${exits([1, "error, or there are findings"], [7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["lint", "look through the rules before a review"],
    ["lint --format github", "annotate the pull request from a workflow"],
  );
  static override flags = {
    format: Flags.option({
      options: ["text", "github"] as const,
      default: "text",
      description: "text, or GitHub annotations",
    })(),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Lint);
    const output = this.output(flags);
    const { checkConfig } = await import("../../config/load.js");
    const { diagnostics } = await checkConfig(resolve(flags.config), { env: process.env });
    failOnErrors(diagnostics);
    return withWorkspace(flags, output, async (workspace) => {
      const { lint } = await import("../../plan/lint.js");
      const catalog = await workspace.catalog("read").catch((error: unknown) => {
        if (codeOf(error) !== "NO_CATALOG") throw error;
        output.note("Nothing has been scanned yet: only the text is looked at.");
        return undefined;
      });
      const found = await lint(workspace.config, catalog, { now: workspace.clock() });
      const all = [...diagnostics, ...found].sort((a, b) => a.line - b.line || a.column - b.column);
      await printDiagnostics(all, output, flags.format, {});
      if (all.length === 0) output.note("Nothing to complain about.");
      return all.length === 0 ? ExitCode.ok : ExitCode.error;
    });
  }
}
