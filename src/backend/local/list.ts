import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../lib/error.js";
import type { Entry, ListOptions } from "../backend.js";
import { isOwn } from "../marker.js";
import { look } from "./directories.js";
import { type Disk, failure, requireRoot } from "./disk.js";
import { entryOf } from "./entry.js";
import { aborted } from "./read.js";

/** See `Backend.list`. A directory that can not be read ends the listing with an error (I5). */
export async function* listFiles(disk: Disk, options: ListOptions): AsyncGenerator<Entry> {
  await requireRoot(disk);
  try {
    for await (const { key, stat } of walk(disk, "", options)) {
      if (stat.isFile()) yield entryOf(key, stat);
    }
    // An empty listing of a root that went away meanwhile is no listing.
    await requireRoot(disk);
  } catch (error) {
    throw failure(disk, "", error);
  }
}

type Found = { key: string; stat: NonNullable<Awaited<ReturnType<typeof look>>> };

/** All files below a prefix; stowage's own only where the prefix leads to them. */
export async function* walk(disk: Disk, prefix: string, options: ListOptions): AsyncGenerator<Found> {
  for (const raw of await namesIn(disk, prefix)) {
    if (options.signal?.aborted) throw aborted();
    const name = raw.toString("utf8");
    const key = prefix + name;
    if (prefix === "" && isOwn(name)) continue;
    if (!Buffer.from(name).equals(raw)) {
      options.onSkip?.(prefix + raw.toString("latin1"), "name");
      continue;
    }
    const found = await look(join(disk.root, key));
    // Gone between the listing of its directory and now.
    if (!found) continue;
    if (found.isDirectory()) yield* walk(disk, `${key}/`, options);
    else if (!found.isFile()) options.onSkip?.(key, found.isSymbolicLink() ? "symlink" : "special");
    else yield { key, stat: found };
  }
}

async function namesIn(disk: Disk, prefix: string): Promise<Buffer[]> {
  const directory = join(disk.root, prefix);
  try {
    return await readdir(directory, { encoding: "buffer" });
  } catch (error) {
    // Gone since its parent was listed: nothing is below it. Any other answer is no listing.
    if (codeOf(error) === "ENOENT" && prefix !== "" && !(await look(directory))) return [];
    throw error;
  }
}
