import { sql } from "../../catalog/sql.js";
import { isOutOfUse, type LocationStatus } from "../../config/config.js";
import { bytes, count, plural, relative, table } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

interface LocationRow {
  location: string;
  status: LocationStatus;
  suspect: string | null;
  files: number;
  bytes: number;
  contents: number;
  unknown: number;
  missing: number;
  free_bytes: number | null;
  scanned_at: number | null;
}

const perLocation = sql<LocationRow>`
  SELECT l.name AS location, l.status, l.suspect, l.free_bytes, s.finished_at AS scanned_at,
    count(f.key) FILTER (f.state <> 'missing')::BIGINT AS files,
    coalesce(sum(f.size) FILTER (f.state <> 'missing'), 0)::BIGINT AS bytes,
    count(DISTINCT f.sha256) FILTER (f.state = 'present')::BIGINT AS contents,
    count(f.key) FILTER (f.state = 'present' AND f.sha256 IS NULL)::BIGINT AS unknown,
    count(f.key) FILTER (f.state = 'missing')::BIGINT AS missing
  FROM storage_locations l
  LEFT JOIN file_locations f ON f.location = l.name
  LEFT JOIN scans s ON s.id = l.last_scan
  GROUP BY ALL ORDER BY max(l.priority) DESC, l.name`;

const perType = sql<{ media_type: string; contents: number; bytes: number }>`
  SELECT coalesce(f.media_type, 'unknown') AS media_type, count(*)::BIGINT AS contents, sum(f.size)::BIGINT AS bytes
  FROM (SELECT sha256, min(media_type) AS media_type, any_value(size) AS size FROM file_locations
    WHERE state = 'present' AND sha256 IS NOT NULL GROUP BY sha256) f
  GROUP BY 1 ORDER BY 3 DESC, 1`;

const perCopies = sql<{ copies: number; contents: number; bytes: number }>`
  SELECT coalesce(p.copies, 0)::BIGINT AS copies, count(*)::BIGINT AS contents, sum(c.size)::BIGINT AS bytes
  FROM contents c LEFT JOIN copies p USING (sha256) GROUP BY 1 ORDER BY 1`;

export default class Stats extends BaseCommand {
  static override summary = "Count files and bytes by location, type and number of copies";
  static override description = `Answers from the catalog, as of the last scan.

${exits([7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["stats", "see what lies where, and how much of it has one copy only"],
    ["stats --json | jq '.copies[] | select(.copies < 2)'", "pick what a script needs"],
  );

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Stats);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const catalog = await workspace.catalog("read");
      const locations = await catalog.rows(perLocation);
      const types = await catalog.rows(perType);
      const copies = await catalog.rows(perCopies);
      if (output.json) {
        output.document({ locations, types, copies });
        return undefined;
      }
      const now = workspace.clock();
      const right = (title: string) => ({ title, align: "right" as const });
      const location = [
        { title: "Location", flexible: true },
        right("files"),
        right("bytes"),
        right("contents"),
        right("free"),
        { title: "scanned" },
      ];
      const locationCells = locations.map((row) => [
        row.location,
        count(row.files),
        bytes(row.bytes),
        count(row.contents),
        row.free_bytes === null ? "" : bytes(row.free_bytes),
        scannedText(row, now),
      ]);
      await output.lines(table(location, locationCells, output.text));
      const type = [{ title: "Type" }, right("contents"), right("bytes")];
      const typeCells = types.map((row) => [row.media_type, count(row.contents), bytes(row.bytes)]);
      await output.lines(["", ...table(type, typeCells, output.text)]);
      const copy = [{ title: "Copies" }, right("contents"), right("bytes")];
      const copyCells = copies.map((row) => [count(row.copies), count(row.contents), bytes(row.bytes)]);
      await output.lines(["", ...table(copy, copyCells, output.text)]);
      const missing = locations.reduce((sum, row) => sum + row.missing, 0);
      if (missing > 0) output.line(`\n${plural(missing, "file")} went missing; see \`stowage status\`.`);
      return undefined;
    });
  }
}

/** When it was looked at last, and whether its owner or a scan has put it aside since. */
function scannedText(row: LocationRow, now: number): string {
  const at = row.scanned_at === null ? undefined : relative(row.scanned_at, now);
  if (isOutOfUse(row)) return at === undefined ? row.status : `${row.status}, ${at}`;
  return row.suspect ? "suspect" : (at ?? "never");
}
