import { leavesOpen, type Outcome, type RunReport } from "../apply/events.js";
import { groupBy } from "../lib/iter.js";
import { printable } from "../lib/key.js";
import type { Action, Plan } from "../plan/plan.js";
import { at, bytes, count, duration, type Paint, plain, plural, type TextOptions, wrap } from "./format.js";
import { nextStep } from "./next-steps.js";
import { MARKS } from "./text.js";

const LIST_LINES = 10;

/** What a run did: what failed and was skipped, with the next step, and the summary as the last line, whose form is frozen. */
export function* runLines(report: RunReport, plan: Plan, options: TextOptions = {}): Generator<string> {
  const paint = options.paint ?? plain;
  const troubled = report.outcomes.filter(({ outcome }) => outcome === "failed" || outcome === "skipped");
  if (troubled.length > 0) {
    const actions = new Map(plan.actions.map((action) => [action.id, action]));
    for (const [, group] of groupBy(troubled, (each) => `${each.outcome} ${each.code}`)) {
      yield* troubleLines(group, actions, { ...options, open: leavesOpen(report.status) }, paint);
    }
    yield "";
  }
  const rotten = report.outcomes.flatMap(({ rot }) => rot);
  if (rotten.length > 0) {
    yield paint("red", `Damaged: ${plural(rotten.length, "file")} whose bytes changed without having been written`);
    const shown = options.verbose ? rotten : rotten.slice(0, LIST_LINES);
    for (const ref of shown) yield `  ${at(ref)}`;
    if (rotten.length > shown.length)
      yield `  … and ${count(rotten.length - shown.length)} more (show with -v or --json)`;
    yield "  Next: `stowage verify --repair -o repair.ndjson` plans good copies in their place.";
    yield "";
  }
  const { blocked } = plan.footer.summary;
  if (blocked > 0) yield `${plural(blocked, "item")} blocked in the plan ${blocked === 1 ? "was" : "were"} left alone.`;
  if (report.bytes > 0) {
    yield paint(
      "dim",
      `${bytes(report.bytes)} transferred in ${duration(report.finished - report.started)}, run ${report.run}.`,
    );
  }
  yield paint("bold", runSummary(report));
}

function* troubleLines(
  group: readonly Outcome[],
  actions: ReadonlyMap<string, Action>,
  options: TextOptions & { open: boolean },
  paint: Paint,
): Generator<string> {
  const first = group[0]!;
  const failed = first.outcome === "failed";
  const title = `${failed ? "Failed" : "Skipped"}: ${count(group.length)}${first.code ? ` (${first.code})` : ""}`;
  yield paint(failed ? "red" : "yellow", title);
  const shown = options.verbose || group.length <= LIST_LINES + 1 ? group : group.slice(0, LIST_LINES);
  for (const outcome of shown) {
    const action = actions.get(outcome.action);
    yield action ? `  ${routeText(action)}` : `  ${outcome.action}`;
    if (outcome.message) yield* wrap(printable(outcome.message), options.width ?? 80, "      ");
  }
  if (group.length > shown.length) yield `  … and ${count(group.length - shown.length)} more (show with -v or --json)`;
  const step = first.code ? nextStep(first.code, options) : undefined;
  if (step) yield* wrap(`Next: ${step}`, options.width ?? 80, "  ");
}

const routeText = (action: Action): string =>
  `${MARKS[action.kind].mark} ${at(action.from)}${action.to ? ` → ${at(action.to)}` : ""}`;

/** The last line after a run. */
export function runSummary(report: RunReport): string {
  const done =
    `${count(report.copied)} copied, ${count(report.moved)} moved, ${count(report.deleted)} deleted, ` +
    `${count(report.verified)} verified, ${count(report.failed)} failed`;
  const skipped = report.skipped > 0 ? `, ${count(report.skipped)} skipped` : "";
  switch (report.status) {
    case "complete":
      return `Apply complete! ${done}.`;
    case "waiting":
      return `Apply incomplete. ${done}${skipped}, ${count(report.remaining)} waiting for ${openings(report)}. Run it again then.`;
    case "interrupted":
      return `Apply interrupted. ${done}${skipped}, ${count(report.remaining)} not started. Run it again to go on.`;
    case "budget":
      return `Apply stopped by --max-${report.budget?.limit}. ${done}${skipped}, ${left(report)}. ${budgetStep(report)}`;
    default:
      return `Apply incomplete. ${done}${skipped}.`;
  }
}

const left = ({ remaining, remaining_bytes = 0 }: RunReport): string =>
  `${count(remaining)} not started${remaining_bytes > 0 ? ` (${bytes(remaining_bytes)})` : ""}`;

/** A budget in which the next file alone has no room would stop every run at the same place. */
const budgetStep = ({ budget }: RunReport): string =>
  budget?.fits === false
    ? `The next file takes ${bytes(budget.next_bytes)}: raise --max-bytes to go on.`
    : "Run it again to go on.";

/** `nas (opens 2026-11-21 22:00Z)` */
const openings = ({ opens = [] }: RunReport): string =>
  opens
    .map(
      ({ location, at: ms }) =>
        `${printable(location)} (opens ${new Date(ms).toISOString().slice(0, 16).replace("T", " ")}Z)`,
    )
    .join(" and ") || "a window";
