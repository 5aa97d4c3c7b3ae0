import { createHash } from "node:crypto";
import { type Dirent, readdirSync } from "node:fs";
import { localPhysical, localVersion } from "../backend/local-version.js";
import type { Stat } from "../backend/looks.js";
import { codeOf, messageOf } from "../lib/error.js";
import type { EarlyFile } from "./early.js";
import { lstat } from "./looks.js";

export interface Problem {
  key: string;
  code: string;
  message: string;
}

/** One directory, listed. */
export interface Directory {
  /** Keys of its subdirectories. */
  dirs: string[];
  files: FileFacts;
  symlinks: number;
  special: number;
  /** Keys of what is neither a file nor a directory. */
  others: string[];
  problems: Problem[];
  /** How many names it has. */
  names: number;
}

/** The files of a directory. What is known of them becomes text where somebody wants it. */
export interface FileFacts {
  count: number;
  bytes: number;
  key(index: number): string;
  version(index: number): string;
  /** Microseconds since the epoch, as far as the catalog can tell them. */
  accessed(index: number): string;
  physical(index: number): string | undefined;
  /** What it is, and what was read where it was read at once. */
  content(index: number): EarlyFile | undefined;
  /** Equal for two listings with the same names, versions and times of access in the same order. */
  digest(): string;
}

/** Reads a file at once, instead of looking at it, where it can. */
export type ReadAtOnce = (path: string, key: string) => EarlyFile | undefined;

/** Lists one directory without following symlinks. If it can not be listed that is a problem with the code `listing`; a name in it that can not be looked at, `stat`. */
export function listDirectory(root: string, dir: string, skip: ReadonlySet<string>, read?: ReadAtOnce): Directory {
  const path = dir === "" ? root : `${root}/${dir}`;
  const base = dir === "" ? "" : `${dir}/`;
  const files = openFacts(base);
  const found: Directory = { dirs: [], files, symlinks: 0, special: 0, others: [], problems: [], names: 0 };
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    found.problems.push(notListed(dir, "listing", error));
    return found;
  }
  found.names = entries.length;
  const garbled = entries.some((entry) => entry.name.includes("\ufffd")) ? undecodable(path) : undefined;
  for (const entry of entries) {
    const { name } = entry;
    if (skip.has(base + name) || garbled?.has(name)) continue;
    const at = { path: `${path}/${name}`, key: base + name, name };
    if (entry.isFile()) addFile(at, found, files, read?.(at.path, at.key));
    else if (entry.isDirectory()) found.dirs.push(base + name);
    else addOther(at.key, entry, found);
  }
  for (const [name, bytes] of garbled ?? []) found.problems.push(misnamed(base + name, bytes));
  return found;
}

type OpenFacts = FileFacts & { add(name: string, file: EarlyFile): void };

interface Place {
  path: string;
  key: string;
  name: string;
}

function addFile({ path, key, name }: Place, found: Directory, files: OpenFacts, read: EarlyFile | undefined): void {
  if (read) {
    files.add(name, read);
    return;
  }
  let stat: Stat | undefined;
  try {
    stat = lstat(path);
  } catch (error) {
    if (!isGone(error)) found.problems.push(notListed(key, "stat", error));
    return;
  }
  if (stat?.isFile()) files.add(name, { stat });
  else if (stat) addOther(key, stat, found);
}

function addOther(key: string, what: Pick<Dirent, "isSymbolicLink">, found: Directory): void {
  if (what.isSymbolicLink()) found.symlinks++;
  else found.special++;
  found.others.push(key);
}

const WIDTH = 7;

function openFacts(base: string): OpenFacts {
  const names: string[] = [];
  const files: EarlyFile[] = [];
  const stat = (index: number) => files[index]?.stat as Stat;
  return {
    count: 0,
    bytes: 0,
    add(name, file) {
      names.push(name);
      files.push(file);
      this.count++;
      this.bytes += Number(file.stat.size);
    },
    key: (index) => base + names[index],
    version: (index) => localVersion(stat(index)),
    accessed: (index) => microseconds(stat(index).atimeMs),
    physical: (index) => localPhysical(stat(index)),
    content: (index) => files[index],
    digest() {
      const facts = new BigInt64Array(files.length * WIDTH);
      let at = 0;
      for (const { stat } of files) {
        facts[at++] = stat.size;
        facts[at++] = stat.mtimeNs;
        facts[at++] = stat.ctimeNs;
        facts[at++] = stat.ino;
        facts[at++] = stat.atimeMs;
        facts[at++] = stat.dev;
        facts[at++] = stat.nlink;
      }
      const digest = createHash("sha256").update(names.join("\0")).update("\0").update(facts);
      return digest.digest("base64").slice(0, 24);
    },
  };
}

/** A damaged file system says any time: one thousands of years away is as good as another. */
function microseconds(ms: bigint): string {
  const text = String(ms);
  return `${text.length <= 15 ? text : ms < 0n ? "-99999999999999" : "999999999999999"}000`;
}

/** The names in a directory that are not valid UTF-8, as Node shows them, with their bytes. */
function undecodable(path: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const bytes of readdirSync(path, { encoding: "buffer" })) {
    const shown = bytes.toString("utf8");
    if (!Buffer.from(shown).equals(bytes)) names.set(shown, bytes.toString("hex"));
  }
  return names;
}

const misnamed = (key: string, bytes: string): Problem => ({
  ...{ key, code: "name" },
  message: `the name is not valid UTF-8 (bytes ${bytes}) and is left alone`,
});

/** A directory that went away meanwhile has no files. A root that went away is found by the look at the marker afterwards. */
function notListed(key: string, code: "listing" | "stat", error: unknown): Problem {
  if (key !== "" && isGone(error)) return { key, code: "vanished", message: "went away while it was scanned" };
  return { key, code, message: reasonOf(error) };
}

/** A system error without the path, which the reader knows. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const call = message.indexOf(", ");
  return codeOf(error) !== undefined && call > 0 ? message.slice(0, call) : message;
}

const isGone = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "");
