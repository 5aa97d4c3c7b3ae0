import { Args } from "@oclif/core";
import { printable } from "../../lib/key.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class PluginsLink extends BaseCommand {
  static override summary = "Use a plug-in from the folder where you write it";
  static override description =
    `The folder is loaded as it is at every run; \`stowage plugins uninstall NAME\` ends that and leaves the folder alone.

${exits([1, "error, or the folder holds no plug-in of stowage"])}`;
  static override examples = examples(["plugins link examples/plugin-backend", "try the worked example"]);
  static override args = { folder: Args.string({ description: "the folder of its package.json", required: true }) };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(PluginsLink);
    const output = this.output(flags);
    const { link } = await import("../plugins.js");
    const name = await link(args.folder);
    if (output.json) output.document({ linked: name });
    else output.line(`Linked ${printable(name)}.`);
    return undefined;
  }
}
