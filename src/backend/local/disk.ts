import { join } from "node:path";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { invalidKey, printable } from "../../lib/key.js";
import type { Stat } from "../looks.js";
import { isOwn } from "../marker.js";
import { type Barrier, openBarrier } from "./barrier.js";
import { lstat } from "./calls.js";

/** A local location, opened: what the parts of the local backend share. */
export interface Disk {
  location: string;
  root: string;
  /** Hard links work here, as far as is known; the first refusal turns it off. */
  hardLinks: boolean;
  barrier: Barrier;
  /** See `openBarrier`. */
  enough: number | undefined;
  /** Directories whose name was made durable by this process. */
  lasting: Set<string>;
  /** Directories that are being made, and what then lies there. */
  making: Map<string, Promise<Stat | undefined>>;
  /** Devices, and roots of locations, from which a reflink copy to here was refused. */
  noReflink: Set<string>;
  /** Devices on which giving a file a second name, or making it durable before, did not go as it should. */
  noSecond: Set<bigint>;
  /** Called at each step that changes the disk, as if the change itself could fail there. For fault tests. */
  step: (name: string) => void | Promise<void>;
}

/** Touches nothing. */
export function openDisk(
  location: string,
  root: string,
  {
    hardLinks,
    enough,
    step,
  }: Pick<Disk, "hardLinks"> & { enough?: number | undefined; step?: Disk["step"] | undefined },
): Disk {
  return {
    location,
    root,
    hardLinks,
    barrier: openBarrier(root, enough),
    enough,
    lasting: new Set(),
    making: new Map(),
    noReflink: new Set(),
    noSecond: new Set(),
    step: step ?? (() => undefined),
  };
}

/** The file of a key. @throws `UNSUPPORTED_NAME` for what can not be a key, or is a name of stowage's own */
export function pathOf(disk: Disk, key: string): string {
  const reason = invalidKey(key) ?? (isOwn(key.split("/")[0] ?? "") ? "the name is stowage's own" : undefined);
  if (reason) throw new StowageError("UNSUPPORTED_NAME", `${at(disk, key)}: ${reason}`);
  return join(disk.root, key);
}

export const at = (disk: Disk, key: string): string => `${disk.location}:${printable(key)}`;

const CODES: Record<string, string> = {
  ENOSPC: "OUT_OF_SPACE",
  EDQUOT: "OUT_OF_SPACE",
  EFBIG: "OUT_OF_SPACE",
  EACCES: "ACCESS_DENIED",
  EPERM: "ACCESS_DENIED",
  EROFS: "READ_ONLY",
  ENAMETOOLONG: "UNSUPPORTED_NAME",
  EILSEQ: "UNSUPPORTED_NAME",
  EINVAL: "UNSUPPORTED_NAME",
  EXDEV: "UNSUPPORTED_NAME",
  EEXIST: "PRECONDITION",
  ENOTDIR: "PRECONDITION",
  EISDIR: "PRECONDITION",
  ELOOP: "PRECONDITION",
  ENOTEMPTY: "PRECONDITION",
};

/** Where the system's own words would not tell a user what is the matter. */
const FACTS: Record<string, string> = {
  EXDEV: "lies on another file system than the location's root",
  EROFS: "the file system is mounted read-only",
};

const HINTS: Record<string, string> = {
  OUT_OF_SPACE: "Free some space there and apply again.",
  ACCESS_DENIED: "Check the permissions there.",
  READ_ONLY: "Mount it for writing, or write `read_only: true` at this location in storage.yaml.",
  UNAVAILABLE: "Check that the disk is connected and healthy, then run the command again.",
};

/** A file system's error in the terms of the backend contract. What is already in those terms passes unchanged. */
export function failure(disk: Pick<Disk, "location">, key: string, error: unknown): unknown {
  if (error instanceof StowageError) return error;
  const errno = codeOf(error);
  // Only what the system said; an error of the caller's own (its source, its last word) passes unchanged.
  if (errno === undefined || !(error instanceof Error && "syscall" in error)) return error;
  const code = CODES[errno] ?? "UNAVAILABLE";
  // A read-only file system is so for every file on it.
  const place = key === "" || errno === "EROFS" ? disk.location : `${disk.location}:${printable(key)}`;
  const hint = HINTS[code];
  return new StowageError(code, `${place}: ${printable(FACTS[errno] ?? messageOf(error))}`, {
    ...(hint && { hint }),
    cause: error,
  });
}

/** `failure`, where a missing file means that the storage has no such object, unless the root itself is gone. */
export async function absence(disk: Disk, key: string, error: unknown): Promise<unknown> {
  if (codeOf(error) !== "ENOENT" || error instanceof StowageError) return failure(disk, key, error);
  await requireRoot(disk);
  return new StowageError("NOT_FOUND", `${at(disk, key)} does not exist`, { cause: error });
}

/** @throws `UNAVAILABLE` when the root is not there: then nothing that is missing below it is known to be missing */
export async function requireRoot(disk: Disk): Promise<void> {
  const unavailable = (fact: string, cause?: unknown) =>
    new StowageError("UNAVAILABLE", `${disk.location}: ${fact}: ${printable(disk.root)}`, {
      hint: "Connect or mount it; a new location is made with `stowage init --create`.",
      cause,
    });
  try {
    // Through a symbolic link: the root itself may be one, what is below may not.
    await lstat(`${disk.root}/.`);
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw unavailable("the root does not exist", error);
    if (codeOf(error) === "ENOTDIR") throw unavailable("the root is not a directory", error);
    throw failure(disk, "", error);
  }
}
