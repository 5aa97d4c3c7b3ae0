import { join, resolve, sep } from "node:path";
import type { Location } from "./config.js";
import type { At, Findings } from "./findings.js";
import type { LocationEntry } from "./schema.gen.js";
import { bucketOf, type Store } from "./store.js";
import type { Checked } from "./validate.js";

type Entry = Checked<LocationEntry>;

/** Where relative paths and `~` lead, and where findings go. */
export interface Context {
  found: Findings;
  /** The folder of storage.yaml. */
  folder: string;
  home: string;
  /** Absolute path of the state directory. */
  state: string;
}

/** `~` is the home directory, the rest is relative to the folder of storage.yaml. */
export function pathOf(text: string, context: Pick<Context, "folder" | "home">): string {
  if (text === "~") return context.home;
  if (text.startsWith("~/")) return join(context.home, text.slice(2));
  return resolve(context.folder, text);
}

/** The directory of a location; empty where it has none, or none that is known. */
export function directoryOf(entry: Entry, context: Context): string {
  const { found } = context;
  if (entry.type !== undefined && entry.type !== "local" && entry.type !== "network") return "";
  const key = rootKey(entry);
  const text = entry[key];
  if (text === undefined) return "";
  if (text.includes("\0")) found.error("WRONG_VALUE", [entry, key], "the path contains a NUL character");
  if (/^~[^/]/.test(text)) {
    found.error("WRONG_VALUE", [entry, key], `"${text}": only ~ and ~/… are the home directory`, "Write the path out.");
  }
  return pathOf(text, context);
}

/** The key that the directory of a location is under, which may be that of another type. */
function rootKey(entry: Entry): "path" | "mount_path" {
  const [wanted, other] =
    entry.type === "network" ? (["mount_path", "path"] as const) : (["path", "mount_path"] as const);
  return other in entry && !(wanted in entry) ? other : wanted;
}

/** One storage twice would count one copy as two. What links lead to is checked by scanning. */
export function checkRoots(
  locations: readonly Location[],
  entries: readonly (Entry | undefined)[],
  { found, state }: Context,
): void {
  const live = locations.filter(({ root, status, order }) => {
    const entry = entries[order]!;
    const isWrong = "status" in entry && entry.status === undefined;
    return root !== "" && status !== "retired" && !isWrong;
  });
  for (const [index, location] of live.entries()) {
    const entry = entries[location.order]!;
    const at: At = [entry, location.store ? bucketKey(location.store) : rootKey(entry)];
    if (!location.store && (location.root === state || isInside(location.root, state))) {
      const hint = "Write another `settings: { state: … }`.";
      found.error("NESTED_ROOT", at, `"${location.name}" lies inside of the state directory`, hint);
    }
    for (const other of live.slice(0, index)) {
      if (location.store && other.store) checkBuckets(location, location.store, other, other.store, at, found);
      else if (!location.store && !other.store) checkDirectories(location, other, at, found);
    }
  }
}

const TWICE = "One storage can not hold two copies.";

function checkDirectories(location: Location, other: Location, at: At, found: Findings): void {
  if (location.root === other.root) {
    found.error("SAME_ROOT", at, `"${location.name}" and "${other.name}" are the same directory`, TWICE);
  } else if (isInside(location.root, other.root)) tellNested(location, other, at, found);
  else if (isInside(other.root, location.root)) tellNested(other, location, at, found);
}

const tellNested = (inner: Location, outer: Location, at: At, found: Findings): void =>
  found.error("NESTED_ROOT", at, `"${inner.name}" lies inside of "${outer.name}"`, TWICE);

const isInside = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

const bucketKey = (store: Store): "container" | "use" | "bucket" =>
  store.type === "azure" ? "container" : store.type === "plugin" ? "use" : "bucket";

function checkBuckets(location: Location, store: Store, other: Location, theirs: Store, at: At, found: Findings): void {
  const bucket = bucketOf(store);
  if (bucket === undefined || bucket !== bucketOf(theirs)) return;
  const [mine, their] = [prefixOf(store), prefixOf(theirs)];
  if (mine === their) {
    found.error("SAME_ROOT", at, `"${location.name}" and "${other.name}" are the same part of one bucket`, TWICE);
  } else if (mine.startsWith(their)) tellNested(location, other, at, found);
  else if (their.startsWith(mine)) tellNested(other, location, at, found);
  else if (location.domain !== other.domain) {
    const hint = "Give both the same `domain`, so that they never count as two.";
    found.warning(
      "SHARED_BUCKET",
      at,
      `"${location.name}" and "${other.name}" lie in one bucket, and can be lost together`,
      hint,
    );
  }
}

const prefixOf = (store: Store): string => ("prefix" in store ? store.prefix : "");
