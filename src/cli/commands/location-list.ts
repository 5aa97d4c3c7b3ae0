import type { Catalog } from "../../catalog/catalog.js";
import { sql } from "../../catalog/sql.js";
import { codeOf } from "../../lib/error.js";
import { relative, table } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

interface ScannedRow {
  name: string;
  suspect: string | null;
  scanned_at: number | null;
}

const scanned = sql<ScannedRow>`
  SELECT l.name, l.suspect, s.finished_at AS scanned_at FROM storage_locations l LEFT JOIN scans s ON s.id = l.last_scan`;

export default class LocationList extends BaseCommand {
  static override summary = "List the locations of storage.yaml";
  static override description =
    `Each with its kind, place, priority (higher is read from first), purpose and status, and when it was scanned last. Looks at no storage; \`stowage location check\` does.

${exits([7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["location list", "see what is configured"],
    ["location list --json | jq -r '.locations[].name'", "hand the names to a script"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(LocationList);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const catalog = await workspace.catalog("read").catch((error: unknown) => {
        if (codeOf(error) !== "NO_CATALOG") throw error;
        return undefined;
      });
      const known = await knownBy(catalog);
      const locations = workspace.config.locations.map((location) => {
        const { name, type, root, priority, purpose, domain, status, readOnly } = location;
        const { suspect = null, scanned_at = null } = known.get(name) ?? {};
        return { name, type, root, priority, purpose, domain, status, read_only: readOnly, suspect, scanned_at };
      });
      if (output.json) {
        output.document({
          locations: locations.map(({ scanned_at, ...location }) => ({
            ...location,
            scanned_at: scanned_at === null ? null : new Date(scanned_at).toISOString(),
          })),
        });
        return undefined;
      }
      const columns = [
        { title: "Location" },
        { title: "type" },
        { title: "root", flexible: true },
        { title: "prio", align: "right" as const },
        { title: "purpose", flexible: true },
        { title: "status" },
        { title: "scanned" },
      ];
      const cells = locations.map((each) => [
        each.name,
        each.type,
        each.root,
        String(each.priority),
        each.purpose.join(" "),
        `${each.suspect ? "suspect" : each.status}${each.read_only ? ", read only" : ""}`,
        each.scanned_at === null ? "never" : relative(each.scanned_at, workspace.clock()),
      ]);
      await output.lines(table(columns, cells, output.text));
      return undefined;
    });
  }
}

async function knownBy(catalog: Catalog | undefined): Promise<Map<string, ScannedRow>> {
  const rows = catalog ? await catalog.rows(scanned) : [];
  return new Map(rows.map((row) => [row.name, row]));
}
