import { StowageError } from "../lib/error.js";
import type { Matcher, Pattern, Range, TextField } from "./config.js";
import type { At } from "./findings.js";
import { compileGlob, type GlobKind, isLiteral } from "./glob.js";
import { checkLiteral, textValue } from "./match-text.js";
import { isMapping } from "./sugar.js";
import { didYouMean, suggest } from "./suggest.js";
import { parseRange, type Unit } from "./units.js";

/** What a match may refer to, and where its problems go. */
export interface MatchScope {
  /** The named set, or undefined after having reported why there is none. */
  set: (name: string, at: At) => Matcher | undefined;
  /** Names of locations; undefined = not checked. */
  locations: readonly string[] | undefined;
  /** What the layouts of the locations name: `project` and attributes; undefined = not checked. */
  captures: ReadonlySet<string> | undefined;
  error: (code: string, at: At, message: string, hint?: string) => void;
  warning: (code: string, at: At, message: string, hint?: string) => void;
}

/**
 * Compiles a match outside of storage.yaml, for `find`: keys and values as in a rule.
 * @throws `BAD_MATCH` with every problem, one a line
 */
export function compileMatch(
  value: unknown,
  sets: ReadonlyMap<string, Matcher> = new Map(),
  locations?: readonly string[],
): Matcher {
  const problems: string[] = [];
  const error: MatchScope["error"] = (_code, _at, message, hint) =>
    problems.push(hint ? `${message}. ${hint}` : message);
  const set: MatchScope["set"] = (name, at) => {
    const known = sets.get(name);
    if (!known) error("UNKNOWN_SET", at, `there is no set "${name}"`, didYouMean(name, sets.keys()));
    return known;
  };
  const matcher = matcherOf(value, 0, { set, locations, captures: undefined, error, warning: () => undefined });
  if (problems.length > 0) throw new StowageError("BAD_MATCH", [...new Set(problems)].join("\n"));
  return matcher;
}

const TEXTS = ["ext", "location", "project", "media_type", "type", "sha256"] as const;
const RANGES: Record<string, Unit> = {
  size: "size",
  age: "duration",
  age_here: "duration",
  verified: "duration",
  modified: "instant",
  accessed: "instant",
  copies: "number",
  stars: "number",
};
const KEYS = ["path", "name", ...TEXTS, "tags", "tags.contains", ...Object.keys(RANGES), "set", "any", "all", "not"];

export const NOTHING: Matcher = { op: "any", of: [] };

/** Compiles a mapping of matchers; what is wrong is reported and left out. */
export function matcherOf(value: unknown, at: At, scope: MatchScope): Matcher {
  if (!isMapping(value)) {
    scope.error("WRONG_TYPE", at, "a match must be a mapping", "Write { media_type: video }, or {} for every file.");
    return NOTHING;
  }
  const all = Object.entries(value).flatMap(([key, inner]) =>
    inner === undefined ? [] : [leaf(value, key, inner, scope)],
  );
  return all.length === 1 ? all[0]! : { op: "all", of: all };
}

function leaf(parent: object, key: string, value: unknown, scope: MatchScope): Matcher {
  const at = [parent, key] as const;
  switch (key) {
    case "any":
      return { op: "any", of: items(value, at).map(([item, place]) => matcherOf(item, place, scope)) };
    case "all":
      return { op: "all", of: items(value, at).map(([item, place]) => matcherOf(item, place, scope)) };
    case "not":
      return { op: "not", of: either(value, at, (item, place) => matcherOf(item, place, scope)) };
    case "set":
      return either(value, at, (name, place) => setLeaf(name, place, scope));
    case "tags":
      return isMapping(value) ? tagSets(value, scope) : either(value, at, (tag, place) => tagLeaf(tag, place, scope));
    case "tags.contains":
      return either(value, at, (tag, place) => tagLeaf(tag, place, scope));
    default:
      return either(value, at, (item, place) => fieldLeaf(key, item, place, [parent, key, "key"], scope));
  }
}

function items(value: unknown, at: At): [item: unknown, at: At][] {
  if (!Array.isArray(value)) return [[value, at]];
  return value.flatMap((item: unknown, index): [unknown, At][] => (item === undefined ? [] : [[item, [value, index]]]));
}

/** A list as value: any of them. */
function either(value: unknown, at: At, one: (item: unknown, at: At) => Matcher): Matcher {
  return anyOf(items(value, at).map(([item, place]) => one(item, place)));
}

function setLeaf(name: unknown, at: At, scope: MatchScope): Matcher {
  if (typeof name !== "string") {
    scope.error("WRONG_TYPE", at, "a set is named by a text");
    return NOTHING;
  }
  const of = scope.set(name, at);
  return of ? { op: "set", name, of } : NOTHING;
}

