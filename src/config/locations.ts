import { isAbsolute, join, relative, resolve, sep } from "node:path";
import type { Capacity, Layout, Location, Pattern } from "./config.js";
import type { Findings } from "./findings.js";
import { compileGlob, escapeGlob } from "./glob.js";
import { patternOf } from "./match.js";
import type { CapacityEntry, LocationEntry, LocationVerify } from "./schema.gen.js";
import { parseDuration, parsePercent, parseSize } from "./units.js";
import type { Checked } from "./validate.js";

/** Where relative paths and `~` lead, and where findings go. */
export interface Context {
  found: Findings;
  /** The folder of storage.yaml. */
  folder: string;
  home: string;
  /** Absolute path of the state directory. */
  state: string;
}

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

/** `~` is the home directory, the rest is relative to the folder of storage.yaml. */
export function pathOf(text: string, context: Pick<Context, "folder" | "home">): string {
  if (text === "~") return context.home;
  if (text.startsWith("~/")) return join(context.home, text.slice(2));
  return resolve(context.folder, text);
}

function locationOf(entry: Checked<LocationEntry>, order: number, context: Context): Location {
  const { found } = context;
  const name = entry.name ?? `location-${order + 1}`;
  const root = rootOf(entry, context);
  const layout =
    entry.layout === undefined ? undefined : found.attempt([entry, "layout"], () => layoutOf(entry.layout!));
  const verify = entry.verify && verifyOf(entry.verify, found);
  const exclude = excludes(entry, found);
  const capacity = entry.capacity ? capacityOf(entry.capacity, found) : {};
  return {
    name,
    type: entry.type ?? "local",
    root,
    windows: [],
    allowUnconditionalDelete: false,
    priority: entry.priority ?? 0,
    purpose: [...new Set([entry.purpose ?? []].flat())],
    ...(layout ? { layout } : {}),
    capacity,
    exclude: [...exclude, ...ownState(root, context.state)],
    domain: entry.domain ?? name,
    readOnly: entry.read_only ?? false,
    status: entry.status ?? "active",
    ...(verify ? { verify } : {}),
    line: found.line(entry),
    order,
  };
}

/** Was written, but is nothing that could be read. */
const isWrong = <T extends object>(entry: T, key: keyof T): boolean => key in entry && entry[key] === undefined;

/** The key that the directory of a location is under, which may be that of another type. */
function rootKey(entry: Checked<LocationEntry>): "path" | "mount_path" {
  const [wanted, other] =
    entry.type === "network" ? (["mount_path", "path"] as const) : (["path", "mount_path"] as const);
  return other in entry && !(wanted in entry) ? other : wanted;
}

/** Empty where it is not known. */
function rootOf(entry: Checked<LocationEntry>, context: Context): string {
  const { found } = context;
  if (entry.type !== undefined) checkRootKeys(entry, entry.type, found);
  const key = rootKey(entry);
  const text = entry[key];
  if (text === undefined) return "";
  if (text.includes("\0")) found.error("WRONG_VALUE", [entry, key], "the path contains a NUL character");
  if (/^~[^/]/.test(text)) {
    found.error("WRONG_VALUE", [entry, key], `"${text}": only ~ and ~/… are the home directory`, "Write the path out.");
  }
  return pathOf(text, context);
}

function checkRootKeys(entry: Checked<LocationEntry>, type: LocationEntry["type"], found: Findings): void {
  const [wanted, other] = type === "network" ? (["mount_path", "path"] as const) : (["path", "mount_path"] as const);
  if (entry[other] !== undefined) {
    const hint = wanted in entry ? `Remove "${other}".` : `Rename "${other}" to "${wanted}".`;
    found.error("WRONG_KEY", [entry, other, "key"], `a ${type} location has its directory in "${wanted}"`, hint);
  } else if (!(wanted in entry) && !(other in entry)) {
    const subject = entry.name === undefined ? "the location" : `the location "${entry.name}"`;
    found.error("MISSING_KEY", entry, `${subject} needs "${wanted}"`, "The directory where its files lie.");
  }
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

/** One storage twice would count one copy as two. What links lead to is checked by scanning. */
function checkRoots(
  locations: readonly Location[],
  entries: readonly (Checked<LocationEntry> | undefined)[],
  { found, state }: Context,
): void {
  const live = locations.filter(({ root, status, order }) => {
    const isKnown = root !== "" && !isWrong(entries[order]!, "status");
    return isKnown && status !== "retired";
  });
  for (const [index, location] of live.entries()) {
    const entry = entries[location.order]!;
    const at = [entry, rootKey(entry)] as const;
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
