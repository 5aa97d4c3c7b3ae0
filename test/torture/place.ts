import type { MemoryStore } from "../../src/testing/memory-store.js";
import { type Disk, decided, filesIn, find, type Inode, isLasting, newInode, setLasting } from "./model/disk.js";
import { readingOf } from "./model/handle.js";
import { stage } from "./model/stage.js";

/** A storage as it really is: a directory on a disk, or a bucket. Several locations can lead to one place. */
export type Place = Directory | Bucket;

interface Common {
  name: string;
  uuid: string;
  /** Changes of bytes that no token shows, by version. */
  rotted: Map<object, number>;
}

export interface Directory extends Common {
  kind: "directory";
  disk: Disk;
  /** Its root on the disk, where it shares it with another place. */
  folder: string;
}

export interface Bucket extends Common {
  kind: "bucket";
  store: MemoryStore;
  /** It computes hashes of its own. */
  hashes: boolean;
  makers: Map<object, object | undefined>;
}

/** One copy of some bytes in the true world. */
export interface Copy {
  place: Place;
  key: string;
  text: string;
  kind: "live" | "trash" | "temporary";
  /** A power loss does not take it. */
  lasting: boolean;
  /** Equal for the names of one file. */
  physical: string;
  /** What reading all of it, as it is now, is called. */
  reading: string;
  /** The process that wrote it; undefined for users. */
  maker: object | undefined;
}

const OWN = ".stowage-";

export function* copiesIn(place: Place): Generator<Copy> {
  if (place.kind === "directory") yield* filesOf(place);
  else yield* objectsOf(place);
}

function* filesOf(place: Directory): Generator<Copy> {
  const root = rootOf(place);
  if (!root) return;
  for (const [key, inode] of filesIn(root)) {
    const kind = kindOf(key);
    if (!kind) continue;
    yield {
      ...{ place, key, kind, text: textOf(inode.bytes), physical: `${place.disk.dev}:${inode.ino}` },
      lasting: isLasting(place.disk, place.folder + key),
      reading: readingOf(inode),
      maker: inode.maker,
    };
  }
}

function* objectsOf(place: Bucket): Generator<Copy> {
  for (const [key, version] of place.store.objects) {
    const kind = kindOf(key);
    if (!kind) continue;
    const physical = `${place.name}:${key}`;
    const reading = objectReading(place, key, version);
    const maker = place.makers.get(version);
    yield { place, key, kind, text: textOf(version.bytes), physical, lasting: true, reading, maker };
  }
}

export type Version = MemoryStore["objects"] extends Map<string, infer T> ? T : never;

export const objectReading = (place: Bucket, key: string, version: Version): string =>
  `${place.name}:${key}@${version.token}.${place.rotted.get(version) ?? 0}`;

/** Undefined for the marker and other files of stowage's own that hold nobody's bytes. */
function kindOf(key: string): Copy["kind"] | undefined {
  if (!key.startsWith(OWN)) return "live";
  if (key.startsWith(".stowage-trash/") || key.endsWith(".removing")) return "trash";
  return key.startsWith(".stowage-tmp/") ? "temporary" : undefined;
}

/** The true root, whatever is mounted over it. */
export const rootOf = ({ disk, folder }: Directory): Inode | undefined =>
  find({ ...disk, shown: disk.root }, folder.replace(/\/$/, ""));

export const textOf = (bytes: Buffer): string => bytes.toString("latin1");

export const isLive = (key: string): boolean => kindOf(key) === "live";

/** What users do: it lasts, and it asks nobody. */
export function userWrites(place: Place, key: string, text: string, options: { inPlace: boolean }): void {
  const bytes = Buffer.from(text, "latin1");
  if (place.kind === "bucket") return void place.store.overwrite(key, bytes);
  const root = rootOf(place);
  const parent = root && folderFor(root, key);
  if (!parent?.entries) return;
  const name = key.slice(key.lastIndexOf("/") + 1);
  const there = parent.entries.get(name);
  if (there?.entries) return;
  const inode = options.inPlace && there ? there : newInode(false);
  inode.bytes = bytes;
  inode.edits += 1;
  inode.mtime = inode.ctime = stage.clock;
  setLasting(inode);
  parent.entries.set(name, inode);
  parent.lasting.set(name, inode);
  decided(place.disk, parent, name);
  if (there && there !== inode) there.nlink -= 1;
}

/** Another name of a file, in this or in another directory of the same disk. */
export function userLinks(from: Directory, key: string, to: Directory, name: string): boolean {
  const inode = find({ ...from.disk, shown: from.disk.root }, from.folder + key);
  const root = rootOf(to);
  const parent = root && folderFor(root, name);
  const last = name.slice(name.lastIndexOf("/") + 1);
  if (!inode || inode.entries || !parent?.entries || parent.entries.get(last)?.entries) return false;
  const old = parent.entries.get(last);
  if (old) old.nlink -= 1;
  setLasting(inode);
  parent.entries.set(last, inode);
  parent.lasting.set(last, inode);
  decided(to.disk, parent, last);
  inode.nlink += 1;
  inode.ctime = stage.clock;
  return true;
}

export function userDeletes(place: Place, key: string): void {
  if (place.kind === "bucket") return void Map.prototype.delete.call(place.store.objects, key);
  const root = rootOf(place);
  const parent = root && folderOf(root, key);
  const name = key.slice(key.lastIndexOf("/") + 1);
  const inode = parent?.entries?.get(name);
  if (!parent || !inode || inode.entries) return;
  parent.entries?.delete(name);
  parent.lasting.delete(name);
  decided(place.disk, parent, name);
  inode.nlink -= 1;
  inode.ctime = stage.clock;
}

/** The bytes change, and nothing shows it. */
export function rots(place: Place, key: string): boolean {
  if (place.kind === "bucket") {
    const version = place.store.objects.get(key);
    if (!version || version.bytes.length === 0) return false;
    version.bytes = damaged(version.bytes);
    place.rotted.set(version, (place.rotted.get(version) ?? 0) + 1);
    return true;
  }
  const inode = find({ ...place.disk, shown: place.disk.root }, place.folder + key);
  if (!inode || inode.entries || inode.bytes.length === 0) return false;
  inode.bytes = damaged(inode.bytes);
  inode.durable = inode.bytes;
  inode.edits += 1;
  return true;
}

function damaged(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  const index = stage.random.below(other.length);
  other[index] = (other[index] ?? 0) ^ 0xff;
  return other;
}

function folderOf(root: Inode, key: string): Inode | undefined {
  let folder: Inode | undefined = root;
  for (const name of key.split("/").slice(0, -1)) folder = folder?.entries?.get(name);
  return folder;
}

/** Made where it is missing. */
function folderFor(root: Inode, key: string): Inode | undefined {
  let folder = root;
  for (const name of key.split("/").slice(0, -1)) {
    if (!folder.entries) return undefined;
    const next = folder.entries.get(name) ?? newInode(true);
    folder.entries.set(name, next);
    folder.lasting.set(name, next);
    folder = next;
  }
  return folder.entries ? folder : undefined;
}
