import { Flags } from "@oclif/core";
import type { GcReport } from "../../apply/gc.js";
import { ExitCode } from "../../lib/error.js";
import { at, bytes, count, duration, plural } from "../../report/format.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { endWhenInterrupted } from "../interrupt.js";
import type { Output } from "../output.js";
import { withWorkspace } from "../workspace.js";

const SHOWN = 20;

export default class Gc extends BaseCommand {
  static override summary = "Delete trash past its time, and what killed runs left behind";
  static override description =
    `Deletes for good what has lain in the trash of a location for longer than \`safety.trash\`, and temporary files of runs that are over. Nothing else, ever. A file that a killed run was removing gets its name back. On a terminal it lists what would go and asks first; without one, as from cron, it deletes without asking and lists what is gone. What is kept is summed up for each location.

${exits([1, "error, or a location could not be cleaned"], [7, "an apply is running"])}`;
  static override examples = examples(
    ["gc", "see what would go, and say yes"],
    ["gc --auto-approve --quiet", "clean up from cron"],
  );
  static override flags = {
    "auto-approve": Flags.boolean({ description: "delete without asking; without a terminal nobody is asked" }),
  };

  async run(): Promise<number> {
    endWhenInterrupted();
    const { flags } = await this.parse(Gc);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const { gc } = await import("../../apply/gc.js");
      const { settings, safety } = workspace.config;
      const backends = await workspace.backends();
      const { clock } = workspace;
      const options = { state: settings.state, trash: safety.trash, now: clock(), standing: clock !== Date.now };
      const asks = output.interactive && !flags["auto-approve"] && !output.json;
      if (asks) {
        const due = await gc(backends, { ...options, dry: true });
        if (due.purged.length > 0 && !(await approved(due, options.now, output))) {
          output.line("Nothing was deleted.");
          return ExitCode.error;
        }
      }
      const report = await gc(backends, options);
      if (output.json) output.document(report);
      else {
        if (!asks && !output.quiet) listFiles(report, options.now, output);
        printReport(report, output);
      }
      return report.problems.length > 0 ? ExitCode.error : ExitCode.ok;
    });
  }
}

async function approved(due: GcReport, now: number, output: Output): Promise<boolean> {
  listFiles(due, now, output);
  const question = `Delete ${plural(due.purged.length, "file")}, ${bytes(due.bytes)}, for good? Only 'yes' is accepted: `;
  return (await output.ask(question)).trim() === "yes";
}

function listFiles(due: GcReport, now: number, output: Output): void {
  const shown = output.verbose ? due.purged : due.purged.slice(0, SHOWN);
  for (const each of shown) {
    output.line(`  - ${at(each)}  ${bytes(each.size)}, ${each.kind}, ${duration(now - each.since)} old`);
  }
  const hidden = due.purged.length - shown.length;
  if (hidden > 0) output.line(`  … and ${count(hidden)} more (show with -v)`);
}

function printReport(report: GcReport, output: Output): void {
  for (const { location, message } of report.problems) output.warn(location ? `${location}: ${message}` : message);
  if (report.restored.length > 0)
    output.line(`Gave ${plural(report.restored.length, "file")} back that a killed run was removing.`);
  for (const { location, files, bytes: size } of report.kept) {
    output.line(`${location}: ${plural(files, "file")}, ${bytes(size)}, not past its time yet.`);
  }
  output.line(`Deleted ${plural(report.purged.length, "file")} for good, ${bytes(report.bytes)}.`);
}
