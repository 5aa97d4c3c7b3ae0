import { groupBy } from "../lib/iter.js";
import { normKey, printable } from "../lib/key.js";
import type { Blocked, CapacityForecast, Conflict, Plan, PlanFooter } from "../plan/plan.js";
import { countOf } from "../plan/seal.js";
import { bytes, count, type Paint, plain, plural, shortHash, type TextOptions, table, wrap } from "./format.js";
import { nextStep } from "./next-steps.js";

/** Entries of one list that are shown without `verbose`. */
const LIST_LINES = 10;

interface Look {
  paint: Paint;
  width: number;
  verbose: boolean;
  table: TextOptions;
  /** Addresses that look like another one of these, because only the Unicode form differs. */
  twins: ReadonlySet<string>;
}

/** What a plan says beside its actions: blocked, kept, conflicts, drift, capacity, failing checks, proof. */
export function* notes(plan: Plan, options: TextOptions = {}): Generator<string> {
  const { footer } = plan;
  const look: Look = {
    paint: options.paint ?? plain,
    width: options.width ?? 80,
    verbose: options.verbose ?? false,
    table: options,
    twins: twinsOf(footer),
  };
  yield* blockedLines(footer.blocked, look);
  yield* conflictLines(footer.conflicts, look);
  yield* listLines(
    "Kept as it is, although a rule asks otherwise",
    footer.kept.map((kept) => [kept.address, `${kept.reason} (${kept.rule})`]),
    look,
  );
  yield* listLines(
    "Drift, changed outside stowage",
    footer.drift.map((drift) => [drift.address, `${drift.kind}: ${drift.detail}`]),
    look,
  );
  if (countOf(plan) > 0) yield* capacityLines(footer.capacity, look);
  yield* checkLines(plan, look);
}

/** The addresses that are not in NFC while another one has the same key in it. */
function twinsOf({ blocked, conflicts, kept, drift }: PlanFooter): Set<string> {
  const all = [blocked, kept, drift, conflicts, conflicts.flatMap(({ claimants }) => claimants)];
  const addresses = new Set(all.flatMap((entries) => entries.map(({ address }) => address)));
  const keys = new Set(Array.from(addresses, keyOf));
  return new Set([...addresses].filter((each) => normKey(each) !== each && keys.has(normKey(keyOf(each)))));
}

const keyOf = (address: string): string => address.slice(address.indexOf(":") + 1);

function named(address: string, { twins }: Look): string {
  if (!twins.has(address)) return printable(address);
  return `${printable(address)} (${address === address.normalize("NFD") ? "NFD" : "not NFC"})`;
}

function* blockedLines(blocked: readonly Blocked[], look: Look): Generator<string> {
  if (blocked.length === 0) return;
  yield look.paint("bold", `Blocked: ${plural(blocked.length, "item")}, the rest goes on`);
  for (const [, group] of groupBy(blocked, (item) => `${item.code}\n${item.rule}`)) {
    const first = group[0]!;
    const rule = first.rule ? ` (${printable(first.rule)})` : "";
    yield `  ${printable(first.code)}${rule}${group.length > 1 ? `: ${plural(group.length, "item")}` : ""}`;
    for (const item of shown(group, look)) {
      yield `    ${look.paint("yellow", "!")} ${named(item.address, look)}`;
      yield* wrap(printable(item.reason), look.width, "      ");
    }
    yield* moreLine(group.length, look);
    const step = nextStep(first.code);
    if (step) yield* wrap(`Next: ${step}`, look.width, "    ");
  }
  yield "";
}

function* conflictLines(conflicts: readonly Conflict[], look: Look): Generator<string> {
  const settled = conflicts.filter((conflict) => conflict.outcome !== "blocked");
  if (settled.length === 0) return;
  yield look.paint("bold", `Conflicts settled by on_conflict: ${count(settled.length)}`);
  for (const conflict of shown(settled, look)) {
    yield `  ${named(conflict.address, look)}`;
    yield* wrap(printable(`${conflict.strategy}: ${conflict.outcome}`), look.width, "    ");
    for (const claimant of conflict.claimants) {
      yield `    ${named(claimant.address, look)}  ${look.paint("dim", shortHash(claimant.content))}`;
    }
    if (conflict.occupant) yield `    there already  ${look.paint("dim", shortHash(conflict.occupant.content))}`;
  }
  yield* moreLine(settled.length, look);
  yield "";
}

function* listLines(title: string, items: readonly (readonly [string, string])[], look: Look): Generator<string> {
  if (items.length === 0) return;
  yield look.paint("bold", `${title}: ${count(items.length)}`);
  for (const [address, reason] of shown(items, look)) {
    yield `  ${named(address, look)}`;
    yield* wrap(printable(reason), look.width, "    ").map((line) => look.paint("dim", line));
  }
  yield* moreLine(items.length, look);
  yield "";
}

const limitOf = (look: Look, length: number): number =>
  look.verbose || length <= LIST_LINES + 1 ? length : LIST_LINES;
const shown = <T>(items: readonly T[], look: Look): readonly T[] => items.slice(0, limitOf(look, items.length));

function* moreLine(length: number, look: Look): Generator<string> {
  const left = length - limitOf(look, length);
  if (left > 0) yield `    … and ${count(left)} more ${look.paint("dim", "(show with -v or --json)")}`;
}

/** Only locations that change, or whose limit is passed. */
function* capacityLines(capacity: readonly CapacityForecast[], look: Look): Generator<string> {
  const rows = capacity.filter(
    (each) => each.before !== each.after || each.peak !== each.after || each.peak > (each.limit ?? each.peak),
  );
  if (rows.length === 0) return;
  const columns = ["Capacity", "before", "peak", "after", "limit"].map((title, index) => ({
    title,
    ...(index === 0 ? { flexible: true } : { align: "right" as const }),
  }));
  const cells = rows.map((row) => [
    row.location,
    bytes(row.before),
    bytes(row.peak),
    bytes(row.after),
    row.limit === null ? "none" : bytes(row.limit),
  ]);
  yield* table(columns, cells, look.table);
  yield "";
}

function* checkLines(plan: Plan, look: Look): Generator<string> {
  const open = plan.footer.checks.filter((check) => check.status !== "pass");
  for (const check of open) {
    const failed = check.status === "fail";
    yield look.paint(failed ? "red" : "yellow", `${failed ? "Failed check" : "Warning"}: ${printable(check.name)}`);
    for (const problem of shown(check.problems, look)) yield* wrap(printable(problem), look.width, "  ");
    yield* moreLine(check.problems.length, look);
    // What the next plan can do is no fight.
    const step = failed || check.name !== "converges" ? nextStep(check.name) : undefined;
    if (step) yield* wrap(`Next: ${step}`, look.width, "  ");
  }
  if (open.length > 0) yield "";
  if (!plan.header.applyable) {
    yield look.paint("red", "This plan can not be applied.");
    yield "";
  }
}
