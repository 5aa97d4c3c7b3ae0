import { Args, Flags } from "@oclif/core";
import type { Catalog } from "../../catalog/catalog.js";
import { ExitCode } from "../../lib/error.js";
import { viewScan } from "../../report/scan-progress.js";
import { summaryLine } from "../../report/text.js";
import { verifyLines } from "../../report/verify-text.js";
import type { VerifyReport } from "../../scan/verify.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { interruptible } from "../interrupt.js";
import type { Output } from "../output.js";
import { checkPlanFile, writePlanFile } from "../plan-file.js";
import { interrupted } from "../refresh.js";
import { typed, usage } from "../usage.js";
import { type Workspace, withWorkspace } from "../workspace.js";

interface Choice {
  locations?: string[];
  due: boolean;
  claimed: boolean;
  sample?: number;
}

export default class Verify extends BaseCommand {
  static override summary = "Read files again and compare them with what they should be";
  static override description =
    `Finds files whose bytes changed although nobody wrote them (rot). They are marked, count as copies no more, and are never passed on; with --repair a plan is written that puts good copies in their place, and \`stowage apply\` carries it out. Storage is only read. With --json: one event a line, the last is the result.

${exits([1, "error, or something could not be read"], [6, "damaged files found"], [7, "another process is using the catalog"], [130, "interrupted; what was verified is kept"])}`;
  static override examples = examples(
    ["verify --due", "read what storage.yaml asks for by now (`verify: { every: 90d }`), from cron"],
    ["verify s3_archive --claimed", "read what is only claimed there, so that it counts"],
    ["verify nas --sample 2%", "read a different part of one location every time"],
    ["verify --repair -o repair.ndjson && stowage apply repair.ndjson", "find damage, and mend it"],
  );
  static override strict = false;
  static override args = {
    location: Args.string({ description: "locations to verify; all of them where none is named" }),
  };
  static override flags = {
    due: Flags.boolean({ description: "only files whose time has come by their location's `verify: { every }`" }),
    claimed: Flags.boolean({
      description: "only objects that nobody has read yet: what they hold is claimed by metadata, or not known",
    }),
    sample: Flags.string({
      helpValue: "PERCENT",
      description: "only this part of the files, chosen anew every time: 2%",
    }),
    repair: Flags.boolean({ dependsOn: ["out"], description: "write a plan that repairs what is damaged" }),
    out: Flags.string({ char: "o", helpValue: "FILE", dependsOn: ["repair"], description: "where to write the plan" }),
  };

  async run(): Promise<number> {
    const { argv, flags } = await this.parse(Verify);
    const locations = argv as string[];
    const output = this.output(flags);
    const sample = flags.sample === undefined ? undefined : await parseSample(flags.sample);
    return withWorkspace(flags, output, async (workspace) => {
      const { chooseLocations } = await import("../../scan/health.js");
      chooseLocations(workspace.config, locations);
      if (flags.out !== undefined) await checkPlanFile(flags.out);
      const catalog = await workspace.catalog("write");
      const report = await verifyNow(workspace, catalog, output, {
        due: flags.due,
        claimed: flags.claimed,
        ...(locations.length > 0 ? { locations } : {}),
        ...(sample === undefined ? {} : { sample }),
      });
      if (output.json) output.event({ type: "result", ...report });
      else await output.lines(verifyLines(report, output.text));
      if (flags.out !== undefined) await this.writeRepair(flags.out, workspace, catalog, output);
      if (report.counts.rot > 0) return ExitCode.integrity;
      const skipped = report.skipped.filter(({ waits }) => !waits);
      return report.counts.unreadable + skipped.length > 0 ? ExitCode.error : ExitCode.ok;
    });
  }

  private async writeRepair(file: string, workspace: Workspace, catalog: Catalog, output: Output): Promise<void> {
    const { repairPlan } = await import("../../plan/repair.js");
    const { planText } = await import("../../plan/seal.js");
    const plan = await repairPlan(workspace.config, catalog, { now: workspace.clock(), version: this.config.version });
    await writePlanFile(file, planText(plan));
    if (!output.json) output.line(summaryLine(plan.footer.summary));
    output.note(`Written to ${file}. Apply it with \`stowage apply ${file}\`.`);
  }
}

async function parseSample(text: string): Promise<number> {
  const { parsePercent } = await import("../../config/units.js");
  const percent = typed(() => parsePercent(/%$/.test(text) ? text : `${text}%`));
  if (percent > 0) return percent;
  throw usage("USAGE", `--sample ${text} would read nothing`);
}

async function verifyNow(
  workspace: Workspace,
  catalog: Catalog,
  output: Output,
  choice: Choice,
): Promise<VerifyReport> {
  const { verify } = await import("../../scan/verify.js");
  const { config } = workspace;
  const backends = await workspace.backends();
  const names = config.locations.map(({ name }) => name);
  const rows = names.filter((name) => backends.has(name) && (choice.locations?.includes(name) ?? true));
  const view = await viewScan(output.progress, "Verifying", rows);
  let done = false;
  try {
    return await interruptible(
      output,
      async ({ stop }) => {
        const report = await verify(config, catalog, backends, {
          ...choice,
          now: workspace.clock(),
          signal: stop,
          onEvent(event) {
            view.onEvent(event);
            if (output.json) output.progressEvent(event.location, event);
          },
        });
        if (stop.aborted) throw interrupted();
        done = true;
        return report;
      },
      { reads: true },
    );
  } finally {
    await view.end(done);
  }
}
