import { join, raw, type Sql, sql } from "../catalog/sql.js";
import type { Pattern } from "../config/config.js";

/** What a pattern is matched against: a path from its end or from the root, one name, or a whole value. */
export type PatternKind = "path" | "name" | "text";

/** `one` stops at a slash, `any` does not; everything else is literal. */
type Part = { text: string } | "one" | "any";

/** A condition that holds for all that one alternative matches; `exact` = and for nothing else. */
interface Test {
  condition: Sql;
  exact: boolean;
}

/** More alternatives than these are left to RE2, which asks for all of them at once. */
const MAX_ALTERNATIVES = 16;

/**
 * A pattern as SQL over a text. Most say no more than how a text begins, ends or what it is, which is an order of magnitude cheaper than RE2; of the
 * others the literal text that each match has is asked for first.
 * @param expression whether RE2 matches
 */
export function patternSql(
  value: Sql,
  pattern: Pattern,
  kind: PatternKind,
  expression = sql`regexp_full_match(${value}, ${pattern.re2})`,
): Sql {
  const tests = testsOf(pattern.glob, kind)?.map((parts) => testOf(value, parts));
  if (tests === undefined) {
    const affixes = [
      ...(pattern.prefix ? [sql`starts_with(${value}, ${pattern.prefix})`] : []),
      ...(pattern.suffix ? [sql`ends_with(${value}, ${pattern.suffix})`] : []),
    ];
    return all([...affixes, expression]);
  }
  const first = tests.length === 1 ? tests[0]!.condition : sql`(${join(tests.map(asCondition), " OR ")})`;
  return tests.every(({ exact }) => exact) ? first : all([first, expression]);
}

/** Whether RE2 has to be asked about some texts. */
export const asksRe2 = (pattern: Pattern, kind: PatternKind): boolean =>
  !testsOf(pattern.glob, kind)?.every((parts) => testOf(raw("x"), parts).exact);

/** About how long it takes to ask, in comparisons of two numbers. */
export function patternCost(pattern: Pattern, kind: PatternKind): number {
  const tests = testsOf(pattern.glob, kind);
  if (tests === undefined) return pattern.prefix || pattern.suffix ? 10 : 40;
  return asksRe2(pattern, kind) ? 10 + tests.length : 2 * tests.length;
}

/** The texts that a pattern stands for, where it has no wildcard. */
export function literalsOf(pattern: Pattern): string[] | undefined {
  const tests = testsOf(pattern.glob, "text");
  const texts = tests?.flatMap(([part, ...rest]) => (typeof part === "object" && rest.length === 0 ? [part.text] : []));
  return texts?.length === tests?.length ? texts : undefined;
}

const asCondition = ({ condition }: Test): Sql => condition;

const all = (conditions: Sql[]): Sql =>
  conditions.length === 1 ? conditions[0]! : sql`(${join(conditions, " AND ")})`;

/** The alternatives of a glob; undefined for what only RE2 can tell. */
function testsOf(glob: string, kind: PatternKind): Part[][] | undefined {
  const rooted = kind === "path" && glob.startsWith("/");
  const whole = kind === "path" && glob.endsWith("/") ? `${glob}**` : glob;
  const found = alternatives([...(rooted ? whole.slice(1) : whole)]);
  if (found === undefined) return undefined;
  if (kind !== "path") return found.map((parts) => parts.map((part) => (part === "one" ? "any" : part)));
  if (rooted) return found;
  // Nothing at all at the end, as in `{a,}`: what ends with a slash, or is empty.
  if (found.some((parts) => parts.length === 0)) return undefined;
  const floating = found.flatMap(fromTheEnd);
  return floating.length > MAX_ALTERNATIVES ? undefined : floating;
}

/** Whole elements from the end: the path itself, or what stands behind a slash. */
function fromTheEnd(parts: Part[]): Part[][] {
  const [first, ...rest] = parts;
  if (typeof first !== "object") return [["any", ...rest]];
  return [parts, ["any", { text: `/${first.text}` }, ...rest]];
}

