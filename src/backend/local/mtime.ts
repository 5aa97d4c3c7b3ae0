import type { FileHandle } from "node:fs/promises";

const SECOND = 1_000_000_000n;
/** `UTIME_OMIT`: leave the time of access alone. */
const OMIT: Partial<Record<NodeJS.Platform, bigint>> = { linux: 0x3ffffffen, darwin: -2n };
/** Where `struct timespec` is two 64-bit integers. */
const WIDE = new Set(["x64", "arm64", "riscv64", "loong64", "ppc64", "s390x"]);

type Futimens = (fd: number, times: BigInt64Array) => number;
let loaded: Promise<Futimens | undefined> | undefined;

/**
 * Sets a file's time of modification to the nanosecond through the C library, which Node rounds to microseconds; where the
 * C library can not be reached, to the microsecond.
 */
export async function setMtime(handle: FileHandle, mtime: bigint): Promise<void> {
  loaded ??= loadFutimens();
  const futimens = await loaded;
  const omit = OMIT[process.platform] ?? 0n;
  if (futimens && futimens(handle.fd, BigInt64Array.of(0n, omit, ...timespec(mtime))) === 0) return;
  // As text, because Node takes a negative number for "now".
  const seconds = String(Number(mtime / 1000n) / 1e6);
  await handle.utimes(seconds, seconds);
}

/** Seconds, rounded down, and nanoseconds from 0 to 999,999,999: also before 1970. */
function timespec(time: bigint): [bigint, bigint] {
  const nanos = ((time % SECOND) + SECOND) % SECOND;
  return [(time - nanos) / SECOND, nanos];
}

async function loadFutimens(): Promise<Futimens | undefined> {
  if (OMIT[process.platform] === undefined || !WIDE.has(process.arch)) return undefined;
  try {
    // Not a literal: the package is optional and may be missing.
    const name = "koffi";
    const { default: koffi } = (await import(name)) as {
      default: { load(library: null): { func(prototype: string): Futimens } };
    };
    return koffi.load(null).func("int futimens(int fd, _In_ int64_t *times)");
  } catch {
    // Optional: without it times are kept to the microsecond.
    return undefined;
  }
}
