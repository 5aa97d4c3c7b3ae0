import { printable } from "../lib/key.js";
import type { ExplainedMatch, ExplainedRule, Explanation } from "../plan/explain.js";
import { at, bytes, duration, instant, type Paint, plain, type TextOptions, wrap } from "./format.js";
import { nextStep } from "./next-steps.js";
import { MARKS } from "./text.js";

const AGES = new Set(["age", "age_here", "verified"]);
const INSTANTS = new Set(["modified", "accessed"]);

/** Why a file goes where it goes: what is known of it, every rule with what it saw, and what follows. */
export function* explainLines(explained: Explanation, file: string, options: TextOptions = {}): Generator<string> {
  const paint = options.paint ?? plain;
  yield paint("bold", printable(explained.address));
  for (const [name, value] of Object.entries(explained.values)) {
    if (name === "location" || name === "path" || value === null) continue;
    yield `  ${name.padEnd(10)} ${valueText(name, value)}`;
  }
  for (const rule of explained.rules) {
    yield "";
    yield* ruleLines(rule, file, paint);
  }
  yield "";
  yield* outcomeLines(explained, options, paint);
}

function* ruleLines(rule: ExplainedRule, file: string, paint: Paint): Generator<string> {
  const verdict = paint(rule.matched ? "green" : "dim", rule.verdict);
  yield `${paint("bold", printable(rule.name))} ${paint("dim", `(${file}:${rule.line})`)} ${rule.action}: ${verdict}`;
  // The outermost "all" is the mapping of the match itself, which nobody wrote as a word.
  const parts = rule.match.text === "all" && rule.match.of ? rule.match.of : [rule.match];
  for (const part of parts) yield* matchLines(part, "  ", paint);
}

function* matchLines(match: ExplainedMatch, indent: string, paint: Paint): Generator<string> {
  const mark = match.matched ? paint("green", "✓") : paint("red", "✗");
  const field = /^[\w.]+/.exec(match.text)?.[0] ?? "";
  const saw = match.of
    ? ""
    : paint(
        "dim",
        `  is ${match.value === null || match.value === undefined ? "unknown" : valueText(field, match.value)}`,
      );
  yield `${indent}${mark} ${printable(match.text)}${match.text.startsWith("{}") ? "" : saw}`;
  for (const inner of match.of ?? []) yield* matchLines(inner, `${indent}  `, paint);
}

function* outcomeLines(explained: Explanation, options: TextOptions, paint: Paint): Generator<string> {
  const { decision, actions, blocked, kept } = explained;
  yield decision === null
    ? "No rule decides on it: it is left alone."
    : `Decided by ${paint("bold", printable(decision))}.`;
  for (const action of actions) {
    const { mark, style } = MARKS[action.kind];
    yield `  ${paint(style, mark)} ${action.kind} ${at(action.from)}${action.to ? ` → ${at(action.to)}` : ""} ${paint("dim", `(${printable(action.rule.name)})`)}`;
  }
  for (const { code, reason } of blocked) {
    yield* wrap(`${paint("yellow", "!")} blocked: ${printable(reason)}`, options.width ?? 80, "  ");
    const step = nextStep(code);
    if (step) yield* wrap(`Next: ${step}`, options.width ?? 80, "    ");
  }
  for (const { reason } of kept) yield* wrap(`stays: ${printable(reason)}`, options.width ?? 80, "  ");
  if (actions.length + blocked.length + kept.length === 0) yield "  Nothing to do: it is where it should be.";
}

function valueText(name: string, value: string | number): string {
  if (typeof value === "string") return printable(value);
  if (AGES.has(name)) return duration(value);
  if (INSTANTS.has(name)) return instant(value);
  return name === "size" ? `${bytes(value)} (${value})` : String(value);
}
