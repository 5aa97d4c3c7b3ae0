import { Flags } from "@oclif/core";
import type { Catalog } from "../../catalog/catalog.js";
import { sql } from "../../catalog/sql.js";
import { nothingScanned } from "../../catalog/version.js";
import { isOutOfUse } from "../../config/config.js";
import { printable } from "../../lib/key.js";
import type { FileStatus, Status as StatusReport, SyncState } from "../../plan/status.js";
import { bytes, count, plural, table } from "../../report/format.js";
import { jsonDocument, jsonLine } from "../../report/json.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import type { Output } from "../output.js";
import { withWorkspace } from "../workspace.js";

const STATES: readonly SyncState[] = [
  "synced",
  "pending upload",
  "pending update",
  "conflict",
  "missing",
  "suspect",
  "offline",
];
const SHOWN = 20;

export default class Status extends BaseCommand {
  static override summary = "Show how files stand against storage.yaml, and drift";
  static override description =
    `Each file is synced, pending upload (a copy of it is to be made), pending update (it is to be moved, deleted or replaced), in conflict, missing (gone without stowage having removed it: drift, which is reported and never mirrored), suspect (it lies in a location that can not be relied on now), or offline (its location is offline or retired in storage.yaml). The last two are listed with --all and --json. Answers from the catalog, as of the last scan.

${exits([7, "another process is using the catalog"])}`;
  static override examples = examples(
    ["status", "see the sums, and the files that are not in place"],
    ["status --all -v", "list every file with its state"],
    ["status --json | jq '.summary'", "feed a dashboard"],
  );
  static override flags = {
    all: Flags.boolean({ description: "list the files that are in place too" }),
  };

  async run(): Promise<undefined> {
    const { flags } = await this.parse(Status);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const { fileStates, status } = await import("../../plan/status.js");
      const catalog = await workspace.catalog("write");
      if (!(await hasScans(catalog)) && !workspace.config.locations.every(isOutOfUse)) throw nothingScanned();
      const options = { now: workspace.clock(), version: this.config.version };
      const report = await status(workspace.config, catalog, options);
      // One line, or one column, says it for all files of a location that is suspect or offline.
      const files = fileStates(catalog, { all: flags.all, away: output.json });
      if (output.json) await printJson(report, files, output);
      else await printText(report, files, output);
      return undefined;
    });
  }
}

/** A catalog that was made just now, or anew, has no files to count. */
const hasScans = async (catalog: Catalog): Promise<boolean> =>
  (await catalog.row(sql`SELECT 1 FROM scans LIMIT 1`)) !== undefined;

async function printJson(report: StatusReport, files: AsyncIterable<FileStatus>, output: Output): Promise<void> {
  output.write(`${jsonDocument(report).slice(0, -2)},\n  "files": [`);
  let separator = "\n    ";
  for await (const file of files) {
    if (output.closed) return;
    output.write(separator + jsonLine(file));
    separator = ",\n    ";
  }
  output.write(separator.startsWith(",") ? "\n  ]\n}\n" : "]\n}\n");
}

async function printText(report: StatusReport, files: AsyncIterable<FileStatus>, output: Output): Promise<void> {
  const right = (title: string) => ({ title, align: "right" as const });
  const states = STATES.filter((state) => report.summary[state] > 0);
  const columns = [{ title: "Location", flexible: true }, right("files"), right("bytes"), ...states.map(right)];
  const cells = report.locations.map((each) => [
    each.location,
    count(each.files),
    bytes(each.bytes),
    ...states.map((state) => (each.states[state] ? count(each.states[state]) : "")),
  ]);
  await output.lines(table(columns, cells, output.text));
  for (const { location, suspect } of report.locations) {
    if (suspect) output.line(`! ${location} is suspect: ${printable(suspect)}`);
  }
  let listed = 0;
  let hidden = 0;
  for await (const file of files) {
    if (output.closed) return;
    if (!output.verbose && listed >= SHOWN) {
      hidden += 1;
      continue;
    }
    if (listed === 0) output.line("");
    listed += 1;
    output.line(
      `${file.status.padEnd(15)} ${printable(`${file.location}:${file.key}`)}${file.detail ? `  ${printable(file.detail)}` : ""}`,
    );
  }
  if (hidden > 0) output.line(`… and ${count(hidden)} more (show with -v or --json)`);
  const total = states.reduce((sum, state) => sum + report.summary[state], 0);
  const sums = states.map((state) => `${count(report.summary[state])} ${state}`);
  output.line(`\n${plural(total, "file")}${sums.length > 0 ? `: ${sums.join(", ")}` : ""}.`);
}
