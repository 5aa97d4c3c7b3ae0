import { isAbsolute, join, relative, resolve, sep } from "node:path";
import type { Capacity, Layout, Location, Pattern } from "./config.js";
import type { Findings } from "./findings.js";
import { compileGlob, escapeGlob } from "./glob.js";
import { patternOf } from "./match.js";
import type { CapacityEntry, LocationEntry } from "./schema.gen.js";
import { parseDuration, parsePercent, parseSize } from "./units.js";

/** Where relative paths and `~` lead, and where findings go. */
export interface Context {
  found: Findings;
  /** The folder of storage.yaml. */
  folder: string;
  home: string;
  /** Absolute path of the state directory. */
  state: string;
}

/** The locations that have no error of their own; names and roots are checked against each other. */
export function resolveLocations(entries: readonly (LocationEntry | undefined)[], context: Context): Location[] {
  const locations = entries.flatMap((entry, order) => (entry ? (locationOf(entry, order, context) ?? []) : []));
  checkNames(entries, context.found);
  checkRoots(locations, entries, context);
  return locations;
}

/** `~` is the home directory, the rest is relative to the folder of storage.yaml. */
export function pathOf(text: string, context: Pick<Context, "folder" | "home">): string {
  if (text === "~") return context.home;
  if (text.startsWith("~/")) return join(context.home, text.slice(2));
  return resolve(context.folder, text);
}

function locationOf(entry: LocationEntry, order: number, context: Context): Location | undefined {
  const { found } = context;
  const root = rootOf(entry, context);
  const layout =
    entry.layout === undefined ? undefined : found.attempt([entry, "layout"], () => layoutOf(entry.layout!));
  const verify = entry.verify && found.attempt([entry.verify, "every"], () => verifyOf(entry.verify!));
  const exclude = excludes(entry, found);
  const capacity = entry.capacity ? capacityOf(entry.capacity, found) : {};
  if (root === undefined) return undefined;
  return {
    name: entry.name,
    type: entry.type,
    root,
    priority: entry.priority ?? 0,
    purpose: [...new Set([entry.purpose ?? []].flat())],
    ...(layout ? { layout } : {}),
    capacity,
    exclude: [...exclude, ...ownState(root, context.state)],
    domain: entry.domain ?? entry.name,
    readOnly: entry.read_only ?? false,
    status: entry.status ?? "active",
    ...(verify ? { verify } : {}),
    line: found.line(entry),
    order,
  };
}

function rootOf(entry: LocationEntry, context: Context): string | undefined {
  const { found } = context;
  const [wanted, other] =
    entry.type === "network" ? (["mount_path", "path"] as const) : (["path", "mount_path"] as const);
  if (entry[other] !== undefined) {
    const message = `a ${entry.type} location has its directory in "${wanted}"`;
    found.error(
      "WRONG_KEY",
      [entry, other, "key"],
      message,
      entry[wanted] === undefined ? `Rename "${other}" to "${wanted}".` : `Remove "${other}".`,
    );
    return entry[wanted] === undefined ? undefined : pathOf(entry[wanted], context);
  }
  const text = entry[wanted];
  if (text === undefined) {
    found.error(
      "MISSING_KEY",
      entry,
      `the location "${entry.name}" needs "${wanted}"`,
      "The directory where its files lie.",
    );
    return undefined;
  }
  if (text.includes("\0")) found.error("WRONG_VALUE", [entry, wanted], "the path contains a NUL character");
  if (/^~[^/]/.test(text)) {
    found.error(
      "WRONG_VALUE",
      [entry, wanted],
      `"${text}": only ~ and ~/… are the home directory`,
      "Write the path out.",
    );
  }
  return pathOf(text, context);
}

/** `{project}/{shot}/**` */
export function layoutOf(text: string): Layout {
  const { re2, captures } = compileGlob(text, "layout");
  return { text, re2, captures };
}

function verifyOf(verify: NonNullable<LocationEntry["verify"]>): NonNullable<Location["verify"]> {
  return { every: parseDuration(verify.every), method: verify.method ?? "content" };
}

function excludes(entry: LocationEntry, found: Findings): Pattern[] {
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
  const inside = relative(root, state);
  if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) return [];
  return [patternOf(`/${escapeGlob(inside.split(sep).join("/"))}/**`, "path")];
}

function capacityOf(entry: CapacityEntry, found: Findings): Capacity {
  const capacity: Capacity = {};
  if (entry.max !== undefined) {
    const max = found.attempt([entry, "max"], () => parseSize(entry.max!));
    if (max !== undefined) capacity.max = max;
  }
  const keep = entry.keep_free;
  if (keep !== undefined) {
    const free = found.attempt([entry, "keep_free"], () =>
      String(keep).includes("%") ? { fraction: parsePercent(keep) } : { bytes: parseSize(keep) },
    );
    if (free) capacity.keepFree = free;
  }
  return capacity;
}

function checkNames(entries: readonly (LocationEntry | undefined)[], found: Findings): void {
  const seen = new Map<string, LocationEntry>();
  for (const entry of entries) {
    if (!entry) continue;
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
export function checkName(entry: { name?: string }, what: string, found: Findings): void {
  const name = entry.name ?? "";
  if (/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(name))
    found.error("BAD_NAME", [entry, "name"], `the name of the ${what} contains control characters`);
  else if (name.trim() !== name || name === "")
    found.error("BAD_NAME", [entry, "name"], `the name "${name}" starts or ends with a space`);
}

/** One storage twice would count one copy as two. What links lead to is checked by scanning. */
function checkRoots(
  locations: readonly Location[],
  entries: readonly (LocationEntry | undefined)[],
  { found, state }: Context,
): void {
  const live = locations.filter((location) => location.status !== "retired");
  for (const [index, location] of live.entries()) {
    const entry = entries[location.order]!;
    const at = [entry, entry.type === "network" ? "mount_path" : "path"] as const;
    if (location.root === state || isInside(location.root, state)) {
      found.error(
        "NESTED_ROOT",
        at,
        `"${location.name}" lies inside of the state directory`,
        "Write another `settings: { state: … }`.",
      );
    }
    for (const other of live.slice(0, index)) {
      if (location.root === other.root) {
        found.error(
          "SAME_ROOT",
          at,
          `"${location.name}" and "${other.name}" are the same directory`,
          "One storage can not hold two copies.",
        );
      } else if (isInside(location.root, other.root) || isInside(other.root, location.root)) {
        const [inner, outer] = isInside(location.root, other.root) ? [location, other] : [other, location];
        found.error(
          "NESTED_ROOT",
          at,
          `"${inner.name}" lies inside of "${outer.name}"`,
          "One storage can not hold two copies.",
        );
      }
    }
  }
}

const isInside = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
