import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Backend } from "../backend/backend.js";
import type { Shelf } from "../backend/shared.js";
import { messageOf, StowageError } from "../lib/error.js";
import { journalFile } from "./journal.js";
import { runIds } from "./journal-read.js";
import { type JournalSource, noSuchRun } from "./journal-source.js";
import { redacted } from "./redact.js";

/** Copies the journal of a run, while it grows, to a location. It never stops the run: what went wrong is told, once. */
export interface Mirror {
  /** The journal is complete: copies the rest, and what runs before it could not copy. */
  close(): Promise<void>;
}

export interface MirrorOptions {
  state: string;
  run: string;
  /** The UUID that the location must have; undefined where none is known. */
  uuid?: string | undefined;
  /** Milliseconds between two copies. */
  every?: number;
  /** Milliseconds after which the end of a run does not wait any longer. */
  patience?: number;
  onProblem: (message: string) => void;
}

const EVERY = 15_000;
const PATIENCE = 60_000;
/** Of one piece. */
const LARGEST = 4 << 20;
/** How many runs before this one are looked at. */
const EARLIER = 5;
const NEWLINE = 0x0a;

export function openMirror(backend: Backend | undefined, options: MirrorOptions): Mirror {
  const { state, run, every = EVERY, patience = PATIENCE } = options;
  const progress = { offset: 0 };
  let told = false;
  let copying: Promise<void> | undefined;

  const guarded = async (body: (shelf: Shelf) => Promise<void>): Promise<void> => {
    try {
      await body(await shelfOf(backend, options.uuid));
    } catch (error) {
      if (!told) options.onProblem(redacted(messageOf(error)));
      told = true;
    }
  };
  const copy = (): Promise<void> => {
    copying ??= guarded((shelf) => copyJournal(shelf, state, run, progress)).finally(() => {
      copying = undefined;
    });
    return copying;
  };
  const timer = setInterval(() => void copy(), every);
  timer.unref();
  void copy();

  return {
    async close() {
      clearInterval(timer);
      const finish = async (): Promise<void> => {
        await copying;
        await copy();
        if (!told) await guarded((shelf) => copyEarlier(shelf, state, run));
      };
      const late = sleep(patience, "late" as const, { ref: false });
      if ((await Promise.race([finish(), late])) === "late" && !told) {
        told = true;
        options.onProblem(`it took longer than ${Math.round(patience / 1000)} s`);
      }
    },
  };
}

/** @throws `LOCATION_SUSPECT`, `UNSUPPORTED` */
export async function shelfOf(backend: Backend | undefined, uuid: string | undefined): Promise<Shelf> {
  if (!backend) throw new StowageError("LOCATION_SUSPECT", "the location is not available");
  const marker = await backend.marker();
  if (marker === undefined || (uuid !== undefined && marker !== uuid.toLowerCase())) {
    throw new StowageError("LOCATION_SUSPECT", `${backend.location} is not the location that was adopted`, {
      hint: "Connect or mount it and run `stowage location check`.",
    });
  }
  if (backend.journals) return backend.journals;
  throw new StowageError("UNSUPPORTED", `${backend.location} has no place for journals: its plug-in offers none`);
}

const nameOf = (run: string, offset: number): string => `${run}/${String(offset).padStart(15, "0")}.ndjson`;

/** Adds what the journal holds beyond `progress`, in whole lines. */
async function copyJournal(shelf: Shelf, state: string, run: string, progress: { offset: number }): Promise<void> {
  const handle = await open(journalFile(state, run), "r");
  try {
    for (;;) {
      const { size } = await handle.stat();
      const length = Math.min(size - progress.offset, LARGEST);
      if (length <= 0) return;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, progress.offset);
      const whole = bytesRead === LARGEST ? bytesRead : buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1;
      if (whole === 0) return;
      const piece = buffer.subarray(0, whole);
      const name = nameOf(run, progress.offset);
      if (await shelf.add(name, piece)) progress.offset += whole;
      else progress.offset += await agreed(shelf, name, buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** How much of the journal is in a piece that is there already: from an attempt whose answer was lost, or from before. */
async function agreed(shelf: Shelf, name: string, own: Buffer): Promise<number> {
  const there = await shelf.read(name);
  if (there && there.length > 0 && there.equals(own.subarray(0, there.length))) return there.length;
  throw new StowageError("PRECONDITION", `${name} holds something else than the journal`);
}

/** The ends of journals whose run was killed, or could not reach the location. */
async function copyEarlier(shelf: Shelf, state: string, run: string): Promise<void> {
  for (const earlier of (await runIds(state)).filter((id) => id !== run).slice(-EARLIER)) {
    const last = (await piecesOf(shelf, earlier)).at(-1);
    await copyJournal(shelf, state, earlier, { offset: last ? last.offset + last.size : 0 });
  }
}

async function piecesOf(shelf: Shelf, run: string): Promise<{ name: string; offset: number; size: number }[]> {
  const pieces: { name: string; offset: number; size: number }[] = [];
  for await (const { name, size } of shelf.list(run)) pieces.push({ name, size, offset: offsetOf(name) });
  return pieces.sort((a, b) => a.offset - b.offset);
}

const RUN = /^[0-9A-Za-z-]+$/;

const offsetOf = (name: string): number => Number(/\/(\d{15})\.ndjson$/.exec(name)?.[1]);

/** The journals whose copies lie in a location. @throws as `shelfOf` does */
export async function mirroredJournals(backend: Backend): Promise<JournalSource> {
  const shelf = await shelfOf(backend, undefined);
  return {
    name: `${backend.location}:.stowage-journal`,
    placeOf: (run) => `${backend.location}:.stowage-journal/${run}`,
    async runs() {
      const runs = new Set<string>();
      for await (const { name } of shelf.list()) {
        const [run = ""] = name.split("/");
        // Whatever else lies there is nobody's journal.
        if (RUN.test(run) && !Number.isNaN(offsetOf(name))) runs.add(run);
      }
      return [...runs].sort();
    },
    async *bytes(run) {
      if (!RUN.test(run)) throw noSuchRun(run);
      const pieces = await piecesOf(shelf, run);
      if (pieces.length === 0) throw noSuchRun(run);
      for (const { name } of pieces) yield (await shelf.read(name)) ?? Buffer.alloc(0);
    },
  };
}
