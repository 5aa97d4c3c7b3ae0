import type { FileHandle } from "./calls.js";
import { libc } from "./libc.js";

const SECOND = 1_000_000_000n;
/** `UTIME_OMIT`: leave the time of access alone. */
const OMIT: Partial<Record<NodeJS.Platform, bigint>> = { linux: 0x3ffffffen, darwin: -2n };
/**
 * Sets a file's time of modification to the nanosecond through the C library, which Node rounds to microseconds; where the
 * C library can not be reached, to the microsecond.
 */
export async function setMtime(handle: FileHandle, mtime: bigint): Promise<void> {
  const omit = OMIT[process.platform];
  const library = omit === undefined ? undefined : await libc();
  if (omit !== undefined && library?.futimens(handle.fd, BigInt64Array.of(0n, omit, ...timespec(mtime))) === 0) return;
  // As text, because Node takes a negative number for "now".
  const seconds = String(Number(mtime / 1000n) / 1e6);
  await handle.utimes(seconds, seconds);
}

/** Seconds, rounded down, and nanoseconds from 0 to 999,999,999: also before 1970. */
function timespec(time: bigint): [bigint, bigint] {
  const nanos = ((time % SECOND) + SECOND) % SECOND;
  return [(time - nanos) / SECOND, nanos];
}
