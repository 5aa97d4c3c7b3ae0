import { codeOf } from "../../lib/error.js";
import type { WriteSource } from "../backend.js";
import { localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";
import { link, unlink } from "./calls.js";
import { look, refuseLinks } from "./directories.js";
import type { Disk } from "./disk.js";
import { isSame } from "./entry.js";
import { openRegular } from "./read.js";

/**
 * What a move needs no copy for: its source, where it lies on that device under no other name, gets `path`, a name among stowage's own, as its second one.
 * It is made durable and read before, as a new name changes its version, by which rot is told from a change. Nothing is ever written to it.
 * @param prove reads it as it was described. What it throws is passed on, and the source is as it was
 * @returns the file; undefined where it has to be copied. Then nothing is left at `path`
 */
export async function secondName(
  disk: Disk,
  path: string,
  device: bigint | undefined,
  source: WriteSource,
  prove: () => Promise<void>,
): Promise<Stat | undefined> {
  if (!source.file?.moved || source.path === undefined || !disk.hardLinks || source.confirm) return undefined;
  const first = await onlyName(disk, source);
  if (first === undefined || first.dev !== device || disk.noSecond.has(first.dev)) return undefined;
  // What could not be made durable once is not believed when it is asked again: the copy has a file of its own.
  const lasts = await settle(disk, source.path).catch(() => false);
  if (!lasts) return void disk.noSecond.add(first.dev);
  await prove();
  try {
    await disk.step("link source");
    source.file.onLink?.();
    await link(source.path, path);
    await disk.step("source linked");
    const second = await look(path);
    if (second && isSame(second, first) && second.nlink === 2n) return second;
    disk.noSecond.add(first.dev);
  } catch (error) {
    // Not everybody may link what belongs to somebody else.
    if (codeOf(error) !== "EPERM") disk.noSecond.add(first.dev);
  }
  // It may be there though the answer was lost (I6).
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
  });
  return undefined;
}

/** The file that the caller has described; undefined when it is another one, has more names, or lies behind a symbolic link. */
async function onlyName(disk: Disk, { file, path, mtime }: WriteSource): Promise<Stat | undefined> {
  if (!file || path === undefined) return undefined;
  const found = await refuseLinks({ ...disk, ...file }, path).then(
    () => look(path),
    () => undefined,
  );
  if (!found?.isFile() || found.nlink !== 1n) return undefined;
  return localVersion(found) === file.version && found.mtimeNs === mtime ? found : undefined;
}

async function settle(disk: Disk, path: string): Promise<boolean> {
  const handle = await openRegular(path);
  try {
    await disk.barrier.file(handle);
    return true;
  } finally {
    await handle.close();
  }
}
