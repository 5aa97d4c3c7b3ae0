import { join, raw, type Sql, sql } from "../catalog/sql.js";
import type { Matcher, Range } from "../config/config.js";
import type { Answer } from "./once.js";
import { literalsOf, patternCost, patternSql } from "./pattern.js";

/** True or false, also where a value is not known. */
export const predicate = (matcher: Matcher, answer?: Answer): Sql => known(condition(matcher, answer));

/**
 * Matchers as SQL over `work.facts` (see observe.ts). The one place where a rule's condition is evaluated: planning,
 * `explain`, `find` and `lint` all run these. An unknown value makes a leaf NULL, which is not true (S11): for WHEN and WHERE.
 * @param answer what was evaluated already: see `askOnce`
 */
export function condition(matcher: Matcher, answer: Answer = NO_ANSWER): Sql {
  const inner = (each: Matcher): Sql => condition(each, answer);
  switch (matcher.op) {
    case "all":
      return matcher.of.length === 0 ? raw("TRUE") : sql`(${join(cheapFirst(matcher.of).map(inner), " AND ")})`;
    case "any":
      return matcher.of.length === 0 ? raw("FALSE") : sql`(${join(cheapFirst(matcher.of).map(inner), " OR ")})`;
    case "not":
      return sql`(NOT ${predicate(matcher.of, answer)})`;
    case "set":
      return inner(matcher.of);
    case "glob":
      return patternSql(fieldSql(matcher.field), matcher.pattern, matcher.field, answer(matcher));
    case "text":
      return textSql(matcher, answer);
    case "tag":
      return sql`len(list_filter(tags, lambda tag: regexp_full_match(nfc_normalize(tag), ${matcher.pattern.re2}))) > 0`;
    case "range":
      return inRange(numberSql(matcher.field), matcher.range);
  }
}

/** What holds for few, or fails for many, at little cost spares the rest. */
const cheapFirst = (matchers: readonly Matcher[]): Matcher[] => [...matchers].sort((a, b) => costOf(a) - costOf(b));

function costOf(matcher: Matcher): number {
  switch (matcher.op) {
    case "all":
    case "any":
      return matcher.of.reduce((sum, inner) => sum + costOf(inner), 0);
    case "not":
    case "set":
      return costOf(matcher.of);
    case "glob":
      return patternCost(matcher.pattern, matcher.field);
    case "text":
      return patternCost(matcher.pattern, "text") + (typeof matcher.field === "object" ? 20 : 0);
    case "tag":
      return 50;
    case "range":
      return typeof matcher.field === "object" ? 20 : 1;
  }
}

/** A CASE asks the cheap parts of a conjunction first and the others only where these hold; other functions ask for all of them. */
const known = (holds: Sql): Sql => sql`CASE WHEN ${holds} THEN TRUE ELSE FALSE END`;

function textSql(leaf: Extract<Matcher, { op: "text" }>, answer: Answer): Sql {
  const { field, pattern } = leaf;
  const literals = field === "ext" ? literalsOf(pattern) : undefined;
  if (literals) return sql`(${join(literals.map(extensionSql), " OR ")})`;
  return patternSql(fieldSql(field), pattern, "text", answer(leaf));
}

const NO_ANSWER: Answer = () => undefined;

/** The end of a path is asked for in less time than its extension is found. */
function extensionSql(ext: string): Sql {
  if (/[./]/.test(ext)) return raw("FALSE");
  return sql`(ends_with(low, ${`.${ext}`}) AND NOT ends_with(low, ${`/.${ext}`}) AND low <> ${`.${ext}`})`;
}

export type Leaf = Extract<Matcher, { field: unknown }>;

export function* leavesOf(matcher: Matcher): Generator<Leaf> {
  if (matcher.op === "all" || matcher.op === "any") for (const inner of matcher.of) yield* leavesOf(inner);
  else if (matcher.op === "not" || matcher.op === "set") yield* leavesOf(matcher.of);
  else yield matcher;
}

/** Whether it asks for what only all instances of a content together tell. */
export const asksOfContents = (matcher: Matcher): boolean =>
  [...leavesOf(matcher)].some(({ field }) => field === "age" || field === "copies");

/** The value that a leaf looks at, for `explain`. */
export function valueSql(matcher: Leaf): Sql {
  if (matcher.op === "tag") return raw("array_to_string(tags, ', ')");
  return matcher.op === "range" ? numberSql(matcher.field) : fieldSql(matcher.field);
}

export type TextLeaf = Extract<Matcher, { op: "glob" | "text" }>;

export function fieldSql(field: TextLeaf["field"]): Sql {
  if (typeof field === "object") return attribute(field.attr);
  switch (field) {
    case "path":
      return raw("norm_key");
    case "name":
      return raw("base");
    case "ext":
    case "location":
    case "project":
    case "media_type":
    case "sha256":
      return raw(field);
    case "type":
      return raw("mime");
  }
}

function numberSql(field: Extract<Matcher, { op: "range" }>["field"]): Sql {
  if (typeof field === "object") return sql`TRY_CAST(${attribute(field.attr)} AS DOUBLE)`;
  return raw(field);
}

const attribute = (attr: string): Sql => sql`json_extract_string(attrs, ${`$."${attr.replaceAll('"', '\\"')}"`})`;

function inRange(value: Sql, range: Range): Sql {
  const conditions: Sql[] = [];
  if (range.min)
    conditions.push(range.min.inclusive ? sql`${value} >= ${range.min.value}` : sql`${value} > ${range.min.value}`);
  if (range.max)
    conditions.push(range.max.inclusive ? sql`${value} <= ${range.max.value}` : sql`${value} < ${range.max.value}`);
  return conditions.length === 0 ? sql`${value} IS NOT NULL` : sql`(${join(conditions, " AND ")})`;
}
