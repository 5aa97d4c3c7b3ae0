import { type Directory, listDirectory, type Problem, type ReadAtOnce } from "./directory.js";
import type { EarlyReader, EarlyRule } from "./early.js";
import { mediaTypeOf } from "./media.js";

/** What a thread is told to list: directories relative to `root` ("" is the root itself), and the keys it leaves out. */
export interface WalkTask {
  kind: "walk";
  root: string;
  dirs: string[];
  /** Keys of files and directories that are not part of the location: stowage's own. */
  skip: string[];
  /** What directories looked like when the catalog's rows were written; those that look the same are named, not listed again. */
  known?: KnownDigests;
  /** Files may be read as soon as they are found. */
  early?: EarlyRule;
}

/** Directories and their digests in turn, NUL-separated, as UTF-8; shared by all threads. */
export interface KnownDigests {
  id: number;
  bytes: Uint8Array<SharedArrayBuffer>;
}

/**
 * A piece of a listing. The columns hold one value per file that is listed, NUL-separated, to cross threads and enter
 * the catalog as they are.
 */
export interface WalkChunk {
  /** All files that were seen, those of unchanged directories too. */
  files: number;
  bytes: number;
  /** How many values each column has. */
  rows: number;
  keys: string;
  /** Microseconds. */
  accessed: string;
  /** They begin with size and time of modification. */
  versions: string;
  physicals: string;
  /** Whether any of them has another name. */
  linked: boolean;
  /** How many files were read at once, and what came of it: unset where none was. */
  read: number;
  readBytes: number;
  hashes?: string;
  mimes?: string;
  mediaTypes?: string;
  /** Directories that look as they did. */
  same: string[];
  /** The digests of the other ones. */
  digests: [dir: string, digest: string][];
  /** Directories that were found and not listed yet. */
  dirs: string[];
  symlinks: number;
  special: number;
  /** Keys of what is neither a file nor a directory; those in unchanged directories too. */
  others: string[];
  /** Directories that could not be listed (`listing`) and names that could not be looked at (`stat`), by which the listing is not complete; what went away (`vanished`), names left alone (`name`). */
  problems: Problem[];
}

export interface WalkControl {
  aborted(): boolean;
  /** Another thread has nothing to do: hand back what is left to list. */
  wanted(): boolean;
  progress(files: number, bytes: number): void;
}

const CHUNK = 10_000;
const SHARE = 200;

/** Lists `dirs` depth first until done, until the chunk is full, or until another thread wants work. */
export function walk(task: WalkTask, control: WalkControl, reader: EarlyReader): WalkChunk {
  const chunk = openChunk();
  const skip = new Set(task.skip);
  const known = digestsOf(task.known);
  const pending = [...task.dirs];
  let listed = 0;
  while (pending.length > 0 && !control.aborted()) {
    if (chunk.size() >= CHUNK || (listed >= SHARE && pending.length > 1 && control.wanted())) break;
    const dir = pending.pop() ?? "";
    const found = listDirectory(task.root, dir, skip, readAtOnce(task, chunk.counts.files, control, reader));
    chunk.add(dir, found, known);
    pending.push(...found.dirs);
    listed += found.names + 1;
    control.progress(found.files.count, found.files.bytes);
  }
  return chunk.seal(pending);
}

/** In a directory this large, files are left to other threads as soon as they have nothing else to do. */
const LARGE = 1_000;

function readAtOnce(
  { early }: WalkTask,
  listed: number,
  control: WalkControl,
  reader: EarlyReader,
): ReadAtOnce | undefined {
  if (!early || listed < early.after) return undefined;
  let files = 0;
  return (path, key) =>
    control.aborted() || (++files > LARGE && control.wanted()) ? undefined : reader(path, key, early);
}

function openChunk() {
  const counts = { files: 0, bytes: 0, rows: 0, read: 0, readBytes: 0, symlinks: 0, special: 0 };
  const [keys, accessed, versions, physicals]: string[][] = [[], [], [], []] as const;
  const [hashes, mimes, mediaTypes]: string[][] = [[], [], []] as const;
  const same: string[] = [];
  const digests: [string, string][] = [];
  const others: string[] = [];
  const problems: Problem[] = [];
  return {
    counts,
    size: () => counts.rows + others.length,
    add(dir: string, found: Directory, known: ReadonlyMap<string, string>): void {
      const { files } = found;
      counts.files += files.count;
      counts.bytes += files.bytes;
      counts.symlinks += found.symlinks;
      counts.special += found.special;
      if (found.others.length > 0) others.push(...found.others);
      if (found.problems.length > 0) problems.push(...found.problems);
      const digest = files.digest();
      if (known.get(dir) === digest && found.problems.length === 0) return void same.push(dir);
      digests.push([dir, digest]);
      counts.rows += files.count;
      for (let index = 0; index < files.count; index++) {
        keys?.push(files.key(index));
        versions?.push(files.version(index));
        accessed?.push(files.accessed(index));
        physicals?.push(files.physical(index) ?? "");
        const { stat, sha256, mime = "" } = files.content(index) ?? {};
        hashes?.push(sha256 ?? "");
        mimes?.push(mime);
        mediaTypes?.push(sha256 === undefined ? "" : mediaTypeOf(mime));
        if (sha256 === undefined) continue;
        counts.read++;
        counts.readBytes += Number(stat?.size ?? 0);
      }
    },
    seal(dirs: string[]): WalkChunk {
      const pack = (values: string[] = []) => values.join("\0");
      const columns = {
        keys: pack(keys),
        versions: pack(versions),
        accessed: pack(accessed),
        physicals: pack(physicals),
        linked: physicals?.some((physical) => physical !== "") ?? false,
        ...(counts.read > 0 && { hashes: pack(hashes), mimes: pack(mimes), mediaTypes: pack(mediaTypes) }),
      };
      return { ...counts, ...columns, same, digests, others, dirs, problems };
    },
  };
}

let cached: { id: number; digests: Map<string, string> } | undefined;

/** Unpacked once per scan and thread. */
function digestsOf(known: KnownDigests | undefined): ReadonlyMap<string, string> {
  if (!known) return new Map();
  if (cached?.id !== known.id) {
    const values = Buffer.from(known.bytes).toString("utf8").split("\0");
    const digests = new Map<string, string>();
    for (let at = 0; at + 1 < values.length; at += 2) digests.set(values[at] ?? "", values[at + 1] ?? "");
    cached = { id: known.id, digests };
  }
  return cached.digests;
}
