import type { Entry } from "../backend.js";
import { localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";

/** Device and inode: two names with the same are the same bytes, wherever the names stand. */
export const physicalOf = (stat: Pick<Stat, "dev" | "ino">): string => `${stat.dev}:${stat.ino}`;

/** The same file with the same bytes, whatever names it has: each new one, and each that goes, changes its time of change. */
export const isSame = (a: Stat, b: Stat): boolean =>
  a.ino === b.ino && a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs;

export const entryOf = (key: string, stat: Stat): Entry => ({
  key,
  size: Number(stat.size),
  mtime: stat.mtimeNs,
  version: localVersion(stat),
  physical: physicalOf(stat),
});
