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
  const directory = inode.entries !== undefined;
  const times = { mtimeNs: inode.mtime, ctimeNs: inode.ctime };
  const whole = { size: BigInt(inode.bytes.length), mode: 0o644n, nlink: BigInt(inode.nlink) };
  const kinds = {
    isFile: () => !directory,
    isDirectory: () => directory,
    isSymbolicLink: () => false,
  };
  if (big) return { ...whole, ...times, ...kinds, ino: inode.ino, dev: disk.dev };
  const { size, mode, nlink } = whole;
  return {
    ...{ size: Number(size), mode: Number(mode), nlink: Number(nlink), ino: Number(inode.ino), dev: Number(disk.dev) },
    ...{ mtimeMs: Number(inode.mtime / 1_000_000n), ctimeMs: Number(inode.ctime / 1_000_000n) },
    ...kinds,
  };
}
