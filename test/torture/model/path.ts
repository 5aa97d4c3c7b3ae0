import { computer } from "./computer.js";
import type { Disk, Inode } from "./disk.js";

/** A path, and where it leads. */
export interface Place {
  path: string;
  disk: Disk;
  /** Below the disk's root. */
  inner: string;
}

/** Mounts are `/<name>`: nothing else is there. */
export function placed(path: string): Place {
  const end = path.indexOf("/", 1);
  const mount = end < 0 ? path : path.slice(0, end);
  const disk = computer.mounts.get(mount);
  if (!disk) throw problem("ENOENT", "open", path);
  return { path, disk, inner: end < 0 ? "" : path.slice(end + 1) };
}

export const problem = (code: string, syscall: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path });

export function statsOf(disk: Disk, inode: Inode, big: boolean) {
  const { isFile, isDirectory, isSymbolicLink } = inode.entries === undefined ? FILE : DIRECTORY;
  const { mtime, ctime, ino, nlink, bytes } = inode;
  const dev = inode.elsewhere ? disk.dev + ELSEWHERE : disk.dev;
  const kinds = { isFile, isDirectory, isSymbolicLink };
  if (big) {
    const sizes = { size: BigInt(bytes.length), mode: 0o644n, nlink: BigInt(nlink), ino, dev };
    return Object.assign(sizes, kinds, { mtimeNs: mtime, ctimeNs: ctime });
  }
  const sizes = { size: bytes.length, mode: 0o644, nlink, ino: Number(ino), dev: Number(dev) };
  const times = { mtimeMs: Number(mtime / 1_000_000n), ctimeMs: Number(ctime / 1_000_000n) };
  return Object.assign(sizes, kinds, times);
}

/** No disk has so high a number. */
const ELSEWHERE = 1000n;

const yes = () => true;
const no = () => false;
const FILE = { isFile: yes, isDirectory: no, isSymbolicLink: no };
const DIRECTORY = { isFile: no, isDirectory: yes, isSymbolicLink: no };
