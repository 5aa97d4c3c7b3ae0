import { createHash } from "node:crypto";
import { codeOf, StowageError } from "../../lib/error.js";
import type { WriteSource } from "../backend.js";
import { isSameVersion, localVersion } from "../local-version.js";
import type { Stat } from "../looks.js";
import { type FileHandle, link, unlink } from "./calls.js";
import { look, refuseLinks } from "./directories.js";
import type { Disk } from "./disk.js";
import { isSame } from "./entry.js";
import { aborted, openRegular, pieces } from "./read.js";

/**
 * What a move needs no copy for: its source, where it lies on that device under no other name, gets `path`, a new name among stowage's own, as its second one.
 * Its bytes are made durable and read as those of a copy would be, and nothing is ever written to it: the file stays as it is, and under its first name.
 * @returns the file as it was read; undefined where it has to be copied, which also tells what is wrong with it. Then nothing is left at `path`
 */
export async function secondName(
  disk: Disk,
  path: string,
  device: bigint | undefined,
  source: WriteSource,
): Promise<Stat | undefined> {
  if (!source.file?.moved || !disk.hardLinks || source.confirm) return undefined;
  const first = await onlyName(disk, source);
  if (first === undefined || first.dev !== device) return undefined;
  try {
    await disk.step("link source");
    await link(source.path ?? "", path);
    await disk.step("source linked");
    const proven = await prove(disk, path, first, source);
    if (proven) return proven;
  } catch (error) {
    if (error instanceof StowageError && error.code === "ABORTED") throw error;
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

/** Undefined when it is another file, or not what was promised, or does not stay as it is. */
async function prove(disk: Disk, path: string, first: Stat, source: WriteSource): Promise<Stat | undefined> {
  const handle = await openRegular(path);
  try {
    const before = await handle.stat({ bigint: true });
    if (!isSame(before, first) || before.nlink !== 2n) return undefined;
    await disk.barrier.file(handle);
    if ((await hashOf(handle, source)) !== source.sha256) return undefined;
    return isSameVersion(before, await handle.stat({ bigint: true })) ? before : undefined;
  } finally {
    await handle.close();
  }
}

async function hashOf(handle: FileHandle, { size, signal, onBytes }: WriteSource): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces(handle, size)) {
    if (signal?.aborted) throw aborted();
    hash.update(piece);
    onBytes?.(piece.length);
  }
  return hash.digest("hex");
}
