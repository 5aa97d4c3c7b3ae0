import * as fs from "node:fs";
import * as promises from "node:fs/promises";
import { promisify } from "node:util";
import { workerData } from "node:worker_threads";
import { openLooks, type Stat } from "../looks.js";

/**
 * The calls to a file system, as `node:fs/promises` has them. A thread of its own for them (hand.ts) makes them at once, as it has nothing
 * else to do meanwhile: to hand a call on to yet another thread takes several times as long as most calls.
 */
export const { copyFile, lstat, link, mkdir, open, readdir, readFile, rename, rmdir, stat, unlink, writeFile } =
  isHand() ? atOnce() : promises;

/** Of an open file. */
export type FileHandle = Omit<promises.FileHandle, "stat"> & { stat(options: { bigint: true }): Promise<Stat> };

// It loads what looks faster anyway.
const looks = openLooks(0);

/** What lies at a path, without following a link; a thread of its own makes no error, with all that it was called by, of a name that is free. */
export const lookAt: (path: string) => Promise<Stat | undefined> = isHand()
  ? promised(looks.lstat)
  : (path) => promises.lstat(path, { bigint: true });

/** What the thread is told by `openHands`. */
export function isHand(): boolean {
  return typeof workerData === "object" && workerData !== null && "stowageHand" in workerData;
}

type Calls = Pick<
  typeof promises,
  | ("copyFile" | "lstat" | "link" | "mkdir" | "open" | "readdir" | "readFile" | "rename" | "rmdir")
  | ("stat" | "unlink" | "writeFile")
>;

function atOnce(): Calls {
  const at = <A extends unknown[], R>(call: (...args: A) => R) => promised(call) as never;
  return {
    ...promises,
    lstat: at(fs.lstatSync),
    stat: at(fs.statSync),
    mkdir: at(fs.mkdirSync),
    link: at(fs.linkSync),
    rename: at(fs.renameSync),
    unlink: at(fs.unlinkSync),
    rmdir: at(fs.rmdirSync),
    open: at((path: string, flags: string | number, mode?: number) => handleOf(fs.openSync(path, flags, mode))),
  };
}

/** The same call, with its outcome as a promise. */
function promised<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => Promise<R> {
  return (...args) => {
    try {
      return Promise.resolve(call(...args));
    } catch (error) {
      return Promise.reject(error);
    }
  };
}

/** As much of a file handle as is used here. */
function handleOf(fd: number): Partial<FileHandle> {
  return {
    fd,
    stat: promised(() => looks.fstat(fd)),
    read: promised((buffer: Buffer, offset: number, length: number, position: number | null) => ({
      buffer,
      bytesRead: fs.readSync(fd, buffer, offset, length, position),
    })) as FileHandle["read"],
    write: promised((buffer: Uint8Array, offset?: number, length?: number) => ({
      buffer,
      bytesWritten: fs.writeSync(fd, buffer, offset, length),
    })) as FileHandle["write"],
    chmod: promised((mode: fs.Mode) => fs.fchmodSync(fd, mode)),
    utimes: promised((accessed: string, modified: string) =>
      fs.futimesSync(fd, accessed, modified),
    ) as FileHandle["utimes"],
    writeFile: promised((text: string) => fs.writeFileSync(fd, text)) as FileHandle["writeFile"],
    // These wait for the disk, and others can go on meanwhile.
    sync: () => promisify(fs.fsync)(fd),
    datasync: () => promisify(fs.fdatasync)(fd),
    close: promised(() => fs.closeSync(fd)),
  };
}
