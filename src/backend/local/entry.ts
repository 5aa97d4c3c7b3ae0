import type { Entry } from "../backend.js";
import { localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";

/** Device and inode: two names with the same are the same bytes, wherever the names stand. */
export const physicalOf = (stat: Pick<Stat, "dev" | "ino">): string => `${stat.dev}:${stat.ino}`;

export const entryOf = (key: string, stat: Stat): Entry => ({
  key,
  size: Number(stat.size),
  mtime: stat.mtimeNs,
  version: localVersion(stat),
  physical: physicalOf(stat),
});
