import type { Entry } from "../backend.js";
import { leftReservation } from "./claim.js";
import { look, refuseLinks } from "./directories.js";
import { type Disk, failure, pathOf, requireRoot } from "./disk.js";
import { entryOf } from "./entry.js";
import { notRegular } from "./read.js";

/** See `Backend.stat`. */
export async function statFile(disk: Disk, key: string): Promise<Entry | undefined> {
  const path = pathOf(disk, key);
  try {
    await refuseLinks(disk, path);
    const found = await look(path);
    if (!found || (await leftReservation(disk, key, found))) {
      await requireRoot(disk);
      return undefined;
    }
    if (!found.isFile()) throw notRegular(disk, key);
    return entryOf(key, found);
  } catch (error) {
    throw failure(disk, key, error);
  }
}
