import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const prefixOf = (file: string): string => `${basename(file)}.tmp-`;

/**
 * Where one opening of a catalog lays out what does not fit into memory: a folder of its own, because readers open one catalog at the same
 * time. DuckDB makes it when it needs it, and removes it.
 */
export const spillFolder = (file: string): string =>
  join(dirname(file), prefixOf(file) + randomBytes(6).toString("hex"));

/** Removes what killed processes left. Only for who has the catalog open for writing, for then nobody else has it open. */
export function removeSpilled(file: string, own: string): void {
  for (const name of readdirSync(dirname(file))) {
    if (!name.startsWith(prefixOf(file)) || name === basename(own)) continue;
    rmSync(join(dirname(file), name), { recursive: true, force: true });
  }
}
