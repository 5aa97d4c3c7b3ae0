import { StowageError } from "../lib/error.js";
import type { Findings, Marks } from "./findings.js";
import { SEED_CREDENTIALS } from "./location-keys.js";
import type { Match, Placement, TagSets } from "./schema.gen.js";
import { suggest } from "./suggest.js";
import type { Mapping } from "./tree.js";

/**
 * Older spellings, brought into canonical form: `storage:` around everything, `config:` under a location with credentials in it,
 * and `path:` for a bucket. Mappings keep their places in the file.
 */
export function unwrap(tree: unknown, found: Findings): unknown {
  if (!isMapping(tree)) return tree;
  const root = isMapping(tree["storage"]) ? lift(tree, "storage", found) : tree;
  const locations = root["locations"];
  if (Array.isArray(locations)) {
    for (const [index, location] of locations.entries()) {
      if (isMapping(location)) locations[index] = plainLocation(location, found);
    }
  }
  return root;
}

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function plainLocation(location: Mapping, found: Findings): Mapping {
  const isWrapped = isMapping(location["config"]);
  const plain = isWrapped ? lift(location, "config", found) : location;
  if (isWrapped) gatherCredentials(plain, found);
  if (meansBucket(plain["type"], Object.keys(plain))) rename(plain, "path", "bucket", found);
  return plain;
}

/** `path` of a bucket is its name. */
export const meansBucket = (type: unknown, keys: readonly unknown[]): boolean =>
  (type === "s3" || type === "gcs") && keys.includes("path") && !keys.includes("bucket");

function rename(mapping: Mapping, from: string, to: string, found: Findings): void {
  const marks = found.marks.get(mapping);
  const mark = marks?.of.get(from);
  if (mark) marks?.of.set(to, mark);
  mapping[to] = mapping[from];
  delete mapping[from];
}

/** `aws_access_key_id` and the like, under `credentials`. */
function gatherCredentials(location: Mapping, found: Findings): void {
  const seeds = Object.keys(location).filter((key) => Object.hasOwn(SEED_CREDENTIALS, key));
  const marks = found.marks.get(location);
  if (seeds.length === 0) return;
  const first = marks?.of.get(seeds[0]!)?.key ?? 0;
  if ("credentials" in location) {
    found.error("DUPLICATE_KEY", first, `"${seeds[0]}" is also written in "credentials"`, "Write it there only.");
    for (const seed of seeds) delete location[seed];
    return;
  }
  const credentials = Object.create(null) as Mapping;
  const inner: Marks = { self: first, of: new Map() };
  found.marks.set(credentials, inner);
  for (const seed of seeds) {
    const key = SEED_CREDENTIALS[seed]!;
    if (key in credentials) found.error("DUPLICATE_KEY", [location, seed, "key"], `there are two keys for "${key}"`);
    credentials[key] = location[seed];
    inner.of.set(key, marks?.of.get(seed) ?? { key: first, value: first });
    delete location[seed];
  }
  location["credentials"] = credentials;
  marks?.of.set("credentials", { key: first, value: first });
}

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
  const tags = tagsOf(rule);
  if (tags) match.tags = tags;
  const stars = found.attempt(rule, () => bounds(rule.min_quality_stars, rule.max_quality_stars, ""));
  if (stars !== undefined) match.stars = stars;
  const include = typesMatch(rule, "include_types", found);
  const exclude = typesMatch(rule, "exclude_types", found);
  if (include) Object.assign(match, include);
  if (exclude) match.not = exclude;
  standAt(match, found.marks.get(rule)?.self ?? 0, found);
  return match;
}

function tagsOf(rule: Placement): TagSets | undefined {
  const { include_tags: any, require_tags: all, exclude_tags: none } = rule;
  const sets = Object.entries({ any, all, none }).filter(([, tags]) => tags !== undefined);
  return sets.length === 0 ? undefined : Object.fromEntries(sets);
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
