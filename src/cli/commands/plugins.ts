import { table } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";

export default class Plugins extends BaseCommand {
  static override summary = "List the installed plug-ins and the backends that they offer";
  static override description =
    `A plug-in adds a kind of storage: a location \`{ type: plugin, use: NAME }\` is opened by the plug-in that offers NAME. stowage loads only what was installed here by \`plugins install\` or \`plugins link\`; a storage.yaml can not name code. They lie in stowage's data directory (STOWAGE_DATA_DIR).

${exits([1, "error, or a plug-in can not be loaded"])}`;
  static override examples = examples(
    ["plugins", "see what is installed"],
    ["plugins --json | jq -r '.backends[].use'", "list what `use:` can name"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Plugins);
    const output = this.output(flags);
    const { installed, offered } = await import("../plugins.js");
    const [plugins, offers] = [await installed(), await offered()];
    const backends = offers.map(({ plugin, use }) => ({ plugin, use }));
    if (output.json) {
      output.document({ plugins, backends });
      return undefined;
    }
    if (plugins.length === 0) output.note("No plug-ins are installed. `stowage plugins install PACKAGE` adds one.");
    else {
      const uses = (name: string) => backends.flatMap(({ plugin, use }) => (plugin === name ? [use] : [])).join(" ");
      const cells = plugins.map(({ name, type, root }) => [name, uses(name), type === "link" ? (root ?? "") : "npm"]);
      await output.lines(
        table([{ title: "Plug-in" }, { title: "use" }, { title: "from", flexible: true }], cells, output.text),
      );
    }
    return undefined;
  }
}
