import type { BigIntStats } from "node:fs";

type Parts = Pick<BigIntStats, "size" | "mtimeNs" | "ctimeNs" | "ino">;

/**
 * The version token of a local file (S13): equal exactly when size, mtime, ctime and inode are. Scanning and the local
 * backend must give the same token for the same file, so both call this.
 */
export const localVersion = (stat: Parts): string => `${stat.size}-${stat.mtimeNs}-${stat.ctimeNs}-${stat.ino}`;

/** Whether the two have one version, without the text of it. */
export const isSameVersion = (a: Parts, b: Parts): boolean =>
  a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.size === b.size && a.ino === b.ino;

/** The size, and the time of modification in nanoseconds, that a version tells. */
export function partsOf(version: string): { size: number; mtime: bigint } | undefined {
  const [, size, mtime] = /^(\d+)-(-?\d+)-/.exec(version) ?? [];
  return size === undefined || mtime === undefined ? undefined : { size: Number(size), mtime: BigInt(mtime) };
}

/** Equal for the names of one hard-linked file; undefined for a file with a single name. */
export const localPhysical = (stat: Pick<BigIntStats, "dev" | "ino" | "nlink">): string | undefined =>
  stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;

/**
 * True when two versions differ in nothing but the ctime: the file says that it was not written (size, mtime and inode are
 * as they were), and still something touched it: a changed owner or mode, a new hard link, or bytes that changed behind its back.
 */
export function isTouchedOnly(before: string, after: string): boolean {
  const form = /^(\d+--?\d+)-(-?\d+)-(\d+)$/;
  const [was, is] = [form.exec(before), form.exec(after)];
  return was !== null && is !== null && was[1] === is[1] && was[3] === is[3] && was[2] !== is[2];
}