function alternatives(chars: readonly string[]): Part[][] | undefined {
  let found: Part[][] = [[]];
  for (let at = 0; at < chars.length; at += 1) {
    const next = partAt(chars, at);
    if (!next || next.of.length * found.length > MAX_ALTERNATIVES) return undefined;
    found = found.flatMap((parts) => next.of.map((each) => [...parts, ...each]));
    at = next.end;
  }
  return found.map(joined);
}

/** What stands at a place, and where it ends. */
function partAt(chars: readonly string[], at: number): Choice | undefined {
  const char = chars[at]!;
  if (char === "{") return bracesAt(chars, at);
  if (char === "*") return chars[at + 1] === "*" ? { of: [["any"]], end: at + 1 } : { of: [["one"]], end: at };
  if (char === "\\") {
    const text = chars[at + 1]!;
    return /[A-Za-z0-9]/.test(text) ? undefined : { of: [[{ text }]], end: at + 1 };
  }
  return /[?[\]}]/.test(char) ? undefined : { of: [[{ text: char }]], end: at };
}

interface Choice {
  of: Part[][];
  end: number;
}

/** `{a,b}`: what is inside, and where it ends. */
function bracesAt(chars: readonly string[], start: number): Choice | undefined {
  if (chars[start + 1] === "{") return undefined;
  const choices: string[][] = [[]];
  let depth = 1;
  let end = start + 1;
  for (; ; end += 1) {
    const char = chars[end];
    if (char === undefined || char === "[") return undefined;
    if (char === "{") depth += 1;
    if (char === "}") depth -= 1;
    if (depth === 0) break;
    if (char === "," && depth === 1) choices.push([]);
    else choices.at(-1)!.push(char);
    if (char === "\\") {
      end += 1;
      choices.at(-1)!.push(chars[end] ?? "");
    }
  }
  const of: Part[][] = [];
  for (const choice of choices) {
    const inner = alternatives(choice);
    if (!inner) return undefined;
    of.push(...inner);
  }
  return { of, end };
}

/** Neighbours as one: texts, and wildcards of which one may cross slashes. */
function joined(parts: readonly Part[]): Part[] {
  const out: Part[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (typeof part === "string") {
      if (typeof last !== "string") out.push(part);
      else if (part === "any") out[out.length - 1] = part;
    } else if (typeof last === "object") out[out.length - 1] = { text: last.text + part.text };
    else out.push(part);
  }
  return out;
}

function testOf(value: Sql, parts: readonly Part[]): Test {
  if (parts.length === 0) return { condition: sql`${value} = ''`, exact: true };
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (parts.length === 1)
    return typeof first === "string"
      ? { condition: sql`${value} IS NOT NULL`, exact: first === "any" }
      : { condition: sql`${value} = ${first.text}`, exact: true };
  const conditions: Sql[] = [];
  if (typeof first === "object") conditions.push(sql`starts_with(${value}, ${first.text})`);
  if (typeof last === "object") conditions.push(sql`ends_with(${value}, ${last.text})`);
  const middle = parts.slice(1, -1).filter((part) => typeof part === "object");
  const longest = middle.reduce((top, { text }) => (text.length > top.length ? text : top), "");
  if (longest !== "") conditions.push(sql`contains(${value}, ${longest})`);
  if (conditions.length === 0) conditions.push(sql`${value} IS NOT NULL`);
  const crossing = parts.every((part) => part !== "one");
  if (typeof first === "object" && typeof last === "object" && middle.length === 0) {
    // Without this `ab*ba` would match `aba`.
    const least = [...first.text].length + [...last.text].length;
    return { condition: all([...conditions, sql`length(${value}) >= ${least}`]), exact: crossing };
  }
  return { condition: all(conditions), exact: crossing && conditions.length === 1 && middle.length <= 1 };
}
