import { stat, statfs } from "node:fs/promises";
import { resolve } from "node:path";
import { codeOf } from "../lib/error.js";
import type { Backend, Features } from "./backend.js";
import { hands } from "./hands.js";
import { type Disk, failure, openDisk, requireRoot } from "./local/disk.js";
import { handed, plain } from "./local/handed.js";
import { listLeftovers, purgeLeftover, restoreRun } from "./local/leftovers.js";
import { listFiles } from "./local/list.js";
import { writeMarkerFile } from "./local/marker.js";
import { settleFile } from "./local/read.js";
import { localRegister } from "./local/register.js";
import { tidyTrash } from "./local/remove.js";
import { localShelf } from "./local/shelf.js";

export interface LocalOptions {
  /** What is known of the file system; unprobed parts are taken as those of an ordinary disk. */
  features?: Partial<Features>;
  /** Once more calls than this are under way at a time, or many were made, threads work on small files; unset: never. */
  hands?: number;
  /** From so many files on that are to be durable at the same moment, one call serves them all where the file system can. */
  enough?: number;
  /** Called before and after each change of the disk; what it throws counts as that change's error. For fault tests. */
  step?: (name: string) => void | Promise<void>;
}

const ORDINARY: Features = {
  foldsCase: false,
  foldsUnicode: false,
  hardLinks: true,
  mtimeGranularity: 1,
  maxNameBytes: 255,
  readsBack: true,
};

/** A directory of this machine, or a network mount. Opening touches nothing; the methods find out whether the root is there. */
export function localBackend(location: string, root: string, options: LocalOptions = {}): Backend {
  const features = { ...ORDINARY, ...options.features };
  const disk = openDisk(location, resolve(root), { ...options, hardLinks: features.hardLinks });
  const { hands: few } = options;
  const rest = async (): Promise<void> => {
    await Promise.all([few === undefined ? undefined : hands().close(), disk.barrier.close()]);
  };
  return {
    location,
    features,
    root: disk.root,
    writeMarker: (uuid, { replace = false } = {}) => writeMarkerFile(disk, uuid, replace),
    identity: () => identityOf(disk),
    list: (listing = {}) => listFiles(disk, listing),
    ...(few === undefined ? plain(disk) : handed(disk, hands(), few)),
    // It links, or reserves the name with an empty file that is created only if there is none.
    refusesTaken: async () => true,
    settle: (key) => settleFile(disk, key),
    register: localRegister(disk),
    journals: localShelf(disk),
    tidy: async (run) => {
      await tidyTrash(disk, run);
      await rest();
    },
    space: () => spaceOf(disk),
    leftovers: () => listLeftovers(disk),
    purge: (leftover) => purgeLeftover(disk, leftover),
    restore: (run) => restoreRun(disk, run),
    close: rest,
  };
}

async function identityOf(disk: Disk): Promise<string> {
  try {
    const found = await stat(disk.root, { bigint: true });
    return `${found.dev}:${found.ino}`;
  } catch (error) {
    if (codeOf(error) === "ENOENT") await requireRoot(disk);
    throw failure(disk, "", error);
  }
}

async function spaceOf(disk: Disk): Promise<{ total: number; free: number }> {
  try {
    const { blocks, bavail, bsize } = await statfs(disk.root, { bigint: true });
    return { total: Number(blocks * bsize), free: Number(bavail * bsize) };
  } catch (error) {
    if (codeOf(error) === "ENOENT") await requireRoot(disk);
    throw failure(disk, "", error);
  }
}
