import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import { JOURNALS } from "../marker.js";
import { isShelfName, type Shelf } from "../shared.js";
import { type Disk, failure, requireRoot } from "./disk.js";
import { writeNew } from "./register.js";

/** The pieces are files below `.stowage-journal/`. */
export function localShelf(disk: Disk): Shelf {
  const fileOf = (name: string): string => {
    if (isShelfName(name)) return join(disk.root, JOURNALS, name);
    throw new StowageError("INVARIANT", `${name} is no name for a journal`);
  };
  return {
    async add(name, bytes) {
      const key = `${JOURNALS}/${name}`;
      try {
        await writeNew(disk, bytes, key, fileOf(name));
        return true;
      } catch (error) {
        if (codeOf(error) === "PRECONDITION") return false;
        throw failure(disk, key, error);
      }
    },
    async read(name) {
      try {
        return await readFile(fileOf(name));
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw failure(disk, `${JOURNALS}/${name}`, error);
        await requireRoot(disk);
        return undefined;
      }
    },
    async *list(folder) {
      const folders = folder === undefined ? await names(disk, "") : [folder];
      for (const each of folders) {
        for (const name of await names(disk, each)) {
          const { size } = await stat(fileOf(`${each}/${name}`));
          yield { name: `${each}/${name}`, size };
        }
      }
    },
  };
}

async function names(disk: Disk, folder: string): Promise<string[]> {
  try {
    return (await readdir(join(disk.root, JOURNALS, folder))).filter(isShelfName).sort();
  } catch (error) {
    if (codeOf(error) === "ENOTDIR" && folder !== "") return [];
    if (codeOf(error) !== "ENOENT") throw failure(disk, JOURNALS, error);
    await requireRoot(disk);
    return [];
  }
}
