import { resolve } from "node:path";
import process from "node:process";
import { Flags } from "@oclif/core";
import { ExitCode } from "../../lib/error.js";
import { plural } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { printDiagnostics } from "../diagnostics.js";
import { examples, exits } from "../help.js";

export default class Validate extends BaseCommand {
  static override summary = "Check storage.yaml and list all that is wrong with it";
  static override description =
    `Reports every error at once, as file:line:column, each with the next step. Looks at the file only: not at storage, not at the catalog.

${exits([1, "there are errors"])}`;
  static override examples = examples(
    ["validate", "check before a commit"],
    ["validate --format github", "annotate the pull request from a workflow"],
    ["validate --json | jq '.diagnostics[].message'", "hand the findings to an editor"],
  );
  static override flags = {
    format: Flags.option({
      options: ["text", "github"] as const,
      default: "text",
      description: "text, or GitHub annotations",
    })(),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Validate);
    const output = this.output(flags);
    const { checkConfig } = await import("../../config/load.js");
    const { config, diagnostics } = await checkConfig(resolve(flags.config), { env: process.env });
    const valid = !diagnostics.some((each) => each.severity === "error");
    await printDiagnostics(diagnostics, output, flags.format, { valid });
    if (valid && config && !output.json) {
      const { locations, rules } = config;
      output.note(
        `${flags.config} is valid: ${plural(locations.length, "location")}, ${plural(rules.length, "rule")}.`,
      );
    }
    return valid ? ExitCode.ok : ExitCode.error;
  }
}
