import { readFile } from "node:fs/promises";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { schemaFile } from "../starter.js";

export default class Schema extends BaseCommand {
  static override summary = "Print the JSON Schema of storage.yaml";
  static override description =
    `The schema (draft 2020-12) that editors use for completion and that \`stowage validate\` checks against.

${exits()}`;
  static override examples = examples(
    ["schema > storage.schema.json", "keep it beside storage.yaml, for an editor"],
    ["schema | jq '.properties | keys'", "see what can be configured"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Schema);
    this.output(flags).write(await readFile(schemaFile(), "utf8"));
  }
}
