import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class Schema extends BaseCommand {
  static override summary = "Print the JSON Schema of storage.yaml";
  static override description =
    `The schema (draft 2020-12) that editors use for completion and that \`stowage validate\` checks against.

${exits()}`;
  static override examples = examples(
    ["schema > storage.schema.json", "keep it beside storage.yaml, for an editor without network"],
    ["schema | jq '.$defs | keys'", "see what can be configured"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Schema);
    const file = fileURLToPath(new URL("../../../schema/storage.schema.json", import.meta.url));
    this.output(flags).write(await readFile(file, "utf8"));
  }
}
