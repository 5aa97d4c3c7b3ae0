import { resolve } from "node:path";
import { Args, Flags } from "@oclif/core";
import type { ApplyOptions } from "../../apply/apply.js";
import type { ApplyEvent, RunReport } from "../../apply/events.js";
import { parseDuration, parseSize } from "../../config/units.js";
import { assertNever, ExitCode, messageOf, StowageError } from "../../lib/error.js";
import type { Plan } from "../../plan/plan.js";
import { countOf } from "../../plan/seal.js";
import { viewApply } from "../../report/apply-progress.js";
import { runLines } from "../../report/run.js";
import { planLines } from "../../report/text.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { endWhenInterrupted, interruptible } from "../interrupt.js";
import type { Output } from "../output.js";
import { isBlocked, planNow } from "../planning.js";
import { type Workspace, withWorkspace } from "../workspace.js";

export default class Apply extends BaseCommand {
  static override summary = "Carry a plan out";
  static override description =
    `With FILE: applies that plan as it was reviewed, and asks nothing. Without: scans, plans, shows the plan and asks; without a terminal it then needs --auto-approve.

With --max-bytes, --max-duration or --max-actions it stops before the file that would go over: what runs is finished, and the next run goes on. Ctrl-C and SIGTERM do the same; a second one leaves the files that are under way, which are then begun again.

Every copy is read back before a source goes; a file that is not as the plan expects is skipped. What touches a location outside of its windows is not started. When it is killed or interrupted, run it again: it goes on from what is true. With --json: one event a line, the last is the result.

${exits(
  [3, "the plan as a whole is blocked"],
  [4, "incomplete: something failed, was skipped, or waits for the window of a location"],
  [5, "the plan is stale, edited or was applied before"],
  [6, "damaged files found"],
  [7, "another apply is running"],
  [8, "stopped by --max-bytes, --max-duration or --max-actions; run it again to go on"],
  [130, "interrupted"],
)}`;
  static override examples = examples(
    ["apply", "plan, look, say yes"],
    ["apply plan.ndjson", "apply exactly the plan that was reviewed"],
    ["apply --auto-approve --no-progress", "run from cron"],
    ["apply --auto-approve --max-duration 2h", "work for two hours, and go on the next night"],
    ["apply plan.ndjson --json | jq -c 'select(.type == \"action-done\")'", "follow a run from a script"],
  );
  static override args = {
    file: Args.string({ description: "a plan file; without it a plan is made now" }),
  };
  static override flags = {
    "auto-approve": Flags.boolean({ description: "apply the new plan without asking" }),
    concurrency: Flags.integer({
      min: 1,
      max: 256,
      helpValue: "N",
      description: "files at a time (settings.transfer.concurrency)",
    }),
    "max-bytes": Flags.string({ helpValue: "SIZE", description: "transfer no more than this, such as 50GB" }),
    "max-duration": Flags.string({
      helpValue: "DURATION",
      description: "start nothing more after this time, such as 2h",
    }),
    "max-actions": Flags.integer({
      min: 1,
      helpValue: "N",
      description: "do no more than so many actions of the plan",
    }),
  };

  async run(): Promise<number> {
    endWhenInterrupted();
    const { args, flags } = await this.parse(Apply);
    const output = this.output(flags);
    const limits = { ...(flags.concurrency && { concurrency: flags.concurrency }), ...budgetOf(flags) };
    if (args.file === undefined && !flags["auto-approve"] && !output.interactive) {
      throw new StowageError("APPROVAL", "there is no terminal to ask on, so this plan could not be approved", {
        hint: "Give --auto-approve, or review a plan file first: `stowage plan -o FILE`, then `stowage apply FILE`.",
        exit: ExitCode.usage,
      });
    }
    return withWorkspace(flags, output, async (workspace) => {
      const plan = args.file === undefined ? await this.makePlan(workspace, output) : await readPlanFile(args.file);
      if (args.file === undefined) {
        if (isBlocked(plan)) return ExitCode.blocked;
        if (countOf(plan) === 0) return ExitCode.ok;
        if (!flags["auto-approve"]) await approve(output);
      }
      const report = await applyPlan(plan, workspace, output, limits);
      await recordInCatalog(report, workspace, output);
      if (output.json) output.event(resultEvent(report, plan));
      else await output.lines(runLines(report, plan, output.text));
      return report.exit;
    });
  }

