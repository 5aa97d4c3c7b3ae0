import { type BigIntStats, type Dirent, lstatSync, readdirSync } from "node:fs";
import { localPhysical, localVersion } from "../backend/local-version.js";
import { codeOf, messageOf } from "../lib/error.js";

/** What a thread is told to list: directories relative to `root` ("" is the root itself), and the keys it leaves out. */
export interface WalkTask {
  kind: "walk";
  root: string;
  dirs: string[];
  /** Keys of files and directories that are not part of the location: stowage's own. */
  skip: string[];
}

/** A piece of a listing. The columns hold one value per file, NUL-separated, to cross threads and enter the catalog as they are. */
export interface WalkChunk {
  files: number;
  bytes: number;
  keys: string;
  /** Sizes, and times of modification in nanoseconds, where the versions do not begin with them. */
  sizes?: string;
  mtimes?: string;
  /** Microseconds. */
  accessed: string;
  versions: string;
  physicals: string;
  /** What the storage itself proves; local files have none. */
  hashes?: string;
  /** Directories that were found and not listed yet. */
  dirs: string[];
  symlinks: number;
  special: number;
  /** Directories that could not be listed (`listing`: then the listing is not complete) or went away (`vanished`), names left alone (`name`). */
  problems: Problem[];
}

export interface Problem {
  key: string;
  code: string;
  message: string;
}

export interface WalkControl {
  aborted(): boolean;
  /** Another thread has nothing to do: hand back what is left to list. */
  wanted(): boolean;
  progress(files: number, bytes: number): void;
}

const CHUNK = 10_000;
const SHARE = 200;

/** Lists `dirs` depth first until done, until the chunk is full, or until another thread wants work. Symlinks are not followed. */
export function walk(task: WalkTask, control: WalkControl): WalkChunk {
  const chunk = emptyChunk();
  const skip = new Set(task.skip);
  const pending = [...task.dirs];
  let listed = 0;
  while (pending.length > 0 && !control.aborted()) {
    if (chunk.files >= CHUNK || (listed >= SHARE && pending.length > 1 && control.wanted())) break;
    const dir = pending.pop() ?? "";
    const before = { files: chunk.files, bytes: chunk.bytes };
    listed += list(task.root, dir, skip, chunk, pending);
    control.progress(chunk.files - before.files, chunk.bytes - before.bytes);
  }
  chunk.dirs.push(...pending);
  return chunk.seal();
}

type Columns = Record<"keys" | "accessed" | "versions" | "physicals", string[]>;
type OpenChunk = Omit<WalkChunk, keyof Columns> & { columns: Columns; seal(): WalkChunk };

function emptyChunk(): OpenChunk {
  const columns: Columns = { keys: [], accessed: [], versions: [], physicals: [] };
  return {
    ...{ files: 0, bytes: 0, dirs: [], symlinks: 0, special: 0, problems: [], columns },
    seal() {
      const { columns, seal: _, ...counts } = this;
      const pack = (values: string[]) => values.join("\0");
      return {
        ...counts,
        keys: pack(columns.keys),
        accessed: pack(columns.accessed),
        versions: pack(columns.versions),
        physicals: pack(columns.physicals),
      };
    },
  };
}

/** Adds one directory's files to the chunk and its directories to `pending`; returns how many names it has. */
function list(root: string, dir: string, skip: ReadonlySet<string>, chunk: OpenChunk, pending: string[]): number {
  const path = dir === "" ? root : `${root}/${dir}`;
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    chunk.problems.push(notListed(dir, error));
    return 1;
  }
  const garbled = entries.some((entry) => entry.name.includes("\ufffd")) ? undecodable(path) : undefined;
  for (const entry of entries) {
    const key = dir === "" ? entry.name : `${dir}/${entry.name}`;
    if (skip.has(key)) continue;
    if (garbled?.has(entry.name)) continue;
    if (entry.isDirectory()) pending.push(key);
    else if (entry.isFile()) addFile(root, key, chunk);
    else if (entry.isSymbolicLink()) chunk.symlinks++;
    else chunk.special++;
  }
  for (const [name, bytes] of garbled ?? []) {
    const key = dir === "" ? name : `${dir}/${name}`;
    chunk.problems.push({
      key,
      code: "name",
      message: `the name is not valid UTF-8 (bytes ${bytes}) and is left alone`,
    });
  }
  return entries.length + 1;
}

function addFile(root: string, key: string, chunk: OpenChunk): void {
  let stat: BigIntStats | undefined;
  try {
    stat = lstatSync(`${root}/${key}`, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (!isGone(error)) chunk.problems.push(notListed(key, error));
    return;
  }
  if (stat === undefined) return;
  if (!stat.isFile()) {
    chunk.special++;
    return;
  }
  const { columns } = chunk;
  chunk.files++;
  chunk.bytes += Number(stat.size);
  columns.keys.push(key);
  columns.accessed.push(`${stat.atimeMs}000`);
  columns.versions.push(localVersion(stat));
  columns.physicals.push(localPhysical(stat) ?? "");
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

/** A directory that went away meanwhile has no files. A root that went away is found by the look at the marker afterwards. */
function notListed(key: string, error: unknown): Problem {
  if (key !== "" && isGone(error)) return { key, code: "vanished", message: "went away while it was scanned" };
  return { key, code: "listing", message: reasonOf(error) };
}

/** A system error without the path, which the reader knows. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const call = message.indexOf(", ");
  return codeOf(error) !== undefined && call > 0 ? message.slice(0, call) : message;
}

const isGone = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "");
