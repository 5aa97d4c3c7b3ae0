import { Args } from "@oclif/core";
import { printable } from "../../lib/key.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class PluginsUninstall extends BaseCommand {
  static override summary = "Remove a plug-in";
  static override description =
    `Touches no storage; locations that use it can not be opened any more. A linked folder is left alone.

${exits([1, "error, or no such plug-in"])}`;
  static override examples = examples(["plugins uninstall stowage-backend-vault", "remove it"]);
  static override args = { name: Args.string({ description: "as `stowage plugins` lists it", required: true }) };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(PluginsUninstall);
    const output = this.output(flags);
    const { uninstall } = await import("../plugins.js");
    await uninstall(args.name);
    if (output.json) output.document({ uninstalled: args.name });
    else output.line(`Removed ${printable(args.name)}.`);
    return undefined;
  }
}
