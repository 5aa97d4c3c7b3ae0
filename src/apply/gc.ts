import type { Backend, Leftover } from "../backend/backend.js";
import { codeOf, StowageError } from "../lib/error.js";
import { groupBy } from "../lib/iter.js";
import { runIds } from "./journal-read.js";
import { acquireLock } from "./lock.js";
import { staysAway } from "./recover.js";
import { whyOf } from "./redact.js";

export interface GcOptions {
  /** Absolute path of the state directory. */
  state: string;
  /** How long trash is kept, in milliseconds (`safety.trash`). */
  trash: number;
  now: number;
  /** `now` was set by hand: what a file system notes of its own can be later, and then the time that the run had counts. */
  standing?: boolean;
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
  /** Files whose removal a killed run had begun and not confirmed: they have their names again. */
  restored: Purged[];
  /** Trash and temporaries that stay: not yet due, or perhaps in use. */
  kept: { location: string; files: number; bytes: number }[];
  /** Those without a location are of the state directory. */
  problems: { location: string; code: string; message: string }[];
}

/** A run of another machine or state directory may be at work on what is younger. */
const STALE = 24 * 3600_000;
/** A large object on a slow line can take days. */
const STALE_UPLOAD = 7 * STALE;

/**
 * Deletes trash past its time, and what killed runs left: nothing else, and nothing that a live run may be working on. What they were
 * removing gets its name back. Takes the lock, so that no run of this state directory is live. @throws `LOCKED` (exit 7)
 */
export async function gc(backends: ReadonlyMap<string, Backend>, options: GcOptions): Promise<GcReport> {
  const lock = options.dry ? undefined : await acquireLock(options.state, options.now);
  const report: GcReport = { purged: [], bytes: 0, restored: [], kept: [], problems: [] };
  try {
    const ours = new Set(await runIds(options.state));
    for (const [location, backend] of backends) await sweep(location, backend, options, ours, report);
  } finally {
    // What was done is done: whoever comes next takes the lock over.
    await lock?.release().catch((error: unknown) => report.problems.push({ location: "", ...whyOf(error) }));
  }
  return report;
}

async function sweep(
  location: string,
  backend: Backend,
  options: GcOptions,
  ours: ReadonlySet<string>,
  report: GcReport,
): Promise<void> {
  const kept = { location, files: 0, bytes: 0 };
  const problem = (error: unknown): void => {
    report.problems.push({ location, ...whyOf(error, location) });
  };
  /** The store that does not let go of one thing in its trash does not let go of the next either. */
  let keepsTrash = false;
  let refusals = 0;
  try {
    if (!options.dry) await giveBack(location, backend, (leftover) => isOver(leftover, backend, options, ours), report);
    for await (const leftover of backend.leftovers()) {
      let gone = isDue(leftover, backend, options, ours) && !(keepsTrash && leftover.kind === "trash");
      if (gone && !options.dry) {
        const refused = await purged(backend, leftover);
        gone = refused === undefined;
        const appendOnly = codeOf(refused) === "APPEND_ONLY";
        if (!gone && !(appendOnly && keepsTrash) && refusals++ < TOLD) problem(refused);
        if (appendOnly) keepsTrash = true;
      }
      if (gone) {
        report.purged.push({ ...leftover, location });
        report.bytes += leftover.size;
        options.onPurge?.({ ...leftover, location });
      } else {
        kept.files += 1;
        kept.bytes += leftover.size;
      }
    }
  } catch (error) {
    problem(error);
  }
  if (kept.files > 0) report.kept.push(kept);
}

/** What runs that are over had not confirmed; each is restored as a whole. */
async function giveBack(
  location: string,
  backend: Backend,
  isOver: (leftover: Leftover) => boolean,
  report: GcReport,
): Promise<void> {
  if (!backend.restore) return;
  const unfinished: Leftover[] = [];
  for await (const leftover of backend.leftovers()) {
    if (leftover.unfinished && isOver(leftover)) unfinished.push(leftover);
  }
  for (const [run, leftovers] of groupBy(unfinished, (leftover) => leftover.run)) {
    const taken = new Set((await backend.restore(run)).map(({ handle }) => handle));
    for (const leftover of leftovers) {
      if (taken.has(leftover.handle))
        report.problems.push({ location, ...whyOf(staysAway(leftover, location), location) });
      else report.restored.push({ ...leftover, location });
    }
  }
}

/** Refusals of one location that are told one by one; all that was not let go of is counted. */
const TOLD = 100;

/** Why the store keeps this one, if so: others it may let go of. What keeps it from answering at all is thrown. */
async function purged(backend: Backend, leftover: Leftover): Promise<unknown> {
  try {
    await backend.purge(leftover);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    if (!(error instanceof StowageError) || code === "UNAVAILABLE" || code === "ABORTED") throw error;
    return error;
  }
}

/**
 * A run of ours is over, because we hold the lock; another one is over when what it left is old. What lies in a bucket has the age that
 * the store's clock gives it, and an upload in parts the one of its beginning.
 */
function isOver(leftover: Leftover, { root }: Backend, { now }: GcOptions, ours: ReadonlySet<string>): boolean {
  const stale = leftover.kind === "temporary" && root === undefined ? STALE_UPLOAD : STALE;
  return leftover.dead === true || ours.has(leftover.run) || now - leftover.since >= stale;
}

/** What was never confirmed may be the only copy (I1): its time does not come. */
function isDue(leftover: Leftover, backend: Backend, options: GcOptions, ours: ReadonlySet<string>): boolean {
  if (leftover.unfinished || !isOver(leftover, backend, options, ours)) return false;
  return leftover.kind === "temporary" || ageOf(leftover, options) >= options.trash;
}

function ageOf({ since, begun }: Leftover, { now, standing }: GcOptions): number {
  return Math.max(0, now - (standing && begun !== undefined && now < since ? begun : since));
}