  private async makePlan(workspace: Workspace, output: Output): Promise<Plan> {
    const { recover } = await import("../../apply/recover.js");
    await recover(workspace.config.settings.state, await workspace.backends(), workspace.clock(), (event) => {
      if (event.type === "warning") output.warn(event.message);
    });
    const plan = await planNow(workspace, output, this.config.version, { refresh: true }, output.json);
    if (output.json) {
      const { header, footer } = plan;
      output.event({ ...header, summary: footer.summary, checks: footer.checks, blocked: footer.blocked });
    } else await output.lines(planLines(plan, { ...output.text, file: workspace.file }));
    return plan;
  }
}

async function readPlanFile(file: string): Promise<Plan> {
  const { readPlan } = await import("../../plan/file.js");
  return readPlan(resolve(file));
}

async function approve(output: Output): Promise<void> {
  const answer = await output.ask("\nApply this plan? Only 'yes' is accepted: ");
  if (answer.trim() === "yes") return;
  throw new StowageError("NOT_APPROVED", "the plan was not approved: nothing was changed");
}

type Limits = Partial<Pick<ApplyOptions, "concurrency" | "budget">>;

/** @throws `USAGE` for what is no size or no duration */
function budgetOf(
  flags: Record<`max-${"bytes" | "duration"}`, string | undefined> & { "max-actions"?: number | undefined },
): Limits {
  const { "max-bytes": size, "max-duration": time, "max-actions": actions } = flags;
  const bytes = size === undefined ? undefined : positive("--max-bytes", size, parseSize);
  const duration = time === undefined ? undefined : positive("--max-duration", time, parseDuration);
  if (bytes === undefined && duration === undefined && actions === undefined) return {};
  return { budget: { ...(bytes && { bytes }), ...(duration && { duration }), ...(actions && { actions }) } };
}

function positive(flag: string, text: string, parse: (text: string) => number): number {
  const usage = (message: string, hint?: string) =>
    new StowageError("USAGE", `${flag}: ${message}`, { ...(hint && { hint }), exit: ExitCode.usage });
  let value: number;
  try {
    value = parse(text);
  } catch (error) {
    throw usage(messageOf(error), error instanceof StowageError ? error.hint : undefined);
  }
  if (value > 0) return value;
  throw usage("nothing could be done within 0");
}

async function applyPlan(plan: Plan, workspace: Workspace, output: Output, limits: Limits): Promise<RunReport> {
  const { apply } = await import("../../apply/apply.js");
  const { settings, digest, locations, safety, rules } = workspace.config;
  const backends = await workspace.backends();
  const view = viewApply(output.progress, plan);
  try {
    return await interruptible(output, ({ stop, abort }) =>
      apply(plan, backends, {
        state: settings.state,
        configDigest: digest,
        safety: { min_copies: safety.minCopies, verify: safety.verify, trash: safety.trash },
        mayEndContents: new Set(rules.flatMap(({ name, allowLastCopy }) => (allowLastCopy ? [name] : []))),
        now: workspace.clock,
        concurrency: settings.transfer.concurrency,
        ...limits,
        ...(settings.journal !== undefined && { mirror: { location: settings.journal } }),
        ...(settings.lock !== undefined && { lock: { location: settings.lock } }),
        retries: settings.transfer.retries,
        timezone: settings.timezone,
        windows: new Map(locations.map(({ name, windows }) => [name, windows])),
        ...(settings.transfer.bandwidth && { bandwidth: settings.transfer.bandwidth }),
        signal: stop,
        abort,
        onEvent(event) {
          view.onEvent(event);
          if (output.json) printEvent(event, output);
        },
      }),
    );
  } finally {
    await view.end();
  }
}

function printEvent(event: ApplyEvent, output: Output): void {
  switch (event.type) {
    case "bytes":
      output.progressEvent(`${event.action} ${event.phase}`, event);
      break;
    case "run-start":
    case "action-start":
    case "retry":
    case "warning":
    case "lock-watch":
    case "budget":
    case "action-done":
      output.event(event);
      break;
    case "run-end":
      break; // The result is the last line, after the catalog was brought up to date.
    default:
      assertNever(event);
  }
}

function resultEvent(report: RunReport, plan: Plan): unknown {
  const { outcomes: _outcomes, present: _present, ...result } = report;
  return { type: "result", ...result, blocked: plan.footer.summary.blocked };
}

/** The files are as they should be, whatever becomes of this: a catalog that can not be written now is made good by the next scan. */
async function recordInCatalog(report: RunReport, workspace: Workspace, output: Output): Promise<void> {
  try {
    const { recordRun } = await import("../../apply/record.js");
    const catalog = await workspace.catalog("write");
    await recordRun(catalog, report);
    await catalog.close();
  } catch (error) {
    output.warn(`the catalog could not be brought up to date (${messageOf(error)}); the next scan does it.`);
  }
}
