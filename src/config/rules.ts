import type { Location, Matcher, Requirement, Rule, Template } from "./config.js";
import type { At, Findings } from "./findings.js";
import { checkName } from "./locations.js";
import { type MatchScope, matcherOf, NOTHING, warnUnnamed } from "./match.js";
import type { DefaultRule, LocationEntry, Match, RequirementEntry, RuleEntry } from "./schema.gen.js";
import { placementMatch } from "./sugar.js";
import { didYouMean } from "./suggest.js";
import { parseTemplate } from "./template.js";
import type { Checked } from "./validate.js";

export interface RuleContext {
  found: Findings;
  scope: MatchScope;
  /** Every name written under `locations:`, also of locations with errors. */
  names: readonly string[];
  locations: readonly Location[];
  /** No location is so wrong that nothing is known of it. */
  complete: boolean;
}

type Entry = Checked<RuleEntry>;

const isDefault = (rule: Entry | Checked<DefaultRule>): rule is Checked<DefaultRule> => "default" in rule;

/** The rules of the file in order, and its default. */
export function resolveRules(
  entries: readonly (Entry | Checked<DefaultRule> | undefined)[],
  context: RuleContext,
): { rules: Rule[]; fallback?: { location: string; line: number } } {
  const { found } = context;
  const rules: Rule[] = [];
  const written = entries.flatMap((entry) => (entry && !isDefault(entry) && entry.name !== undefined ? [entry] : []));
  checkUnique(written, "rule", found);
  const taken = new Set(written.map((entry) => entry.name!));
  let fallback: { location: string; line: number } | undefined;
  for (const [index, entry] of entries.entries()) {
    if (!entry) continue;
    if (!isDefault(entry)) {
      rules.push(ruleOf(entry, entry.name ?? freeName(`rule-${index + 1}`, taken), context));
      continue;
    }
    if (fallback)
      found.error("TWO_DEFAULTS", entry, "there are two defaults", `The first is in line ${fallback.line}.`);
    else if (index < entries.length - 1)
      found.error("DEFAULT_NOT_LAST", entry, "`default` must be the last rule", "Rules behind it would never decide.");
    if (entry.default !== undefined) checkDestination(entry.default, [entry, "default"], context);
    fallback ??= { location: entry.default ?? "", line: found.line(entry) };
  }
  return fallback ? { rules, fallback } : { rules };
}

/** `rules:` under locations, as rules: by descending priority, then in the order of the file. */
export function resolvePlacements(
  entries: readonly (Checked<LocationEntry> | undefined)[],
  action: "copy" | "move",
  taken: Iterable<string>,
  context: RuleContext,
): Rule[] {
  const { found } = context;
  const names = new Set(taken);
  return byPriority(entries).map((entry) => {
    const name = freeName(placementName(entry.name ?? "location"), names);
    const rule: Entry = { name, match: placementMatch(entry.rules!, found), action, destination: entry.name };
    found.marks.set(rule, { self: found.marks.get(entry)?.of.get("rules")?.key ?? 0, of: new Map() });
    return ruleOf(rule, name, context);
  });
}

export const placementName = (location: string): string => `${location} placement`;

/** Locations with rules of their own, highest priority first. */
export const byPriority = <T extends { priority?: number | undefined; rules?: unknown }>(
  entries: readonly (T | undefined)[],
): T[] =>
  entries
    .filter((entry): entry is T => entry?.rules !== undefined)
    .sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));

/** The name, or the name with the first number that makes it unique; takes it. */
export function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let count = 2; taken.has(name); count += 1) name = `${wanted}-${count}`;
  taken.add(name);
  return name;
}

function ruleOf(entry: Entry, name: string, context: RuleContext): Rule {
  const { found, scope } = context;
  if (entry.action !== undefined) checkKeys(entry, entry.action, found);
  const destination = namesOf(entry, "destination");
  const from = namesOf(entry, "from");
  for (const [location, at] of destination) checkDestination(location, at, context);
  for (const [location, at] of from) checkLocation(location, at, context);
  checkTwice(destination, found);
  checkTwice(from, found);
  const key = keyOf(entry, context);
  return {
    name,
    line: found.line(entry),
    match: matchOf(entry, scope),
    action: entry.action ?? "keep",
    ...(entry.from === undefined ? {} : { from: from.map(([location]) => location) }),
    destination: destination.map(([location]) => location),
    key,
    onConflict: entry.on_conflict ?? "manual",
    place: entry.place ?? (entry.action === "move" ? "key" : "content"),
    continue: entry.continue ?? false,
    allowLastCopy: entry.allow_last_copy ?? false,
  };
}

const matchOf = (entry: { match?: Match | undefined }, scope: MatchScope): Matcher =>
  entry.match === undefined ? NOTHING : matcherOf(entry.match, [entry, "match"], scope);

