import { Args, Flags } from "@oclif/core";
import type { JournalContent, RunSummary } from "../../apply/journal-read.js";
import type { JournalSource } from "../../apply/journal-source.js";
import { ExitCode } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import { bytes, count, duration, instant, table } from "../../report/format.js";
import { verifyLines } from "../../report/journal-text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { journalsAt, openJournals } from "../journals.js";
import type { Output } from "../output.js";
import { withWorkspace } from "../workspace.js";

const SHOWN = 20;
const COUNTS = ["copied", "moved", "deleted", "verified", "failed", "skipped"] as const;

export default class History extends BaseCommand {
  static override summary = "List the runs of apply, or all that one run did";
  static override description =
    `Reads the journal, which is the audit trail: hash-chained, and checked while it is read. A run that is "open" was killed or is running; applying its plan again goes on with it.

--verify checks every line of every journal, that none ends earlier than the next run knew, and tells which have no end: their run was killed, is running, or they were cut. Where settings.journal names a location, each run leaves a copy of its journal there: --from reads those, and so does a machine whose state directory has no journal at all.

${exits([6, "a journal was changed, is damaged or is missing"])}`;
  static override examples = examples(
    ["history", "see the last runs"],
    ["history 20260301T120000Z-1f2e3d4c", "see what one run did to which file"],
    ["history --verify", "check that no journal was changed or cut"],
    ["history --from nas", "see the runs of all machines that leave copies there"],
    ["history --json | jq '.runs[] | select(.failed > 0)'", "find the runs where something failed"],
  );
  static override args = {
    run: Args.string({ description: "a run, or the beginning of its name" }),
  };

  static override flags = {
    verify: Flags.boolean({ description: "check each line of the journals, or of that run's" }),
    from: Flags.string({ helpValue: "LOCATION", description: "read the copies of journals in this location" }),
  };

  async run(): Promise<number> {
    const { args, flags } = await this.parse(History);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const { readJournal, readRuns } = await import("../../apply/journal-read.js");
      const journals =
        flags.from === undefined ? await openJournals(workspace, output) : await journalsAt(flags.from, workspace);
      if (output.verbose || flags.verify) output.note(`Reading ${journals.name}.`);
      const named = args.run === undefined ? undefined : await nameOf(args.run, journals);
      if (flags.verify) return await verify(journals, named, output);
      if (named !== undefined) return await showRun(await readJournal(journals, named), output);
      const runs = await readRuns(journals);
      if (output.json) output.document({ runs: runs.reverse().map(runDocument) });
      else await listRuns(runs, output);
      return runs.some(({ damage }) => damage) ? ExitCode.integrity : ExitCode.ok;
    });
  }
}

/** The run that the words are the beginning of; the words themselves when there is none, or more than one. */
async function nameOf(words: string, journals: JournalSource): Promise<string> {
  const found = (await journals.runs()).filter((run) => run.startsWith(words));
  return found.length === 1 ? (found[0] ?? words) : words;
}

async function verify(journals: JournalSource, run: string | undefined, output: Output): Promise<number> {
  const { verifyJournals } = await import("../../apply/journal-verify.js");
  const found = await verifyJournals(journals, run);
  if (output.json) output.document(found);
  else await output.lines(verifyLines(found, output.text));
  const bad = found.missing.length > 0 || found.runs.some(({ damage }) => damage);
  return bad ? ExitCode.integrity : ExitCode.ok;
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
  if (journal.torn) output.line("The last line is cut off: what it said is not known.");
  if (journal.damage) output.line(`Damaged from line ${journal.damage.line} on: ${journal.damage.reason}.`);
  return exit;
}