/** `{ any: […], all: […], none: […] }` */
function tagSets(sets: Record<string, unknown>, scope: MatchScope): Matcher {
  const all = Object.entries(sets).flatMap(([key, tags]): Matcher[] => {
    if (tags === undefined) return [];
    const leaves = items(tags, [sets, key]).map(([tag, place]) => tagLeaf(tag, place, scope));
    if (key === "any") return [anyOf(leaves)];
    if (key === "all") return leaves;
    if (key === "none") return [{ op: "not", of: anyOf(leaves) }];
    scope.error("UNKNOWN_KEY", [sets, key, "key"], `unknown key "${key}"`, didYouMean(key, ["any", "all", "none"]));
    return [];
  });
  if (all.length === 0) return NOTHING;
  return all.length === 1 ? all[0]! : { op: "all", of: all };
}

const anyOf = (of: Matcher[]): Matcher => (of.length === 1 ? of[0]! : { op: "any", of });

function tagLeaf(tag: unknown, at: At, scope: MatchScope): Matcher {
  if (typeof tag !== "string") {
    scope.error("WRONG_TYPE", at, "a tag is a text");
    return NOTHING;
  }
  const pattern = attempt(() => patternOf(tag, "text"), at, scope);
  return pattern ? { op: "tag", field: "tags", pattern, source: tag } : NOTHING;
}

/** Undefined where it is wrong, which is reported. */
function attempt<T>(body: () => T, at: At, scope: MatchScope): T | undefined {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    scope.error(error.code, at, error.message, error.hint);
    return undefined;
  }
}

function fieldLeaf(key: string, value: unknown, at: At, keyAt: At, scope: MatchScope): Matcher {
  const attr = /^attr\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(key)?.[1];
  if (attr === undefined && !KEYS.includes(key)) {
    scope.error("UNKNOWN_KEY", keyAt, `unknown key "${key}"`, didYouMean(key, KEYS));
    return NOTHING;
  }
  if (typeof value !== "string" && typeof value !== "number") {
    scope.error("WRONG_TYPE", at, `"${key}" must be a text or a number`);
    return NOTHING;
  }
  warnUnnamed(attr ?? (key === "project" ? key : undefined), keyAt, scope);
  return attempt(() => compileLeaf(key, attr, value, at, scope), at, scope) ?? NOTHING;
}

function compileLeaf(
  key: string,
  attr: string | undefined,
  value: string | number,
  at: At,
  scope: MatchScope,
): Matcher {
  const source = String(value);
  const unit = RANGES[key];
  if (unit) {
    const range = parseRange(value, unit);
    warnEquality(key, source, range, unit, at, scope);
    if (key === "stars" && ((range.min?.value ?? 0) > 5 || (range.max?.value ?? 5) < 0))
      scope.warning("NEVER_KNOWN", at, `no file has ${source} stars`, "Stars go from 0 to 5.");
    return { op: "range", field: key as "size", range, source };
  }
  if (attr !== undefined) {
    if (isNumeric(value)) return { op: "range", field: { attr }, range: parseRange(value, "number"), source };
    return { op: "text", field: { attr }, pattern: patternOf(source, "text"), source };
  }
  if (key === "path" || key === "name") return { op: "glob", field: key, pattern: patternOf(source, key), source };
  const text = textValue(key, source);
  if (isLiteral(text)) checkLiteral(key, text, at, scope);
  return { op: "text", field: key as Extract<TextField, string>, pattern: patternOf(text, "text"), source };
}

/** A number, a comparison, or a range of two numbers; anything else is a text. */
const isNumeric = (value: string | number): boolean =>
  typeof value === "number" ||
  /^\s*[<>=]/.test(value) ||
  /^\s*[+-]?\d+(\.\d+)?\s*\.\.\s*[+-]?\d+(\.\d+)?\s*$/.test(value);

/** A field that no layout fills is never known, and what is not known never matches. */
export function warnUnnamed(
  name: string | undefined,
  at: At,
  { captures, warning }: Pick<MatchScope, "captures" | "warning">,
): void {
  if (name === undefined || captures === undefined || captures.has(name)) return;
  const near = suggest(name, captures);
  const shown = name === "project" ? name : `attr.${name}`;
  warning(
    "NEVER_KNOWN",
    at,
    `no location's layout names {${name}}: ${shown} is never known`,
    near ? `Did you mean "${near}"?` : `Write layout: "{${name}}/**" for a location.`,
  );
}

function warnEquality(key: string, source: string, range: Range, unit: Unit, at: At, scope: MatchScope): void {
  if (unit !== "duration" || range.min === undefined || range.min.value !== range.max?.value) return;
  scope.warning(
    "NEVER_EQUAL",
    at,
    `hardly any file has ${key} equal to ${source}, to the millisecond`,
    `Write ">${source}" or "<${source}".`,
  );
}

export function patternOf(text: string, kind: GlobKind): Pattern {
  const { captures: _, ...pattern } = compileGlob(text, kind);
  return pattern;
}
