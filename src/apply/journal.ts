import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, StowageError } from "../lib/error.js";
import { sha256Hex } from "../lib/json.js";
import type { Outcome, RunReport } from "./events.js";

/** The lines of a journal; `at` is milliseconds since the epoch. */
export type JournalLine = JournalHeader | RemovalIntent | RemovalOutcome | ActionDone | JournalEnd;

export interface JournalHeader {
  type: "run";
  run: string;
  plan_id: string;
  config: string;
  pid: number;
  started: number;
  locations: { location: string; uuid: string | null }[];
  /** The newest run before it and the hash of the last line that it had then: what is cut off from it later shows. */
  after?: { run: string; hash: string };
  /** The lock that was shared with other machines. */
  lock?: { location: string; fence: number };
}

/** Durable before the removal is tried: if the journal ends here, it may or may not have happened. */
export interface RemovalIntent {
  type: "remove";
  at: number;
  action: string;
  location: string;
  key: string;
  version: string;
  /** The version that the plan names; differs from `version` after stowage removed another hard link of the file. */
  planned: string;
  sha256: string;
  trash: boolean;
  size: number;
  mtime: string;
  physical?: string;
}

export interface RemovalOutcome {
  type: "removed" | "kept";
  at: number;
  action: string;
  location: string;
  key: string;
  sha256: string;
  trash: boolean;
  code?: string;
  message?: string;
}

export interface ActionDone {
  type: "done";
  at: number;
  outcome: Outcome;
}

export interface JournalEnd {
  type: "end";
  at: number;
  report: RunSummaryLine;
}

export type RunSummaryLine = Omit<RunReport, "outcomes" | "present">;

export interface Journal {
  /** Queues a line; an error shows at the next `commit`. */
  append(line: JournalLine): void;
  /** Returns when the line, and all before it, are on the disk. @throws `JOURNAL_FAILED`, and from then on always */
  commit(line: JournalLine): Promise<void>;
  close(): Promise<void>;
}

export const journalDirectory = (state: string): string => join(state, "journal");
export const journalFile = (state: string, run: string): string => join(journalDirectory(state), `${run}.ndjson`);

/** `20250131T235959Z-1f2e3d4c`: sorts by time. */
export function newRunId(now: number): string {
  const second = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  return `${second.replaceAll(/[-:]/g, "")}-${randomBytes(4).toString("hex")}`;
}

/** A line with its place in the chain: each names the hash of the one before, and its own last. */
export function chained(line: JournalLine, prev: string | null): { text: string; hash: string } {
  const body = JSON.stringify({ ...line, prev });
  const hash = sha256Hex(body);
  return { text: `${body.slice(0, -1)},"hash":"${hash}"}\n`, hash };
}

/** Creates the journal of a run with its header, durably. @throws `JOURNAL_FAILED` when the state directory can not hold it */
export async function openJournal(state: string, header: JournalHeader): Promise<Journal> {
  let handle: FileHandle | undefined;
  try {
    await mkdir(journalDirectory(state), { recursive: true });
    handle = await open(journalFile(state, header.run), "wx", 0o644);
    const directory = await open(journalDirectory(state), "r");
    await directory.sync().finally(() => directory.close());
    const journal = writer(state, handle);
    await journal.commit(header);
    return journal;
  } catch (error) {
    // Why it can not be written is told; that it can not be closed either says no more.
    await handle?.close().catch(() => undefined);
    throw error instanceof StowageError ? error : journalFailed(state, error);
  }
}

/** So many characters are not kept waiting for a `commit`. */
const FULL = 1 << 20;

function writer(state: string, handle: FileHandle): Journal {
  let queued = "";
  let prev: string | null = null;
  let broken: StowageError | undefined;
  let flushing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const append = (line: JournalLine): void => {
    const { text, hash } = chained(line, prev);
    prev = hash;
    queued += text;
    // Whoever commits next is told what goes wrong.
    if (queued.length > FULL && !next) void flush().catch(() => undefined);
  };
  const write = async (): Promise<void> => {
    if (broken) throw broken;
    const text = queued;
    queued = "";
    try {
      if (text) await handle.writeFile(text);
      await handle.datasync();
    } catch (error) {
      broken = journalFailed(state, error);
      throw broken;
    }
  };
  /** All lines that are queued while one write runs go out together with the next. */
  const flush = (): Promise<void> => {
    if (!flushing) {
      flushing = write().finally(() => {
        flushing = undefined;
      });
      return flushing;
    }
    next ??= flushing
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return flush();
      });
    return next;
  };
  return {
    append,
    async commit(line) {
      append(line);
      await flush();
    },
    async close() {
      try {
        await flush();
      } finally {
        await handle.close().catch((error: unknown) => {
          throw journalFailed(state, error);
        });
      }
    },
  };
}

const journalFailed = (state: string, cause: unknown): StowageError =>
  new StowageError("JOURNAL_FAILED", `the journal can not be written in ${state}: ${messageOf(cause)}`, {
    hint: "Make room or fix the permissions there; nothing is removed without a journal.",
    cause,
  });
