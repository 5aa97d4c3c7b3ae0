import { StowageError } from "../lib/error.js";
import type { Findings, Marks } from "./findings.js";
import type { Match, Placement } from "./schema.gen.js";
import { suggest } from "./suggest.js";
import type { Mapping } from "./tree.js";

/**
 * Older spellings, brought into canonical form: `storage:` around everything, `config:` under a location, and `rules:` under a
 * location. Mappings keep their places in the file.
 */
export function unwrap(tree: unknown, found: Findings): unknown {
  if (!isMapping(tree)) return tree;
  const root = isMapping(tree["storage"]) ? lift(tree, "storage", found) : tree;
  const locations = root["locations"];
  if (Array.isArray(locations)) {
    for (const [index, location] of locations.entries()) {
      if (isMapping(location) && isMapping(location["config"])) locations[index] = lift(location, "config", found);
    }
  }
  return root;
}

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The outer mapping without `key`, with what was under it. A key that both have is reported. */
function lift(outer: Mapping, key: string, found: Findings): Mapping {
  const inner = outer[key] as Mapping;
  const both = Object.create(null) as Mapping;
  const marks: Marks = { self: found.marks.get(outer)?.self ?? 0, of: new Map() };
  for (const from of [outer, inner]) {
    for (const [name, value] of Object.entries(from)) {
      if (from === outer && name === key) continue;
      if (name in both) {
        found.error("DUPLICATE_KEY", [inner, name, "key"], `"${name}" is also written outside of "${key}:"`);
        continue;
      }
      both[name] = value;
      const mark = found.marks.get(from)?.of.get(name);
      if (mark) marks.of.set(name, mark);
    }
  }
  found.marks.set(both, marks);
  return both;
}

/** The values of `media_type`. */
export const MEDIA_TYPES = ["image", "video", "audio", "document", "text", "archive", "model", "data", "other"];

/** What `rules:` under a location match, as a canonical match: any of the rules. Its mappings take the places of the rules. */
export function placementMatch(rules: readonly (Placement | undefined)[], found: Findings): Match {
  const all = rules.flatMap((rule) => (rule ? [placementOf(rule, found)] : []));
  return all.length === 1 ? all[0]! : { any: all };
}

function placementOf(rule: Placement, found: Findings): Match {
  const match: Match = {};
  const age = found.attempt(rule, () => bounds(rule.min_age_days, rule.max_age_days, "d"));
  if (age !== undefined) match.age = age;
  const size = found.attempt(rule, () => bounds(rule.min_size_bytes, rule.max_size_bytes, ""));
  if (size !== undefined) match.size = size;
  const include = typesMatch(rule, "include_types", found);
  const exclude = typesMatch(rule, "exclude_types", found);
  if (include) Object.assign(match, include);
  if (exclude) match.not = exclude;
  standAt(match, found.marks.get(rule)?.self ?? 0, found);
  return match;
}

function standAt(value: object, self: number, found: Findings): void {
  found.marks.set(value, { self, of: new Map() });
  for (const inner of Object.values(value)) if (typeof inner === "object") standAt(inner as object, self, found);
}

function bounds(min: number | undefined, max: number | undefined, unit: string): string | undefined {
  if (min !== undefined && max !== undefined) {
    if (min > max)
      throw new StowageError("BAD_VALUE", `no file is both at least ${min}${unit} and at most ${max}${unit}`);
    return `${decimal(min)}${unit}..${decimal(max)}${unit}`;
  }
  if (min !== undefined) return `>=${decimal(min)}${unit}`;
  return max === undefined ? undefined : `<=${decimal(max)}${unit}`;
}

/** Without an exponent. */
const decimal = (value: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(9).replace(/0+$/, "");

/** MIME types go to `type`, media types to `media_type`, both to a choice of the two. */
function typesMatch(rule: Placement, key: "include_types" | "exclude_types", found: Findings): Match | undefined {
  const all = ([rule[key]].flat() as (string | undefined)[]).filter((type) => type !== undefined);
  const mime = all.filter((type) => type.includes("/"));
  const media = all.filter((type) => !type.includes("/"));
  const unknown = media.filter((type) => !MEDIA_TYPES.includes(type.toLowerCase()));
  for (const type of unknown) {
    const near = suggest(type, MEDIA_TYPES);
    const hint = near
      ? `Did you mean "${near}"?`
      : `Write a MIME type such as image/jpeg, or one of: ${MEDIA_TYPES.join(" ")}`;
    found.error("BAD_VALUE", [rule, key], `"${type}" is no type of file`, hint);
  }
  const known = media.filter((type) => !unknown.includes(type));
  const one = (list: string[]): string | string[] => (list.length === 1 ? list[0]! : list);
  if (known.length === 0) return mime.length === 0 ? undefined : { type: one(mime) };
  if (mime.length === 0) return { media_type: one(known) };
  return { any: [{ type: one(mime) }, { media_type: one(known) }] };
}
