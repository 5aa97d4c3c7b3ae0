import { constants } from "node:fs";
import { dirname } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import { type FileHandle, lstat, open, stat } from "./calls.js";
import { ENOUGH, openSyncfs, type Syncfs } from "./libc.js";

/**
 * Makes files and names durable, many with one call where the file system can. Who comes while a call runs waits for the next one, which begins
 * after that: all that was written before `file` or `name` was called is durable when it returns (I1).
 */
export interface Barrier {
  /** Before anything is written that `file` is called for; serves until `close`. */
  open(): Promise<void>;
  file(handle: FileHandle): Promise<void>;
  /**
   * A name; with `dev` that of what was seen there, on that device. @throws `ENOENT` when its directory is not there, `UNAVAILABLE` when that is
   * another one by now
   */
  name(path: string, dev?: bigint): Promise<void>;
  close(): Promise<void>;
}

interface Wish {
  dev: bigint;
  /** Makes durable this one and nothing else. */
  alone: () => Promise<void>;
  settled: (outcome: PromiseLike<void> | undefined) => void;
}

/** From `enough` wishes on, one call serves them all. */
export function openBarrier(root: string, enough = ENOUGH): Barrier {
  let opening: Promise<Syncfs | undefined> | undefined;
  let broken = false;
  let running: Promise<void> | undefined;
  let waiting: Wish[] = [];
  let directories = new Map<string, Promise<void>>();

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      // Whoever is about to come still comes in time.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      const group = waiting;
      waiting = [];
      directories = new Map();
      const dev = group.length < enough ? undefined : await together();
      const alone = group.filter((wish) => wish.dev !== dev);
      await Promise.all(alone.map((wish) => settledAlone(wish)));
      for (const wish of group) if (wish.dev === dev) wish.settled(undefined);
    }
    // At once: whoever comes from now on finds nobody at work.
    running = undefined;
  }
  /** The file system on which all is durable now, as far as it was written before. */
  async function together(): Promise<bigint | undefined> {
    const syncfs = broken ? undefined : await opening;
    try {
      await syncfs?.sync();
      return syncfs?.dev;
    } catch {
      // It does not tell what was lost: each file does, through the handle that it was written with. Nor is it trusted again.
      broken = true;
      return undefined;
    }
  }
  const wish = (dev: bigint, alone: Wish["alone"]): Promise<void> =>
    new Promise<void>((settled) => {
      waiting.push({ dev, alone, settled });
      running ??= run();
    });
  return {
    async open() {
      opening ??= openSyncfs(root).catch(() => undefined);
      await opening;
    },
    file: async (handle) => wish((await handle.stat({ bigint: true })).dev, () => handle.sync()),
    async name(path, seen) {
      const dev = seen ?? (await stat(dirname(path), EXACT)).dev;
      const directory = `${dirname(path)}\0${seen ?? ""}`;
      const own = directories.get(directory) ?? wish(dev, () => syncNames(path, seen));
      directories.set(directory, own);
      await own;
    },
    async close() {
      const syncfs = opening;
      opening = undefined;
      await running;
      (await syncfs)?.close();
    },
  };
}

async function settledAlone({ alone, settled }: Wish): Promise<void> {
  const outcome = alone();
  settled(outcome);
  // Whoever wished for it is told.
  await outcome.catch(() => undefined);
}

/** Some network file systems have no fsync for directories: they answer with one of these. */
const NO_DIRECTORY_SYNC = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EBADF", "EISDIR", "EPERM", "ENOSYS"]);

async function syncNames(path: string, seen: bigint | undefined): Promise<void> {
  const directory = dirname(path);
  const handle = await open(directory, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    const { dev } = await handle.stat(EXACT);
    await handle.sync();
    if (seen !== undefined && seen !== dev) await requireThere(path, dev);
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(codeOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * The storage may have gone for the moment of the call, and its empty mount point have been synced instead. Where a mount point lies in another file
 * system, or one is laid over others, the two differ too; there the name is in that very directory.
 */
async function requireThere(path: string, synced: bigint): Promise<void> {
  const [{ dev }, there] = [await stat(dirname(path), EXACT), await lstat(path, EXACT).catch(() => undefined)];
  if (dev === synced && there) return;
  throw new StowageError("UNAVAILABLE", `${dirname(path)} is on another file system than before`, {
    hint: "Its storage was disconnected for a moment. Look at the connection, and run the command again.",
  });
}

const EXACT = { bigint: true } as const;
