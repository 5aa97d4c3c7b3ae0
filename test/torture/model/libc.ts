import { computer, isDue } from "./computer.js";
import { beginSyncAll } from "./disk.js";
import { open } from "./files.js";
import { placed, problem } from "./path.js";
import { alive, turn } from "./stage.js";

/** In place of `src/backend/local/libc.ts`. */

/** Every group of files is made durable together, on the disks that can do so. */
export const ENOUGH = 1;

export const libc = async () => undefined;

/**
 * Every other disk has it. What was written before the call is durable when it ends, and of what is written meanwhile nothing; an error
 * of any file that was not written is told.
 */
export async function openSyncfs(root: string) {
  const { disk } = placed(root);
  if (disk.dev % 2n === 0n || disk.private) return undefined;
  const handle = await open(root);
  const { dev } = await handle.stat({ bigint: true });
  return {
    dev,
    async sync() {
      const end = beginSyncAll(disk);
      await (disk.private ? alive() : turn("syncfs"));
      if (isDue(disk.name, "error", "fsync")) throw problem("EIO", "syncfs", root);
      end();
      if (isDue(disk.name, "cut", "fsync")) {
        computer.cut();
        await alive();
      }
      if (isDue(disk.name, "lost answer", "fsync")) throw problem("EIO", "syncfs", root);
    },
    close: () => undefined,
  };
}
