import { closeSync, fstatSync, fsyncSync, openSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { StowageError } from "../../lib/error.js";

/** What Node itself does not offer of the C library. */
interface Libc {
  futimens(fd: number, times: BigInt64Array): number;
  syncfs?: { async(fd: number, done: (error: unknown, result: number) => void): void };
}

/** Makes all that was written to a file system before a call durable, with one call. */
export interface Syncfs {
  /** The file system that it is about. */
  dev: bigint;
  /** @throws when something that was written since it was opened is not durable, whatever that is */
  sync(): Promise<void>;
  close(): void;
}

/** How many files are worth a call that waits for all that anybody has written there. */
export const ENOUGH = 12;

/** Where `struct timespec` is two 64-bit integers. */
const WIDE = new Set(["x64", "arm64", "riscv64", "loong64", "ppc64", "s390x"]);

let loaded: Promise<Libc | undefined> | undefined;

/** Undefined where the C library can not be reached. */
export function libc(): Promise<Libc | undefined> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Libc | undefined> {
  if (!["linux", "darwin"].includes(process.platform) || !WIDE.has(process.arch)) return undefined;
  try {
    // Not a literal: the package is optional and may be missing.
    const name = "koffi";
    const { default: koffi } = (await import(name)) as {
      default: { load(library: null): { func(prototype: string): never } };
    };
    const library = koffi.load(null);
    return {
      futimens: library.func("int futimens(int fd, _In_ int64_t *times)"),
      ...(process.platform === "linux" && { syncfs: library.func("int syncfs(int fd)") }),
    };
  } catch {
    // Optional: without it times are kept to the microsecond, and each file is made durable by itself.
    return undefined;
  }
}

/** ext2–4, XFS, Btrfs, F2FS, tmpfs. Of others (FUSE, overlays, network mounts) it is not known that the call reaches the disk. */
const KNOWN = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994]);

/** Since 5.8 the call tells that a file could not be written, since 5.17 also that the file system's own records could not. */
const TELLS = [5, 17] as const;

/** Undefined where it is in doubt that the call does it all, or tells when it does not: then each file has to be made durable by itself. */
export async function openSyncfs(root: string): Promise<Syncfs | undefined> {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (process.platform !== "linux" || major < TELLS[0] || (major === TELLS[0] && minor < TELLS[1])) return undefined;
  const call = (await libc())?.syncfs;
  if (!call || !KNOWN.has(statfsSync(root).type)) return undefined;
  // Errors are told to a descriptor that was there before them, and to each once.
  const fd = openSync(root, "r");
  return {
    dev: fstatSync(fd, { bigint: true }).dev,
    async sync() {
      const result = await new Promise<number>((resolve, reject) =>
        call.async(fd, (error, code) => (error ? reject(error) : resolve(code))),
      );
      if (result !== 0) throw new StowageError("UNAVAILABLE", "not all that was written could be made durable");
      // A journal that was given up has nothing to write: only the fsync of something says so.
      fsyncSync(fd);
    },
    close: () => closeSync(fd),
  };
}
