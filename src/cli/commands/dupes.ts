import { sql } from "../../catalog/sql.js";
import { printable } from "../../lib/key.js";
import { bytes, count, plural, shortHash } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

interface Dupe {
  sha256: string;
  size: number;
  location: string;
  names: number;
  stored: number;
  keys: string[];
}

const dupes = sql<Dupe>`SELECT * FROM dupes ORDER BY size * (stored - 1) DESC, size * names DESC, sha256, location`;
const SHOWN = 20;
const NAMES = 5;

export default class Dupes extends BaseCommand {
  static override summary = "List contents that have several names in one location";
  static override description =
    `The same bytes under two names in one location are one copy, not two. Most wasteful first; hard links waste nothing. Changes nothing.

${exits([7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["dupes", "see what takes up room twice"],
    ["dupes -v", "see all of it"],
    ["dupes --json | jq '.dupes[].keys'", "hand it to a script"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Dupes);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const catalog = await workspace.catalog("read");
      const found = (await catalog.rows(dupes)).map((row) => ({ ...row, wasted: row.size * (row.stored - 1) }));
      const wasted = found.reduce((sum, row) => sum + row.wasted, 0);
      if (output.json) {
        output.document({
          summary: { contents: found.length, wasted },
          dupes: found.map((row) => ({ ...row, sha256: `sha256:${row.sha256}` })),
        });
        return undefined;
      }
      const shown = output.verbose ? found : found.slice(0, SHOWN);
      for (const row of shown) {
        const waste = row.stored > 1 ? `${bytes(row.wasted)} twice` : "hard links";
        output.line(
          `${row.location}: ${plural(row.names, "name")} of ${bytes(row.size)}, ${waste}  ${output.text.paint?.("dim", shortHash(row.sha256)) ?? ""}`,
        );
        const keys = output.verbose ? row.keys : row.keys.slice(0, NAMES);
        await output.lines(keys.map((key) => `  ${printable(key)}`));
        if (row.keys.length > keys.length)
          output.line(`  … and ${count(row.keys.length - keys.length)} more (show with -v or --json)`);
      }
      if (found.length > shown.length)
        output.line(`… and ${count(found.length - shown.length)} more (show with -v or --json)`);
      output.line(
        found.length === 0
          ? "No content has two names in one location."
          : `${plural(found.length, "content")}, ${bytes(wasted)} stored more than once.`,
      );
      return undefined;
    });
  }
}
