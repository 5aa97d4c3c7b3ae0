import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../support/alive.js";

/** Each location, and the state directory, has a disk of its own: what one disk keeps, another may lose. */
export const DISKS = { a: 8, b: 8, c: 4, state: 4 } as const;
export type DiskName = keyof typeof DISKS;
const NAMES = Object.keys(DISKS) as DiskName[];

/** What all disks hold at one instant. */
export type Images = Record<DiskName, Buffer>;

/** Folders and mounts, all of which are gone after `clear`. */
export interface Bench {
  /** Empty ext4 disks mounted below a new folder; `options` beyond the defaults. */
  fresh(options: string): { base: string; images: () => Images };
  /** The disks as they come up after the power was lost, journals replayed, until `body` has ended. */
  after<T>(images: Images, body: (base: string, beside: string) => Promise<T>): Promise<T>;
  /** @throws when something is still mounted */
  clear(): void;
  /** Why no disks can be made here. */
  problem?: string;
}

export function openBench(): Bench {
  // In memory where that is possible: the disks below flush often.
  const root = existsSync("/dev/shm") ? "/dev/shm" : realpathSync(tmpdir());
  for (const left of leftOf(root)) dismantle(left);
  const scratch = mkdtempSync(join(root, `${PREFIX}${process.pid}-`));
  const mounts = new Set<string>();
  let made = 0;
  const attach = (files: Record<DiskName, string>, options: string): string => {
    const base = join(scratch, `base${++made}`);
    for (const name of NAMES) {
      const at = join(base, name);
      mkdirSync(at, { recursive: true });
      quietly("mount", ["-o", ["loop", options].filter(Boolean).join(","), "-t", "ext4", files[name], at]);
      mounts.add(at);
    }
    return base;
  };
  const detach = (base: string): void => {
    for (const at of [...mounts].filter((mount) => mount.startsWith(`${base}/`))) {
      quietly("umount", [at]);
      mounts.delete(at);
    }
  };
  const bench: Bench = {
    fresh(options) {
      const files = filesIn(join(scratch, `disks${made}`));
      for (const name of NAMES) quietly("mkfs.ext4", ["-q", "-m", "0", "-I", "256", files[name], `${DISKS[name]}M`]);
      const base = attach(files, options);
      return { base, images: () => each((name) => instantOf(files[name])) };
    },
    async after(images, body) {
      const folder = join(scratch, `after${made}`);
      const files = filesIn(folder);
      for (const name of NAMES) writeSparse(files[name], images[name]);
      const base = attach(files, "");
      try {
        return await body(base, folder);
      } finally {
        detach(base);
        rmSync(folder, { recursive: true, force: true });
      }
    },
    clear: () => dismantle(scratch),
  };
  try {
    const { base } = bench.fresh("commit=300");
    detach(base);
    return bench;
  } catch (error) {
    return { ...bench, problem: `no ext4 can be made and mounted here: ${String(error).split("\n")[0]}` };
  }
}

const PREFIX = "stowage-power-";

/** Folders of benches whose processes did not live to clear them. */
function leftOf(root: string): string[] {
  const names = readdirSync(root).filter((name) => {
    const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(name) ?? [];
    return pid !== undefined && !isAlive(Number(pid));
  });
  return names.map((name) => join(root, name));
}

/** Unmounts what is mounted below the folder, each on its own, and removes it. @throws when something is still mounted */
function dismantle(folder: string): void {
  const problems: unknown[] = [];
  for (const at of mountsBelow(folder)) {
    try {
      try {
        quietly("umount", [at]);
      } catch {
        // It is in use still: it goes when that has ended.
        quietly("umount", ["-l", at]);
      }
    } catch (error) {
      problems.push(error);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  if (problems.length > 0) throw new AggregateError(problems, `${folder} can not be taken down`);
}

const mountsBelow = (folder: string): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((at) => at.startsWith(`${folder}/`));

const each = <T>(body: (name: DiskName) => T): Record<DiskName, T> =>
  Object.fromEntries(NAMES.map((name) => [name, body(name)])) as Record<DiskName, T>;

const quietly = (program: string, args: string[]): void => void execFileSync(program, args, { stdio: "pipe" });

function filesIn(folder: string): Record<DiskName, string> {
  mkdirSync(folder, { recursive: true });
  return each((name) => join(folder, `${name}.img`));
}

/** What a file holds at one instant: read until nothing has changed from one reading to the next. */
function instantOf(file: string): Buffer {
  for (let before = readFileSync(file); ; ) {
    const now = readFileSync(file);
    if (now.equals(before)) return now;
    before = now;
  }
}

const PIECE = 64 << 10;
const ZEROS = Buffer.alloc(PIECE);

function writeSparse(file: string, bytes: Buffer): void {
  const fd = openSync(file, "w");
  try {
    ftruncateSync(fd, bytes.length);
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      if (!piece.equals(ZEROS.subarray(0, piece.length))) writeSync(fd, piece, 0, piece.length, at);
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes the disk keep what its file system knows of names by now, as its timer does every few seconds; not the bytes of files
 * that nobody has synced.
 */
export function commit(base: string, disk: DiskName): void {
  const folder = join(base, disk, "lost+found");
  writeFileSync(join(folder, "tick"), "");
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
    rmSync(join(folder, "tick"));
  }
}

/** All of it is on the disks. */
export function syncAll(base: string): void {
  for (const name of NAMES) quietly("sync", ["-f", join(base, name)]);
}
