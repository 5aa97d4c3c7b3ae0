import type { Bandwidth, Config, Safety, Settings } from "./config.js";
import { digestOf } from "./digest.js";
import type { Findings } from "./findings.js";
import { resolveLocations } from "./locations.js";
import { ownPlaces } from "./own-places.js";
import { type Context, pathOf } from "./roots.js";
import { type RuleContext, resolvePlacements, resolveRequire, resolveRules } from "./rules.js";
import type { StorageFile, Transfer } from "./schema.gen.js";
import { resolveSets } from "./sets.js";
import { didYouMean } from "./suggest.js";
import { parseDuration, parsePercent, parseRate, parseSize, parseTime } from "./units.js";
import type { Checked } from "./validate.js";

export interface ResolveOptions {
  /** Absolute. */
  file: string;
  folder: string;
  home: string;
  /** Every name written under `locations:`, also of locations that `validate` took out. */
  names: readonly string[];
  found: Findings;
}

/** The meaning of a tree that `validate` has seen. Problems are reported; the result counts only when there was no error. */
export function resolve(tree: StorageFile, { file, folder, home, names, found }: ResolveOptions): Config {
  const own = resolveSettings(tree, { folder, home }, found);
  const safety = resolveSafety(tree, found);
  const context: Context = { found, folder, home, state: own.state };
  const entries = tree.locations ?? [];
  const locations = resolveLocations(entries, context);
  const settings = { ...own, ...ownPlaces(tree.settings ?? {}, locations, names, found) };
  const complete = locations.length === entries.length;
  const layouts = locations.every(({ layout, order }) => layout !== undefined || !("layout" in entries[order]!));
  const captures =
    complete && layouts ? new Set(locations.flatMap((location) => location.layout?.captures ?? [])) : undefined;
  const { scope, sets, used } = resolveSets(tree, names, captures, found);
  const ruleContext: RuleContext = { found, scope, names, locations, complete };
  const { rules, fallback } = resolveRules(tree.rules ?? [], ruleContext);
  const taken = rules.map((rule) => rule.name);
  const placements = resolvePlacements(entries, tree.settings?.placement_action ?? "copy", taken, ruleContext);
  const require = resolveRequire(tree.require ?? [], ruleContext);
  for (const set of sets) {
    if (!used.has(set.name))
      found.warning("UNUSED_SET", [tree.sets!, set.name, "key"], `no rule uses the set "${set.name}"`);
  }
  if (safety.minCopies > Math.max(1, locations.length) && complete) {
    found.warning(
      "IMPOSSIBLE_NOW",
      [tree.safety!, "min_copies"],
      `min_copies is ${safety.minCopies}, but there are only ${locations.length} locations`,
    );
  }
  const meaning = {
    settings,
    safety,
    locations,
    rules: [...rules, ...placements],
    ...(fallback ? { default: fallback } : {}),
    require,
  };
  // Nobody compares what can not be used.
  return { file, digest: found.failed ? "" : digestOf(meaning, found), ...meaning, sets };
}

function resolveSettings(tree: StorageFile, paths: { folder: string; home: string }, found: Findings): Settings {
  const settings = tree.settings ?? {};
  const duration = (key: "settle" | "plan_ttl", standard: string): number =>
    found.attempt([settings, key], () => parseDuration(settings[key] ?? standard)) ?? 0;
  const timezone = settings.timezone ?? "UTC";
  if (!isTimezone(timezone)) {
    const hint = didYouMean(timezone, Intl.supportedValuesOf("timeZone")) ?? "Such as UTC or Europe/Berlin.";
    found.error("WRONG_VALUE", [settings, "timezone"], `there is no time zone "${timezone}"`, hint);
  }
  const { concurrency = 8, retries = 5 } = settings.transfer ?? {};
  const memory = settings.memory === undefined ? undefined : memoryOf(settings, found);
  const bandwidth = settings.transfer && bandwidthOf(settings.transfer, found);
  return {
    state: pathOf(settings.state ?? ".stowage", paths),
    timezone,
    transfer: { concurrency, retries, ...(bandwidth ? { bandwidth } : {}) },
    settle: duration("settle", "2min"),
    planTtl: duration("plan_ttl", "24h"),
    ...(memory === undefined ? {} : { memory }),
  };
}

const LEAST_MEMORY = 256 * 2 ** 20;

function memoryOf(settings: Checked<NonNullable<StorageFile["settings"]>>, found: Findings): number | undefined {
  const bytes = found.attempt([settings, "memory"], () => parseSize(settings.memory!));
  if (bytes !== undefined && bytes < LEAST_MEMORY)
    found.error("WRONG_VALUE", [settings, "memory"], "memory must be at least 256MiB", "Leave it out for 1GiB.");
  return bytes;
}

/** Undefined where nothing is ever limited. */
function bandwidthOf(transfer: Checked<Transfer>, found: Findings): Bandwidth | undefined {
  const written = transfer.bandwidth;
  if (written === undefined) return undefined;
  const times = typeof written === "string" ? { "00:00": written } : (written as Record<string, string | undefined>);
  const all = Object.entries(times).flatMap(([time, text]) => {
    const parent = typeof written === "string" ? transfer : written;
    const key = typeof written === "string" ? "bandwidth" : time;
    const from = found.attempt([parent, key, "key"], () => parseTime(time));
    const rate = text === undefined ? undefined : found.attempt([parent, key], () => parseRate(text));
    return from === undefined ? [] : [{ from, ...(rate === undefined || rate === Infinity ? {} : { rate }) }];
  });
  return all.every(({ rate }) => rate === undefined) ? undefined : all.sort((a, b) => a.from - b.from);
}

/** An IANA name; offsets such as +02:00 know no summer time and are refused. */
function isTimezone(name: string): boolean {
  if (name === "UTC") return true;
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function resolveSafety(tree: StorageFile, found: Findings): Safety {
  const safety = tree.safety ?? {};
  return {
    minCopies: safety.min_copies ?? 1,
    verify: safety.verify ?? "content",
    trash: found.attempt([safety, "trash"], () => parseDuration(safety.trash ?? "30d")) ?? 0,
    maxDelete: { files: safety.max_delete?.files ?? 500, percent: safety.max_delete?.percent ?? 10 },
    maxShrink: found.attempt([safety, "max_shrink"], () => parsePercent(safety.max_shrink ?? "50%")) ?? 0,
  };
}
