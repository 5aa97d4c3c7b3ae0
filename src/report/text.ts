import { groupBy } from "../lib/iter.js";
import { printable } from "../lib/key.js";
import type { Action, ActionKind, Plan, Summary } from "../plan/plan.js";
import {
  bytes,
  count,
  displayWidth,
  duration,
  middle,
  type Paint,
  padStart,
  plain,
  plural,
  type Style,
  type TextOptions,
} from "./format.js";
import { notes } from "./notes.js";

/** The marks of §5, one per kind of action. */
export const MARKS: Record<ActionKind, { mark: string; style: Style; verb: string }> = {
  copy: { mark: "+", style: "green", verb: "to copy" },
  move: { mark: ">", style: "cyan", verb: "to move" },
  delete: { mark: "-", style: "red", verb: "to delete" },
  verify: { mark: "?", style: "blue", verb: "to verify" },
};
const KINDS: readonly ActionKind[] = ["copy", "move", "delete", "verify"];

/** More lines than this in one rule are collapsed without `verbose`. */
const GROUP_LINES = 20;

export interface PlanTextOptions extends TextOptions {
  /** Name of the configuration, for `storage.yaml:12`. */
  file?: string;
}

interface Style80 {
  paint: Paint;
  width: number;
  cut: boolean;
  verbose: boolean;
  file: string;
}

/**
 * What a person reads of a plan: its actions grouped by rule and route, what it leaves and why, and the summary as the last line,
 * whose form scripts may rely on. Pure; without a `width` nothing is cut.
 */
export function* planLines(plan: Plan, options: PlanTextOptions = {}): Generator<string> {
  const style: Style80 = {
    paint: options.paint ?? plain,
    width: options.width ?? 80,
    cut: options.width !== undefined && !options.verbose,
    verbose: options.verbose ?? false,
    file: options.file ?? "storage.yaml",
  };
  for (const group of ruleGroups(plan.actions)) {
    yield* ruleLines(group, plan.header.safety.trash, style);
    yield "";
  }
  yield* notes(plan, options);
  yield style.paint("bold", summaryLine(plan.footer.summary));
}

/** `planLines` as one string that ends with a newline. */
export const renderPlan = (plan: Plan, options: PlanTextOptions = {}): string =>
  `${[...planLines(plan, options)].join("\n")}\n`;

/** The last line of every plan (its form is frozen). */
export function summaryLine(summary: Summary): string {
  const { copy, move, delete: remove, verify, blocked } = summary;
  if (copy + move + remove + verify + blocked === 0) {
    return `No changes. ${count(summary.files)} files in ${count(summary.locations)} locations match storage.yaml.`;
  }
  return (
    `Plan: ${count(copy)} to copy, ${count(move)} to move, ${count(remove)} to delete, ${count(verify)} to verify, ` +
    `${count(blocked)} blocked. ${bytes(summary.bytes)} to transfer.`
  );
}

/** Actions of one rule, in the order of storage.yaml; what no rule wrote (default, require, due) keeps its own name and line. */
function ruleGroups(actions: readonly Action[]): Action[][] {
  const groups = groupBy(actions, (action) => `${String(action.rule.line).padStart(9, "0")} ${action.rule.name}`);
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function* ruleLines(actions: readonly Action[], trash: number, style: Style80): Generator<string> {
  const first = actions[0];
  if (!first) return;
  const place = first.rule.line > 0 ? ` (${style.file}:${first.rule.line})` : "";
  yield `${style.paint("bold", printable(first.rule.name))}${style.paint("dim", place)}: ${tally(actions, trash)}`;
  const routes = groupBy(actions, route);
  const share = style.verbose ? Number.POSITIVE_INFINITY : Math.max(3, Math.floor(GROUP_LINES / routes.size));
  for (const [name, group] of routes) {
    yield `  ${style.paint("dim", printable(name))}`;
    // One line more than the share costs no more room than the line that says so.
    const shown = group.length <= share + 1 ? group.length : share;
    for (let index = 0; index < shown; index += 1) yield* actionLines(group[index]!, style);
    if (group.length > shown) yield `    … and ${more(group.slice(shown), style.paint)}`;
  }
}

/** `3 to move, 1.2 GB`; of deletes also how long they can be undone. */
function tally(actions: readonly Action[], trash: number): string {
  const parts = KINDS.flatMap((kind) => {
    const number = actions.filter((action) => action.kind === kind).length;
    const stay = kind === "delete" ? (trash > 0 ? ` (in trash for ${duration(trash)})` : " (for good)") : "";
    return number > 0 ? [`${count(number)} ${MARKS[kind].verb}${stay}`] : [];
  });
  const total = sum(actions);
  return parts.join(", ") + (total > 0 ? `, ${bytes(total)}` : "");
}

const more = (actions: readonly Action[], paint: Paint): string =>
  `${count(actions.length)} more${sum(actions) > 0 ? `, ${bytes(sum(actions))}` : ""} ${paint("dim", "(show with -v or --json)")}`;

const sum = (actions: readonly Action[]): number => actions.reduce((total, action) => total + action.bytes, 0);

const route = (action: Action): string =>
  action.to && action.to.location !== action.from.location
    ? `${action.from.location} → ${action.to.location}`
    : action.from.location;

function* actionLines(action: Action, style: Style80): Generator<string> {
  const { mark, style: colour } = MARKS[action.kind];
  const tail = padStart(sizeText(action), 8);
  const remark = remarkText(action);
  const end = `${remark ? `  ${style.paint("dim", remark)}` : ""}  ${tail}`;
  const room = style.width - 6 - displayWidth(remark ? `  ${remark}` : "") - 2 - displayWidth(tail);
  const from = printable(action.from.key);
  const to = action.to && action.to.key !== action.from.key ? printable(action.to.key) : undefined;
  const start = `    ${style.paint(colour, mark)} `;
  if (to === undefined || displayWidth(from) + displayWidth(to) + 3 <= room) {
    const name = to === undefined ? from : `${from} → ${to}`;
    yield start + fill(style.cut ? middle(name, room) : name, room) + end;
    return;
  }
  yield start + fill(style.cut ? middle(from, room) : from, room) + end;
  const below = style.width - 8;
  yield `      → ${style.cut ? middle(to, below) : to}`;
}

const fill = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)));

/** What the action transfers; for a removal and a check the size of the file. */
const sizeText = (action: Action): string =>
  (action.kind === "copy" || action.kind === "move") && action.bytes === 0 && action.size > 0
    ? "present"
    : bytes(action.bytes || action.size);

/** What one has to know beyond the mark: copies that remain after a removal, and reasons that are not a rule. */
function remarkText(action: Action): string {
  const parts: string[] = [];
  if (action.reason === "conflict") parts.push("lost a conflict");
  if (action.reason === "repair" || action.reason === "rot") parts.push("damaged");
  if (action.kind === "delete")
    parts.push(action.copies.after === 0 ? "last copy" : `${plural(action.copies.after, "copy", "copies")} left`);
  return parts.join(", ");
}
