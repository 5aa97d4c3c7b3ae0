import { Args } from "@oclif/core";
import { printable } from "../../lib/key.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class PluginsInstall extends BaseCommand {
  static override summary = "Install a plug-in with npm";
  static override description =
    `Its code runs with your rights whenever one of its backends is used: install only what you trust.

${exits([1, "error, or the package is no plug-in of stowage"])}`;
  static override examples = examples(
    ["plugins install stowage-backend-vault", "install the newest version"],
    ["plugins install ./stowage-backend-vault-1.0.0.tgz", "install what `npm pack` made"],
  );
  static override args = { package: Args.string({ description: "a package, as npm takes it", required: true }) };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(PluginsInstall);
    const output = this.output(flags);
    const { install } = await import("../plugins.js");
    const name = await install(args.package);
    if (output.json) output.document({ installed: name });
    else output.line(`Installed ${printable(name)}.`);
    return undefined;
  }
}
