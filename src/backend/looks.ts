import * as fs from "node:fs";
import { createRequire } from "node:module";

/** What a file system tells of a file, as far as it is used here. */
export type Stat = Pick<
  fs.BigIntStats,
  | ("dev" | "ino" | "nlink" | "size")
  | ("atimeMs" | "mtimeNs" | "ctimeNs" | "birthtimeNs")
  | ("isDirectory" | "isFile" | "isSymbolicLink")
>;

/** Looks at files at once, for threads that do nothing else: see `openLooks`. */
export interface Looks {
  /** What lies at a path, without following a link; undefined when nothing does. @throws as `lstatSync` */
  lstat(path: string): Stat | undefined;
  /** @throws as `fstatSync` */
  fstat(fd: number): Stat;
}

const IF_THERE = { bigint: true, throwIfNoEntry: false } as const;

const ordinary: Looks = {
  lstat: (path) => fs.lstatSync(path, IF_THERE),
  fstat: (fd) => fs.fstatSync(fd, { bigint: true }),
};

/**
 * Through the C library, where it can be reached, after so many looks: to load what calls it is not worth it for few. A look takes a third of the
 * time of Node's own, which makes twenty numbers and four dates of each.
 */
export function openLooks(many: number): Looks {
  let left = many;
  let best: Looks | undefined;
  const chosen = (): Looks => {
    if (left > 0) {
      left -= 1;
      return ordinary;
    }
    best ??= openDirect() ?? ordinary;
    return best;
  };
  return { lstat: (path) => chosen().lstat(path), fstat: (fd) => chosen().fstat(fd) };
}

/** Of `struct statx`, which is the same on every processor: statx(2), linux/stat.h. Bytes. */
const [NLINK, MODE, INO, SIZE, ATIME, BTIME, CTIME, MTIME, MAJOR, MINOR] = [16, 28, 32, 40, 64, 80, 96, 112, 136, 140];
const BYTES = 256;
/** `STATX_BASIC_STATS | STATX_BTIME`. */
const MASK = 0xfff;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;

interface Koffi {
  load(library: null): {
    func(prototype: string): (fd: number, path: string, flags: number, mask: number, into: Uint8Array) => number;
  };
}

/** Undefined where the C library can not be reached, or says something else than Node. Where a look fails, Node looks again, and tells why. */
function openDirect(): Looks | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const statx = koffi
      .load(null)
      .func("int statx(int fd, const char *path, int flags, unsigned int mask, void *into)");
    const [into, read] = openStruct();
    const lstat = (path: string): Stat | undefined =>
      statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, MASK, into) === 0 ? read() : undefined;
    const works = [process.execPath, "/", "/dev/null"].every((path) => isSame(lstat(path), ordinary.lstat(path)));
    if (!works) return undefined;
    return {
      lstat: (path) => lstat(path) ?? ordinary.lstat(path),
      fstat: (fd) => (statx(fd, "", AT_EMPTY_PATH, MASK, into) === 0 ? read() : ordinary.fstat(fd)),
    };
  } catch {
    // Optional: koffi, or the call in the C library, may be missing.
    return undefined;
  }
}

const FIELDS = ["dev", "ino", "nlink", "size", "mtimeNs", "ctimeNs", "birthtimeNs"] as const;
const KINDS = ["isDirectory", "isFile", "isSymbolicLink"] as const;

const isSame = (a: Stat | undefined, b: Stat | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  FIELDS.every((field) => a[field] === b[field]) &&
  KINDS.every((kind) => a[kind]() === b[kind]());

/** The bytes that are filled, and what they say. */
function openStruct(): [Uint8Array, () => Stat] {
  const bytes = new ArrayBuffer(BYTES);
  const [wide, narrow, short] = [new BigInt64Array(bytes), new Uint32Array(bytes), new Uint16Array(bytes)];
  const wideAt = (byte: number): bigint => wide[byte / 8] ?? 0n;
  const narrowAt = (byte: number): number => narrow[byte / 4] ?? 0;
  const timeAt = (byte: number): bigint => wideAt(byte) * 1_000_000_000n + BigInt(narrowAt(byte + 8));
  let [major, minor, dev] = [-1, -1, 0n];
  const read = (): Stat => {
    if (major !== narrowAt(MAJOR) || minor !== narrowAt(MINOR)) {
      [major, minor] = [narrowAt(MAJOR), narrowAt(MINOR)];
      dev = makedev(BigInt(major), BigInt(minor));
    }
    const kind = (short[MODE / 2] ?? 0) & KIND;
    return {
      dev,
      ino: wideAt(INO),
      nlink: BigInt(narrowAt(NLINK)),
      size: wideAt(SIZE),
      atimeMs: timeAt(ATIME) / 1_000_000n,
      mtimeNs: timeAt(MTIME),
      ctimeNs: timeAt(CTIME),
      birthtimeNs: timeAt(BTIME),
      isDirectory: kind === DIRECTORY ? yes : no,
      isFile: kind === REGULAR ? yes : no,
      isSymbolicLink: kind === LINK ? yes : no,
    };
  };
  return [new Uint8Array(bytes), read];
}

/** As the C library numbers devices: makedev(3). */
const makedev = (major: bigint, minor: bigint): bigint =>
  ((major & 0xfffn) << 8n) | ((major & ~0xfffn) << 32n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n);

/** `S_IFMT` and its values: inode(7). */
const [KIND, DIRECTORY, REGULAR, LINK] = [0o170000, 0o040000, 0o100000, 0o120000];

const yes = (): boolean => true;
const no = (): boolean => false;
