import type { BigIntStats } from "node:fs";

/**
 * The version token of a local file (S13): equal exactly when size, mtime, ctime and inode are. Scanning and the local
 * backend must give the same token for the same file, so both call this.
 */
export const localVersion = (stat: Pick<BigIntStats, "size" | "mtimeNs" | "ctimeNs" | "ino">): string =>
  `${stat.size}-${stat.mtimeNs}-${stat.ctimeNs}-${stat.ino}`;

/** Equal for the names of one hard-linked file; undefined for a file with a single name. */
export const localPhysical = (stat: Pick<BigIntStats, "dev" | "ino" | "nlink">): string | undefined =>
  stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;
