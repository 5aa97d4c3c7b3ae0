import { markerText } from "../../src/backend/marker.js";
import { type MemoryBackend, memoryBackend } from "../../src/backend/memory.js";
import { type MemoryStore, memoryStore } from "../../src/testing/memory-store.js";
import { type ActionSpec, ref, type Tree, uuidOf } from "../setup/apply.js";
import type { Defect } from "./defects.js";

/** A small world and those who work on it at once. */
export interface Script {
  /** In the order of their keepers: what is earlier vouches for what is later. */
  places: Record<string, Kind>;
  tree: Tree;
  machines: Record<string, ActionSpec[]>;
  /** So many copies of each content are required. */
  floor: number;
  /** What a user writes (null: deletes), one after the other, at any time. */
  user?: [address: string, text: string | null][];
  /** All of the tree when all has been applied, and once more. */
  end?: Tree;
  /** A machine that was killed starts again. */
  restarts?: true;
  defect?: Defect;
}

export type Kind = "directory" | "bucket" | "versioned bucket";

export interface Place {
  kind: Kind;
  memory?: MemoryBackend;
  store?: MemoryStore;
}

export function openPlaces({ places, tree }: Script): Map<string, Place> {
  const opened = new Map<string, Place>();
  for (const [name, kind] of Object.entries(places)) {
    if (kind === "directory") opened.set(name, { kind, memory: memoryBackend(name, uuidOf(name)) });
    else opened.set(name, { kind, store: memoryStore({ address: `memory://${name}`, versioned: kind !== "bucket" }) });
    opened.get(name)?.store?.overwrite(".stowage-location", Buffer.from(markerText(uuidOf(name))));
  }
  for (const [address, text] of Object.entries(tree)) set(opened, address, text);
  return opened;
}

export function set(places: Map<string, Place>, address: string, text: string | null): void {
  const { location, key } = ref(address);
  const place = places.get(location);
  if (text === null) void (place?.memory?.objects.delete(key) || place?.store?.objects.delete(key));
  else if (place?.memory) place.memory.put(key, text);
  else place?.store?.overwrite(key, Buffer.from(text));
}

/** The names that somebody changes, by location. */
export function sharedIn({ places, machines, user = [] }: Script): Map<string, ReadonlySet<string>> {
  const all = [...Object.values(machines).flat().flatMap(changedIn), ...user.map(([address]) => address)].map(ref);
  const names = (name: string) => all.filter(({ location }) => location === name).map(({ key }) => key);
  return new Map(Object.keys(places).map((name) => [name, new Set(names(name))]));
}

export const changedIn = ({ kind, from, to }: ActionSpec): string[] => [
  ...(kind === "copy" ? [] : [from]),
  ...(to === undefined ? [] : [to]),
];

const isOwn = (name: string): boolean => name.startsWith(".stowage-");

export const objectsOf = ({ memory, store }: Place): [string, string, string][] =>
  [...(memory?.objects ?? new Map(store!.objects))]
    .filter(([name]) => !isOwn(name))
    .map(([name, object]): [string, string, string] => [
      name,
      object.bytes.toString(),
      "token" in object ? object.token : object.version,
    ])
    .sort();

export function treeOf(places: ReadonlyMap<string, Place>): Tree {
  return Object.fromEntries(
    [...places].flatMap(([location, place]) => objectsOf(place).map(([key, text]) => [`${location}:${key}`, text])),
  );
}

/** I1: each content is in as many places as it must be. */
export function requireCopies({ tree, floor }: Script, now: [string, string][]): void {
  for (const content of new Set(Object.values(tree))) {
    const [had, has] = [placesOf(Object.entries(tree), content), placesOf(now, content)];
    if (has.size < Math.min(had.size, floor))
      throw new Error(`I1: "${content}" is left in ${[...has].join(", ") || "no place"}`);
  }
}

const placesOf = (tree: [string, string][], content: string): Set<string> =>
  new Set(tree.flatMap(([address, text]) => (text === content ? [ref(address).location] : [])));

/** What a directory has put aside is there until it is let go. */
export const asideIn = (places: ReadonlyMap<string, Place>): [string, string][] =>
  [...places].flatMap(([location, { memory }]) =>
    [...(memory?.trash.values() ?? [])].map(({ key, bytes }): [string, string] => [
      `${location}:${key}`,
      bytes.toString(),
    ]),
  );
