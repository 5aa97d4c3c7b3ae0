import { createHash, hash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { isSameVersion, localVersion } from "../backend/local-version.js";
import { codeOf } from "../lib/error.js";
import { reasonOf } from "./directory.js";
import { fstat } from "./looks.js";
import { mimeOf } from "./media.js";

/** What came of reading one file. Only `hashed` says anything about its bytes. */
export type Hashed =
  | { kind: "hashed"; sha256: string; mime: string }
  | { kind: "changed" | "vanished" | "unreadable"; message: string }
  | { kind: "aborted" };

export interface HashControl {
  aborted(): boolean;
  progress(files: number, bytes: number): void;
}

const BUFFER = 128 * 1024;
const CHANGED: Hashed = { kind: "changed", message: "changed while it was scanned" };

/**
 * A function that hashes one file after the other through one buffer. The hash is that of the given version: a file
 * that is another version before its first or after its last byte was read is `changed`. Never follows a symlink. `bare`: its MIME type is left empty.
 */
export function fileHasher(control: HashControl): (path: string, version: string, bare?: boolean) => Hashed {
  const buffer = Buffer.allocUnsafeSlow(BUFFER);
  const open = openerForReading();
  return (path, version, bare) => {
    let fd: number | undefined;
    try {
      fd = open(path);
      const before = fstat(fd);
      if (!before.isFile() || localVersion(before) !== version) return CHANGED;
      const hashed = hashBytes(fd, Number(before.size), buffer, control, bare ? undefined : path);
      return hashed.kind === "hashed" && !isSameVersion(before, fstat(fd)) ? CHANGED : hashed;
    } catch (error) {
      return failure(error);
    } finally {
      if (fd !== undefined) letGo(fd);
    }
  };
}

export function letGo(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Nothing was written: whatever closing says, the bytes were read.
  }
}

function hashBytes(fd: number, size: number, buffer: Buffer, control: HashControl, name: string | undefined): Hashed {
  let count = readSync(fd, buffer, 0, BUFFER, null);
  const mime = name === undefined ? "" : mimeOf(name, buffer.subarray(0, count));
  if (count === size) {
    control.progress(1, count);
    return { kind: "hashed", sha256: hash("sha256", buffer.subarray(0, count), "hex"), mime };
  }
  const digest = createHash("sha256");
  let total = 0;
  while (count > 0) {
    digest.update(buffer.subarray(0, count));
    total += count;
    control.progress(0, count);
    if (control.aborted()) return { kind: "aborted" };
    count = total < size ? readSync(fd, buffer, 0, BUFFER, null) : 0;
  }
  control.progress(1, 0);
  return total === size ? { kind: "hashed", sha256: digest.digest("hex"), mime } : CHANGED;
}

/** Opens for reading without leaving a trace in the access time, where the file is ours; a FIFO put in the file's place never blocks. */
export function openerForReading(): (path: string) => number {
  const plain = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let quiet = plain | (constants.O_NOATIME ?? 0);
  return (path) => {
    try {
      return openSync(path, quiet);
    } catch (error) {
      if (codeOf(error) !== "EPERM" || quiet === plain) throw error;
      quiet = plain;
      return openSync(path, plain);
    }
  };
}

function failure(error: unknown): Hashed {
  const code = codeOf(error);
  if (code === "ENOENT" || code === "ENOTDIR") return { kind: "vanished", message: "went away while it was scanned" };
  if (code === "ELOOP") return CHANGED;
  return { kind: "unreadable", message: reasonOf(error) };
}
