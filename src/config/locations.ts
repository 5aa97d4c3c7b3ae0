import { isAbsolute, relative, sep } from "node:path";
import type { Capacity, Layout, Location, Pattern, Window } from "./config.js";
import type { Findings } from "./findings.js";
import { compileGlob, escapeGlob } from "./glob.js";
import { checkKeys } from "./location-keys.js";
import { patternOf } from "./match.js";
import { storeOf } from "./resolve-store.js";
import { type Context, checkRoots, directoryOf, pathOf } from "./roots.js";
import type { CapacityEntry, LocationEntry, LocationVerify } from "./schema.gen.js";
import { addressOf } from "./store.js";
import { parseDuration, parsePercent, parseSize, parseWindow } from "./units.js";
import type { Checked } from "./validate.js";

/** Every location, with standards in place of what is wrong; names and roots are checked against each other. */
export function resolveLocations(
  entries: readonly (Checked<LocationEntry> | undefined)[],
  context: Context,
): Location[] {
  const locations = entries.flatMap((entry, order) => (entry ? [locationOf(entry, order, context)] : []));
  checkNames(entries, context.found);
  checkRoots(locations, entries, context);
  return locations;
}

function locationOf(entry: Checked<LocationEntry>, order: number, context: Context): Location {
  const { found } = context;
  const name = entry.name ?? `location-${order + 1}`;
  checkKeys(entry, found);
  const store = storeOf(entry, found, (path) => pathOf(path, context));
  const directory = directoryOf(entry, context);
  const layout =
    entry.layout === undefined ? undefined : found.attempt([entry, "layout"], () => layoutOf(entry.layout!));
  const verify = entry.verify && verifyOf(entry.verify, found);
  const exclude = excludes(entry, found);
  const capacity = entry.capacity ? capacityOf(entry.capacity, store !== undefined, found) : {};
  return {
    name,
    type: entry.type ?? "local",
    root: store ? addressOf(store) : directory,
    ...(store ? { store } : {}),
    windows: windowsOf(entry, found),
    allowUnconditionalDelete: entry.allow_unconditional_delete ?? false,
    priority: entry.priority ?? 0,
    purpose: [...new Set([entry.purpose ?? []].flat())],
    ...(layout ? { layout } : {}),
    capacity,
    exclude: [...exclude, ...ownState(directory, context.state)],
    domain: entry.domain ?? name,
    readOnly: entry.read_only ?? false,
    status: entry.status ?? "active",
    ...(verify ? { verify } : {}),
    line: found.line(entry),
    order,
  };
}

/** `{project}/{shot}/**` */
export function layoutOf(text: string): Layout {
  const { re2, captures } = compileGlob(text, "layout");
  return { text, re2, captures };
}

function verifyOf(verify: Checked<LocationVerify>, found: Findings): Location["verify"] {
  const { every: written, method = "content" } = verify;
  const every = written === undefined ? undefined : found.attempt([verify, "every"], () => parseDuration(written));
  return every === undefined ? undefined : { every, method };
}

function windowsOf(entry: Checked<LocationEntry>, found: Findings): Window[] {
  const list = (entry.windows ?? []) as (string | undefined)[];
  return list.flatMap((text, index) =>
    text === undefined ? [] : (found.attempt([list, index], () => parseWindow(text)) ?? []),
  );
}

function excludes(entry: Checked<LocationEntry>, found: Findings): Pattern[] {
  if (typeof entry.exclude === "string") {
    const only = entry.exclude;
    return [found.attempt([entry, "exclude"], () => patternOf(only, "path")) ?? []].flat();
  }
  const list = (entry.exclude ?? []) as (string | undefined)[];
  return list.flatMap((glob, index) =>
    glob === undefined ? [] : (found.attempt([list, index], () => patternOf(glob, "path")) ?? []),
  );
}

/** A state directory inside of a location is no content of it. */
function ownState(root: string, state: string): Pattern[] {
  if (root === "") return [];
  const inside = relative(root, state);
  if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return [];
  return [patternOf(`/${escapeGlob(inside.split(sep).join("/"))}/**`, "path")];
}

function capacityOf(entry: CapacityEntry, isStore: boolean, found: Findings): Capacity {
  const capacity: Capacity = {};
  if (entry.max !== undefined) {
    const max = found.attempt([entry, "max"], () => parseSize(entry.max!));
    if (max !== undefined) capacity.max = max;
  }
  const keep = entry.keep_free;
  if (keep !== undefined && isStore) {
    const fact = '"keep_free" has no effect here: a bucket is never full';
    found.warning("NO_EFFECT", [entry, "keep_free", "key"], fact, 'Write "max" for what the files may take in sum.');
  } else if (keep !== undefined) {
    const free = found.attempt([entry, "keep_free"], () =>
      String(keep).includes("%") ? { fraction: parsePercent(keep) } : { bytes: parseSize(keep) },
    );
    if (free) capacity.keepFree = free;
  }
  return capacity;
}

function checkNames(entries: readonly (Checked<LocationEntry> | undefined)[], found: Findings): void {
  const seen = new Map<string, Checked<LocationEntry>>();
  for (const entry of entries) {
    if (entry?.name === undefined) continue;
    checkName(entry, "location", found);
    if (/[:/]/.test(entry.name)) {
      found.error(
        "BAD_NAME",
        [entry, "name"],
        `the name "${entry.name}" contains ":" or "/"`,
        "Addresses are `name:path`.",
      );
    }
    const folded = entry.name.normalize("NFC").toLowerCase();
    const first = seen.get(folded);
    if (first) {
      const same = first.name === entry.name ? "" : ", but for upper and lower case";
      found.error(
        "DUPLICATE_NAME",
        [entry, "name"],
        `there are two locations "${entry.name}"${same}`,
        `The first is in line ${found.line(first)}.`,
      );
    } else seen.set(folded, entry);
  }
}

/** Names are printed, and typed on command lines. */
export function checkName(entry: { name?: string | undefined }, what: string, found: Findings): void {
  const name = entry.name ?? "";
  if (/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(name))
    found.error("BAD_NAME", [entry, "name"], `the name of the ${what} contains control characters`);
  else if (name.trim() !== name || name === "")
    found.error("BAD_NAME", [entry, "name"], `the name "${name}" starts or ends with a space`);
}
