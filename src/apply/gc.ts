import type { Backend, Leftover } from "../backend/backend.js";
import { codeOf, messageOf } from "../lib/error.js";
import { runIds } from "./journal-read.js";
import { acquireLock } from "./lock.js";

export interface GcOptions {
  /** Absolute path of the state directory. */
  state: string;
  /** How long trash is kept, in milliseconds (`safety.trash`). */
  trash: number;
  now: number;
  /** Only list what would go. */
  dry?: boolean;
  onPurge?: (purged: Purged) => void;
}

export interface Purged extends Leftover {
  location: string;
}

export interface GcReport {
  purged: Purged[];
  bytes: number;
  /** Trash and temporaries that stay: not yet due, or perhaps in use. */
  kept: { location: string; files: number; bytes: number }[];
  problems: { location: string; code: string; message: string }[];
}

/** A run of another machine or state directory may be at work on what is younger. */
const STALE = 24 * 3600_000;

/**
 * Deletes trash past its time, and what killed runs left: nothing else, and nothing that a live run may be working on.
 * Takes the lock, so that no run of this state directory is live. @throws `LOCKED` (exit 7)
 */
export async function gc(backends: ReadonlyMap<string, Backend>, options: GcOptions): Promise<GcReport> {
  const lock = options.dry ? undefined : await acquireLock(options.state, options.now);
  try {
    const ours = new Set(await runIds(options.state));
    const report: GcReport = { purged: [], bytes: 0, kept: [], problems: [] };
    for (const [location, backend] of backends) await sweep(location, backend, options, ours, report);
    return report;
  } finally {
    await lock?.release();
  }
}

async function sweep(
  location: string,
  backend: Backend,
  options: GcOptions,
  ours: ReadonlySet<string>,
  report: GcReport,
): Promise<void> {
  const kept = { location, files: 0, bytes: 0 };
  try {
    for await (const leftover of backend.leftovers()) {
      if (!isDue(leftover, options, ours)) {
        kept.files += 1;
        kept.bytes += leftover.size;
        continue;
      }
      if (!options.dry) await backend.purge(leftover);
      report.purged.push({ ...leftover, location });
      report.bytes += leftover.size;
      options.onPurge?.({ ...leftover, location });
    }
  } catch (error) {
    report.problems.push({ location, code: codeOf(error) ?? "ERROR", message: messageOf(error, location) });
  }
  if (kept.files > 0) report.kept.push(kept);
}

/** A run of ours is over, because we hold the lock; another one is over when it is old. */
function isDue(leftover: Leftover, { trash, now }: GcOptions, ours: ReadonlySet<string>): boolean {
  const age = now - leftover.since;
  if (!leftover.dead && !ours.has(leftover.run) && age < STALE) return false;
  return leftover.kind === "temporary" || age >= trash;
}
