import { resolve } from "node:path";
import { Args, Flags } from "@oclif/core";
import { planDocument } from "../../report/json.js";
import { planLines } from "../../report/text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class Show extends BaseCommand {
  static override summary = "Print a plan file";
  static override description =
    `Prints a plan that \`stowage plan -o FILE\` wrote, as the same text or as one JSON document. Changes nothing and needs no storage.yaml.

${exits([5, "the plan file was edited"])}`;
  static override examples = examples(
    ["show plan.ndjson", "read a plan again, before applying it"],
    ["show plan.ndjson -v", "list every action with its full name"],
    ["show plan.ndjson --json | jq '.actions[] | select(.kind == \"delete\")'", "pick out what a review is about"],
  );
  static override args = {
    file: Args.string({ description: "a plan file", required: true }),
  };
  static override flags = {
    format: Flags.option({ options: ["text", "json"] as const, description: "text, or one JSON document" })(),
  };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(Show);
    const output = this.output(flags);
    const { readPlan } = await import("../../plan/file.js");
    const plan = await readPlan(resolve(args.file));
    if (output.json || flags.format === "json") for (const piece of planDocument(plan)) output.write(piece);
    else await output.lines(planLines(plan, output.text));
    return undefined;
  }
}
