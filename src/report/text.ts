import { printable } from "../lib/key.js";
import type { Action, ActionKind, Plan, Summary } from "../plan/plan.js";
import { actionsOf } from "../plan/seal.js";
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
  const shown = style.verbose ? Number.POSITIVE_INFINITY : Math.max(3, GROUP_LINES) + 1;
  for (const group of ruleGroups(actionsOf(plan), shown)) {
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

/** How much a rule does, on one route or on all. */
interface Tally {
  kinds: Map<ActionKind, number>;
  actions: number;
  bytes: number;
}

interface Route extends Tally {
  shown: Action[];
}

interface RuleGroup extends Tally {
  rule: Action["rule"];
  routes: Map<string, Route>;
}

const newTally = (): Tally => ({ kinds: new Map(), actions: 0, bytes: 0 });

function add(tally: Tally, action: Action): void {
  tally.kinds.set(action.kind, (tally.kinds.get(action.kind) ?? 0) + 1);
  tally.actions += 1;
  tally.bytes += action.bytes;
}

/**
 * Actions of one rule, in the order of storage.yaml; what no rule wrote (default, require, due) keeps its own name and line. Of each route no more
 * are kept than may be shown: there can be millions.
 */
function ruleGroups(actions: Iterable<Action>, shown: number): RuleGroup[] {
  const groups = new Map<string, RuleGroup>();
  for (const action of actions) {
    const id = `${String(action.rule.line).padStart(9, "0")} ${action.rule.name}`;
    const group = groups.get(id) ?? { ...newTally(), rule: action.rule, routes: new Map() };
    groups.set(id, group);
    add(group, action);
    const name = nameOfRoute(action);
    const route = group.routes.get(name) ?? { ...newTally(), shown: [] };
    group.routes.set(name, route);
    add(route, action);
    if (route.shown.length < shown) route.shown.push(action);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function* ruleLines(group: RuleGroup, trash: number, style: Style80): Generator<string> {
  const { rule, routes } = group;
  const place = rule.line > 0 ? ` (${style.file}:${rule.line})` : "";
  yield `${style.paint("bold", printable(rule.name))}${style.paint("dim", place)}: ${tally(group, trash)}`;
  const share = style.verbose ? Number.POSITIVE_INFINITY : Math.max(3, Math.floor(GROUP_LINES / routes.size));
  for (const [name, route] of routes) {
    yield `  ${style.paint("dim", printable(name))}`;
    // One line more than the share costs no more room than the line that says so.
    const shown = route.actions <= share + 1 ? route.shown : route.shown.slice(0, share);
    for (const action of shown) yield* actionLines(action, style);
    if (route.actions > shown.length) yield `    … and ${more(route, shown, style.paint)}`;
  }
}

/** `3 to move, 1.2 GB`; of deletes also how long they can be undone. */
function tally({ kinds, bytes: total }: Tally, trash: number): string {
  const parts = KINDS.flatMap((kind) => {
    const number = kinds.get(kind) ?? 0;
    const stay = kind === "delete" ? (trash > 0 ? ` (in trash for ${duration(trash)})` : " (for good)") : "";
    return number > 0 ? [`${count(number)} ${MARKS[kind].verb}${stay}`] : [];
  });
  return parts.join(", ") + (total > 0 ? `, ${bytes(total)}` : "");
}

function more(route: Route, shown: readonly Action[], paint: Paint): string {
  const left = shown.reduce((rest, action) => rest - action.bytes, route.bytes);
  const size = left > 0 ? `, ${bytes(left)}` : "";
  return `${count(route.actions - shown.length)} more${size} ${paint("dim", "(show with -v or --json)")}`;
}

const nameOfRoute = (action: Action): string =>
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
