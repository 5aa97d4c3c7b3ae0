import type { Actor } from "./stage.js";
import { stage } from "./stage.js";

/**
 * A file system as POSIX promises it and no more: what was not fsynced can be gone after a power loss, in any combination. A rename is one
 * step, as on every file system with a journal.
 */
export interface Disk {
  name: string;
  dev: bigint;
  root: Inode;
  /** What a path shows; another one while something else is mounted there. */
  shown: Inode;
  hardLinks: boolean;
  /** Only one process uses it, and nothing happens to it between two of its calls: they take no turns. */
  private: boolean;
  /** Changes of directories that are not durable yet, in their order. */
  pending: Change[];
  watch: Watch;
}

/** Hears of everything that takes a name or bytes away, right before. */
export interface Watch {
  /** `path` loses its name. */
  unlinking(disk: Disk, path: string, inode: Inode): void;
  /** `to` leads to another file from now on. */
  replacing(disk: Disk, to: string, old: Inode, inode: Inode): void;
  moved(disk: Disk, from: string, to: string, inode: Inode): void;
  /** Bytes are written into the file that was opened under `path`. */
  writing(disk: Disk, path: string, inode: Inode): void;
  /** It is looked whether and what is there. */
  looking(disk: Disk, path: string): void;
  /** The name is taken with a new file. */
  creating(disk: Disk, path: string): void;
}

export interface Inode {
  ino: bigint;
  entries: Map<string, Inode> | undefined;
  /** The names that outlast a power loss. */
  lasting: Map<string, Inode>;
  bytes: Buffer;
  /** The bytes that outlast it. */
  durable: Buffer;
  mtime: bigint;
  ctime: bigint;
  nlink: number;
  /** Counts changes of its bytes. */
  edits: number;
  maker: Actor | undefined;
  /** It is in what was mounted over a disk for a while. */
  elsewhere?: true;
}

interface Change {
  touched: Inode[];
  redo: () => void;
  /** What this name leads to is decided by it, whatever came before. */
  decides?: { directory: Inode; name: string };
}

const NOBODY: Watch = {
  unlinking: () => undefined,
  replacing: () => undefined,
  moved: () => undefined,
  writing: () => undefined,
  looking: () => undefined,
  creating: () => undefined,
};

let inodes = 0n;
let devices = 0n;

export function newDisk(name: string, hardLinks = true): Disk {
  const root = newInode(true);
  devices += 1n;
  return { name, dev: devices, root, shown: root, hardLinks, private: false, pending: [], watch: NOBODY };
}

export function restartNumbers(): void {
  [inodes, devices] = [0n, 0n];
}

export function newInode(directory: boolean): Inode {
  inodes += 1n;
  return {
    ino: inodes,
    entries: directory ? new Map() : undefined,
    lasting: new Map(),
    bytes: NOTHING,
    durable: NOTHING,
    mtime: stage.clock,
    ctime: stage.clock,
    nlink: 1,
    edits: 0,
    maker: stage.current,
  };
}

const NOTHING = Buffer.alloc(0);

/** The inode at a path below the disk's root; undefined where there is none. */
export function find(disk: Disk, path: string): Inode | undefined {
  let inode: Inode | undefined = disk.shown;
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    inode = inode.entries?.get(name);
    if (!inode) return undefined;
  }
  return inode;
}

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Notes a change of directories that was just made. */
export function changed(disk: Disk, touched: Inode[], redo: () => void, decides?: Change["decides"]): void {
  for (const inode of touched) inode.mtime = inode.ctime = stage.clock;
  disk.pending.push({ touched, redo, ...(decides && { decides }) });
}

/** fsync: of a directory its names, of a file its bytes. */
export function sync(disk: Disk, inode: Inode): void {
  if (!inode.entries) {
    inode.durable = inode.bytes;
    return;
  }
  const { pending } = disk;
  const done = pending.filter(({ touched }) => touched.includes(inode));
  for (const { redo } of done) redo();
  disk.pending = pending.filter((change, index) => {
    // A rename is made durable by either of its directories: what the name led to before does not come back.
    const over = (later: Change) => pending.indexOf(later) > index && isSameName(later.decides, change.decides);
    return !done.includes(change) && !(change.decides && done.some(over));
  });
}

/** syncfs: what the file system holds now is durable when the returned function has run; what is written in between is not for that. */
export function beginSyncAll(disk: Disk): () => void {
  const { root } = disk;
  const written = [...filesIn(root)].map(([, inode]) => ({ inode, bytes: inode.bytes, durable: inode.durable }));
  const changes = [...disk.pending];
  return () => {
    // What was synced by itself meanwhile is newer.
    for (const { inode, bytes, durable } of written) if (inode.durable === durable) inode.durable = bytes;
    const left = changes.filter((change) => disk.pending.includes(change));
    for (const { redo } of left) redo();
    disk.pending = disk.pending.filter((change) => !left.includes(change));
  };
}

const isSameName = (a: Change["decides"], b: Change["decides"]): boolean =>
  a !== undefined && a.directory === b?.directory && a.name === b.name;

/** What a name leads to was decided for good: nothing that is not durable yet comes after it. */
export function decided(disk: Disk, directory: Inode, name: string): void {
  disk.pending = disk.pending.filter(({ decides }) => !isSameName(decides, { directory, name }));
}

/** What users and other programs did long ago, or waited for. */
export function settle(disk: Disk): void {
  for (const change of disk.pending) change.redo();
  disk.pending = [];
}

export function setLasting(inode: Inode): void {
  inode.durable = inode.bytes;
}

/** The power goes: of what was not synced some is there and some is not. */
export function losePower(disk: Disk): void {
  const { random } = stage;
  const inOrder = random.chance(0.5);
  const upTo = random.below(disk.pending.length + 1);
  disk.pending.forEach((change, index) => {
    if (inOrder ? index < upTo : random.chance(0.5)) change.redo();
  });
  disk.pending = [];
  revert(disk.root, new Set());
}

function revert(inode: Inode, seen: Set<Inode>): void {
  if (seen.has(inode)) return;
  seen.add(inode);
  if (inode.entries) {
    inode.entries = new Map(inode.lasting);
    for (const child of inode.entries.values()) revert(child, seen);
  } else if (inode.bytes !== inode.durable) {
    const { random } = stage;
    const torn = inode.bytes.subarray(0, random.below(inode.bytes.length + 1));
    inode.bytes = random.pick([inode.durable, inode.durable, torn, inode.bytes]);
    inode.durable = inode.bytes;
    inode.edits += 1;
  }
}

/** True when a power loss could not take it away. */
export function isLasting(disk: Disk, path: string): boolean {
  let inode: Inode | undefined = disk.root;
  for (const name of path.split("/")) {
    if (name === "") continue;
    const next: Inode | undefined = inode.entries?.get(name);
    if (!next || inode.lasting.get(name) !== next) return false;
    inode = next;
  }
  return inode.bytes === inode.durable || inode.bytes.equals(inode.durable);
}

/** Every file below a directory, by its path. */
export function* filesIn(inode: Inode, prefix = ""): Generator<[string, Inode]> {
  for (const [name, child] of inode.entries ?? []) {
    if (child.entries) yield* filesIn(child, `${prefix}${name}/`);
    else yield [prefix + name, child];
  }
}
