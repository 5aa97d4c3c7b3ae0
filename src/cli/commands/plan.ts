import { Flags } from "@oclif/core";
import { planDocument } from "../../report/json.js";
import { planLines } from "../../report/text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { checkPlanFile, writePlanFile } from "../plan-file.js";
import { planExit, planNow } from "../planning.js";
import { withWorkspace } from "../workspace.js";

export default class Plan extends BaseCommand {
  static override summary = "Show what would be copied, moved, deleted and verified";
  static override description =
    `Scans what changed and compares storage with storage.yaml. Changes nothing but the catalog. A plan that is written with -o can be read, reviewed and applied as it is; it is written also when there is nothing to do.

SEL is a rule, a location, or location:path, which is everything whose path begins so. What a chosen action needs is taken along.

${exits(
  [2, "with --detailed-exitcode: there are changes"],
  [3, "the plan as a whole is blocked; with --detailed-exitcode also when single items are"],
  [7, "another process is using the catalog"],
  [130, "interrupted"],
)}`;
  static override examples = examples(
    ["plan", "see what storage.yaml would change"],
    ["plan -o plan.ndjson && stowage apply plan.ndjson", "review a plan, then apply exactly that"],
    ["plan --target old-videos --exclude nas:raw/", "look at one rule, and leave a folder out"],
    ["plan --detailed-exitcode --no-refresh", "let a script know whether there is anything to do, without a scan"],
  );
  static override flags = {
    out: Flags.string({ char: "o", helpValue: "FILE", description: "write the plan to a file" }),
    refresh: Flags.boolean({
      allowNo: true,
      default: true,
      description: "scan first (default), or trust the last scan",
    }),
    target: Flags.string({
      multiple: true,
      helpValue: "SEL",
      description: "plan only this; may be given more than once",
    }),
    exclude: Flags.string({
      multiple: true,
      helpValue: "SEL",
      description: "leave this out; may be given more than once",
    }),
    "detailed-exitcode": Flags.boolean({ description: "exit 2 when there are changes, 3 when items are blocked" }),
    format: Flags.option({ options: ["text", "json"] as const, description: "text, or one JSON document" })(),
  };

  async run(): Promise<number> {
    const { flags } = await this.parse(Plan);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      if (flags.out !== undefined) await checkPlanFile(flags.out);
      const plan = await planNow(workspace, output, this.config.version, flags);
      if (flags.out !== undefined) {
        const { planText } = await import("../../plan/seal.js");
        await writePlanFile(flags.out, planText(plan));
      }
      if (output.json || flags.format === "json") for (const piece of planDocument(plan)) output.write(piece);
      else await output.lines(planLines(plan, { ...output.text, file: workspace.file }));
      if (flags.out !== undefined) {
        const next = plan.header.applyable ? `Apply it with \`stowage apply ${flags.out}\`.` : "It can not be applied.";
        output.note(`Written to ${flags.out}. ${next}`);
      }
      return planExit(plan, flags["detailed-exitcode"]);
    });
  }
}