function keyOf(entry: Entry, { found, scope }: RuleContext): Template {
  const at = [entry, "key"] as const;
  let whole = true;
  const key = parseTemplate(entry.key ?? "{path}", (message, hint) => {
    whole = false;
    found.error("BAD_TEMPLATE", at, message, hint);
  });
  for (const part of key.parts) {
    if (!("field" in part) || part.fallback !== undefined) continue;
    const { field } = part;
    warnUnnamed(field.name === "attr" ? field.attr : field.name === "project" ? field.name : undefined, at, scope);
  }
  if (whole && !key.parts.some((part) => "field" in part && DISTINCT.has(part.field.name))) {
    found.warning(
      "ONE_KEY",
      at,
      "this key is the same for many files: they will be in conflict",
      "Add {filename} or {sha256}.",
    );
  }
  return key;
}

/** Fields that tell files apart. */
const DISTINCT = new Set(["path", "filename", "stem", "sha256"]);

/** Keys that mean nothing for an action are errors: whoever wrote them expects something. */
function checkKeys(entry: Entry, action: RuleEntry["action"], found: Findings): void {
  const transfers = action === "copy" || action === "move";
  const only = (key: keyof RuleEntry & string, allowed: boolean, forWhat: string): void => {
    if (entry[key] === undefined || entry[key] === false || allowed) return;
    found.error("WRONG_KEY", [entry, key, "key"], `"${key}" is for ${forWhat}, not for ${action}`, `Remove "${key}".`);
  };
  if (transfers && !("destination" in entry)) {
    found.error("MISSING_KEY", entry, `a rule with action ${action} needs "destination"`, "One location, or a list.");
  }
  only("destination", transfers, "copy and move");
  only("key", transfers, "copy and move");
  only("on_conflict", transfers, "copy and move");
  only("place", transfers, "copy and move");
  only("from", action === "move" || action === "delete", "move and delete");
  only("continue", action === "copy", "copy");
  only("allow_last_copy", action === "delete", "delete");
}

function namesOf(entry: Entry, key: "destination" | "from"): [name: string, at: At][] {
  const value = entry[key] as string | (string | undefined)[] | undefined;
  if (value === undefined) return [];
  if (typeof value === "string") return [[value, [entry, key]]];
  return value.flatMap((name, index): [string, At][] => (name === undefined ? [] : [[name, [value, index]]]));
}

function checkTwice(names: readonly [name: string, at: At][], found: Findings): void {
  for (const [index, [name, at]] of names.entries()) {
    if (names.slice(0, index).some(([other]) => other === name))
      found.error("DUPLICATE_NAME", at, `"${name}" is there twice`);
  }
}

function checkLocation(name: string, at: At, { found, names, locations }: RuleContext): Location | undefined {
  if (!names.includes(name))
    found.error("UNKNOWN_LOCATION", at, `there is no location "${name}"`, didYouMean(name, names));
  return locations.find((location) => location.name === name);
}

function checkDestination(name: string, at: At, context: RuleContext): void {
  const location = checkLocation(name, at, context);
  if (!location) return;
  if (location.readOnly) context.found.warning("READ_ONLY", at, `"${name}" is read_only: nothing can be put there`);
  else if (location.status !== "active")
    context.found.warning("NOT_ACTIVE", at, `"${name}" is ${location.status}: nothing is put there`);
}

function checkUnique(entries: readonly { name?: string | undefined }[], what: string, found: Findings): void {
  const seen = new Map<string, object>();
  for (const entry of entries) {
    checkName(entry, what, found);
    const first = seen.get(entry.name!);
    if (first)
      found.error(
        "DUPLICATE_NAME",
        [entry, "name"],
        `there are two ${what}s "${entry.name}"`,
        `The first is in line ${found.line(first)}.`,
      );
    else seen.set(entry.name!, entry);
  }
}

/** The requirements, in order. What can not hold is a warning: the plan says so for each file and goes on with the rest. */
export function resolveRequire(
  entries: readonly (Checked<RequirementEntry> | undefined)[],
  context: RuleContext,
): Requirement[] {
  const { found, locations, complete, scope } = context;
  const kept = entries.flatMap((entry, index) => (entry ? [[entry, index] as const] : []));
  const written = kept.flatMap(([entry]) => (entry.name === undefined ? [] : [entry]));
  checkUnique(written, "requirement", found);
  const taken = new Set(written.map((entry) => entry.name!));
  const countable = (all: readonly Location[]): Record<"copies" | "domains", number> => ({
    copies: all.length,
    domains: new Set(all.map((location) => location.domain)).size,
  });
  const possible = countable(locations.filter((location) => location.status !== "retired"));
  const now = countable(locations.filter((location) => location.status === "active"));
  return kept.map(([entry, index]) => {
    for (const key of ["copies", "domains"] as const) {
      const wanted = entry[key] ?? 1;
      if (!complete || wanted <= now[key]) continue;
      const message = `${wanted} ${key} are required, but there ${now[key] === 1 ? "is" : "are"} ${now[key]} active ${key === "copies" ? "location" : "domain"}${now[key] === 1 ? "" : "s"}`;
      found.warning(wanted > possible[key] ? "IMPOSSIBLE" : "IMPOSSIBLE_NOW", [entry, key], message);
    }
    const name = entry.name ?? freeName(`require-${index + 1}`, taken);
    return {
      name,
      line: found.line(entry),
      match: matchOf(entry, scope),
      copies: entry.copies ?? 1,
      domains: entry.domains ?? 1,
    };
  });
}
