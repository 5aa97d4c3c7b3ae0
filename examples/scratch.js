import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const library = join(repository, "examples", "library");
const proof = ".stowage-example";

/** Where the examples play: `$STOWAGE_HOME`, else `.scratch` in the repository. The example files interpolate the same variable. */
export const home = resolve(process.env.STOWAGE_HOME ?? join(repository, ".scratch"));

/**
 * An empty scratch folder, made anew. Empties only a folder that an earlier call made (a file in it says so); a folder
 * that is not empty and not ours is an error and stays untouched.
 */
export function emptyScratch() {
  if (existsSync(home) && readdirSync(home).length > 0) {
    if (!existsSync(join(home, proof))) {
      throw new Error(`${home} is not empty and was not made by this script: set STOWAGE_HOME to another folder.`);
    }
    rmSync(home, { recursive: true });
  }
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, proof), "Made by examples/scratch.js, which empties this folder when it runs again.\n");
}

/** Copies the example library to `root` below the scratch folder, with its dates; `arrange` may give files another path. */
export function layOutLibrary(root, arrange = (path) => path) {
  if (!resolve(root).startsWith(home + sep)) throw new Error(`${root} is not below the scratch folder ${home}.`);
  for (const { path, modified } of libraryFiles()) {
    const target = join(root, ...arrange(path).split("/"));
    cpSync(join(library, ...path.split("/")), target);
    utimesSync(target, modified, modified);
  }
}

/** The files of the library with their times of modification, as library.tsv has them. */
export function libraryFiles(now = Date.now()) {
  const lines = readFileSync(join(repository, "examples", "library.tsv"), "utf8").split("\n");
  const rows = lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split("\t"));
  return rows.map(([modified, , , path]) => ({ path, modified: instantOf(modified, now) }));
}

/** A path as a person in the repository would write it. */
export function shown(path) {
  const short = relative(repository, path);
  return short.startsWith("..") ? path : short;
}

function instantOf(text, now) {
  const ago = /^(\d+) days? ago$/.exec(text);
  return ago === null ? new Date(text) : new Date(now - Number(ago[1]) * 86_400_000);
}
