import { Args } from "@oclif/core";
import type { JournalContent, RunSummary } from "../../apply/journal-read.js";
import { ExitCode } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import { bytes, count, duration, instant, table } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import type { Output } from "../output.js";
import { withWorkspace } from "../workspace.js";

const SHOWN = 20;
const COUNTS = ["copied", "moved", "deleted", "verified", "failed", "skipped"] as const;

export default class History extends BaseCommand {
  static override summary = "List the runs of apply, or all that one run did";
  static override description =
    `Reads the journal, which is the audit trail: hash-chained, and checked while it is read. A run that is "open" was killed or is running; applying its plan again goes on with it.

${exits([6, "a journal was changed or is damaged"])}`;
  static override examples = examples(
    ["history", "see the last runs"],
    ["history 20260301T120000Z-1f2e3d4c", "see what one run did to which file"],
    ["history --json | jq '.runs[] | select(.failed > 0)'", "find the runs where something failed"],
  );
  static override args = {
    run: Args.string({ description: "a run, or the beginning of its name" }),
  };

  async run(): Promise<number> {
    const { args, flags } = await this.parse(History);
    const output = this.output(flags);
    return withWorkspace(flags, output, async ({ config }) => {
      const { readJournal, readRuns } = await import("../../apply/journal-read.js");
      const { state } = config.settings;
      const runs = await readRuns(state);
      if (args.run !== undefined) {
        const named = runs.filter(({ run }) => run.startsWith(args.run ?? ""));
        return await showRun(
          await readJournal(state, named.length === 1 ? (named[0]?.run ?? args.run) : args.run),
          output,
        );
      }
      if (output.json) output.document({ runs: runs.reverse().map(runDocument) });
      else await listRuns(runs, output);
      return runs.some(({ damage }) => damage) ? ExitCode.integrity : ExitCode.ok;
    });
  }
}

const runDocument = ({ report, started, finished, ...run }: RunSummary) => ({
  ...run,
  started: new Date(started).toISOString(),
  finished: finished === undefined ? null : new Date(finished).toISOString(),
  copied: report?.copied ?? null,
  moved: report?.moved ?? null,
  deleted: report?.deleted ?? null,
  verified: report?.verified ?? null,
  failed: report?.failed ?? null,
  skipped: report?.skipped ?? null,
  bytes: report?.bytes ?? null,
});

async function listRuns(runs: readonly RunSummary[], output: Output): Promise<void> {
  if (runs.length === 0) {
    output.line("Nothing has been applied yet.");
    return;
  }
  const shown = output.verbose ? runs : runs.slice(-SHOWN);
  const numbers = COUNTS.filter((name) => shown.some(({ report }) => (report?.[name] ?? 0) > 0));
  const columns = [
    { title: "Run" },
    { title: "status" },
    ...numbers.map((title) => ({ title, align: "right" as const })),
    { title: "bytes", align: "right" as const },
  ];
  const cells = [...shown]
    .reverse()
    .map(({ run, status, report, damage }) => [
      run,
      damage ? "damaged" : status,
      ...numbers.map((name) => (report ? count(report[name]) : "")),
      report ? bytes(report.bytes) : "",
    ]);
  await output.lines(table(columns, cells, output.text));
  if (runs.length > shown.length)
    output.line(`… and ${count(runs.length - shown.length)} more (show with -v or --json)`);
}

async function showRun(journal: JournalContent, output: Output): Promise<number> {
  const exit = journal.damage ? ExitCode.integrity : ExitCode.ok;
  if (output.json) {
    output.document(journal);
    return exit;
  }
  const { header, end } = journal;
  output.line(`Run ${journal.run} of plan ${header?.plan_id ?? "unknown"}`);
  if (header)
    output.line(
      `Started ${instant(header.started)}${end ? `, took ${duration(end.at - header.started)}, ${end.report.status}` : ", did not end"}`,
    );
  for (const line of journal.lines) {
    if (line.type === "removed") {
      output.line(`  removed ${printable(`${line.location}:${line.key}`)}${line.trash ? " (in trash)" : ""}`);
    }
    if (line.type !== "done") continue;
    const { outcome } = line;
    const proven = outcome.present.map(({ location, key }) => `${location}:${key}`).join(", ");
    output.line(
      `  ${outcome.action} ${outcome.outcome} ${printable(proven)}${outcome.message ? `: ${printable(outcome.message)}` : ""}`,
    );
  }
  if (journal.torn) output.line("The last line was cut off when the process was killed; that is no damage.");
  if (journal.damage) output.line(`Damaged from line ${journal.damage.line} on: ${journal.damage.reason}.`);
  return exit;
}
