import { constants } from "node:fs";
import { codeOf } from "../../lib/error.js";
import { type FileHandle, open, stat } from "./calls.js";
import { ENOUGH, openSyncfs, type Syncfs } from "./libc.js";

/**
 * Makes files and names durable, many with one call where the file system can. Who comes while a call runs waits for the next one, which begins
 * after that: all that was written before `file` or `directory` was called is durable when it returns (I1).
 */
export interface Barrier {
  /** Before anything is written that `file` is called for; serves until `close`. */
  open(): Promise<void>;
  file(handle: FileHandle): Promise<void>;
  /** The names in a directory. @throws `ENOENT` when it is not there */
  directory(path: string): Promise<void>;
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
      running ??= run().finally(() => {
        running = undefined;
      });
    });
  return {
    async open() {
      opening ??= openSyncfs(root).catch(() => undefined);
      await opening;
    },
    file: async (handle) => wish((await handle.stat({ bigint: true })).dev, () => handle.sync()),
    async directory(path) {
      const joined = directories.get(path);
      if (joined) return await joined;
      const { dev } = await stat(path, { bigint: true });
      const own = directories.get(path) ?? wish(dev, () => syncDirectory(path));
      directories.set(path, own);
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

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(codeOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}
