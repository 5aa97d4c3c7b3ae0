import { relative } from "node:path";
import { codeOf } from "../../lib/error.js";
import { TRASH } from "../marker.js";
import { link, rename, unlink } from "./calls.js";
import { isHeld, release, reserve } from "./claim.js";
import { look, makeLastingParents, syncParents } from "./directories.js";
import type { Disk } from "./disk.js";
import { taken } from "./read.js";

const NO_HARD_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"]);

/**
 * Gives the finished file at `path`, on that device, the name of `key` too, and makes the name durable. Never replaces what stands there (I3).
 * On return `path` may or may not exist still; the caller unlinks it.
 * @throws `PRECONDITION` when the name is taken
 */
export async function publish(disk: Disk, path: string, key: string, final: string, dev: bigint): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeLastingParents(disk, final);
      if (!disk.hardLinks || !(await linked(disk, path, key, final))) await renamed(disk, path, key, final);
      break;
    } catch (error) {
      // Somebody removed a directory that was empty a moment ago.
      if (codeOf(error) !== "ENOENT" || attempt === 20 || !(await look(path))) throw error;
    }
  }
  await disk.step("published");
  await syncParents(disk, final, dev);
}

/** False when this file system has no hard links. */
async function linked(disk: Disk, path: string, key: string, final: string): Promise<boolean> {
  try {
    await disk.step("link");
    await link(path, final);
    await disk.step("linked");
    return true;
  } catch (error) {
    // The answer may have been lost and the link made all the same (I6): what the name leads to decides.
    const [own, there] = [await look(path), await look(final)];
    if (own && there && own.ino === there.ino && own.dev === there.dev) return true;
    if (there) throw taken(disk, key, error);
    if (!NO_HARD_LINKS.has(codeOf(error) ?? "")) throw error;
    // Links of anything else may be refused where those of files are not.
    if (own?.isFile()) disk.hardLinks = false;
    return false;
  }
}

/** Without hard links: takes the name with an empty file of our own, then renames over exactly that one. */
async function renamed(disk: Disk, path: string, key: string, final: string): Promise<void> {
  const own = await look(path);
  const claim = await reserve(disk, key, final, runOf(disk, path));
  try {
    await disk.step("reserved");
    const there = await look(final);
    if (!isHeld(claim, there)) throw taken(disk, key);
    await disk.step("rename");
    await rename(path, final);
    await disk.step("renamed");
  } catch (error) {
    const there = await look(final);
    const done = own !== undefined && there?.ino === own.ino && there.dev === own.dev;
    if (!done) {
      if (isHeld(claim, there)) await unlink(final);
      await release(claim);
      throw error;
    }
  }
  await release(claim);
}

/** The run that a temporary, or what lies in the trash, belongs to by its name. */
function runOf(disk: Disk, path: string): string {
  const [own, name = ""] = relative(disk.root, path).split("/");
  return own === TRASH ? name : (name.split(".")[0] ?? "");
}
