import { open } from "node:fs/promises";
import { codeOf } from "../lib/error.js";
import { type JournalEnd, type JournalHeader, journalFile } from "./journal.js";
import { type Damage, journalLines, untouched } from "./journal-lines.js";
import { readHeader, runIds } from "./journal-read.js";
import { type JournalSource, noSuchRun, sourceOf } from "./journal-source.js";

/** One journal, checked line by line. */
export interface JournalCheck {
  run: string;
  /** Where it lies. */
  place: string;
  /** Lines whose chain holds. */
  lines: number;
  /** `open`: it has no end: killed, running still, or cut off exactly between two lines. */
  status: JournalEnd["report"]["status"] | "open";
  torn: boolean;
  damage?: Damage;
}

export interface JournalsCheck {
  runs: JournalCheck[];
  /** Journals that later ones know of, and that are gone although older ones are there. */
  missing: { run: string; known_by: string }[];
}

/**
 * Checks the chain of every line of every journal, or of one: and against what the next run knew of it, so that lines that
 * were cut off at the end are missed too. Damage is reported, never thrown. @throws `NO_SUCH_RUN`
 */
export async function verifyJournals(from: string | JournalSource, only?: string): Promise<JournalsCheck> {
  const source = sourceOf(from);
  const all = await runIds(source);
  if (only !== undefined && !all.includes(only)) throw noSuchRun(only);
  const known = await knownBy(source, all);
  const runs: JournalCheck[] = [];
  for (const run of all) {
    if (only === undefined || only === run) runs.push(await verifyOne(source, run, known.get(run) ?? []));
  }
  const [oldest = ""] = all;
  const gone = [...known].filter(([run]) => !all.includes(run) && run > oldest && only === undefined);
  return { runs, missing: gone.map(([run, [first]]) => ({ run, known_by: first!.by })) };
}

interface Known {
  by: string;
  hash: string;
}

/** What each journal is said to have held, by those that came after it. */
async function knownBy(source: JournalSource, runs: readonly string[]): Promise<Map<string, Known[]>> {
  const known = new Map<string, Known[]>();
  for (const by of runs) {
    const after = (await readHeader(source, by))?.after;
    if (after) known.set(after.run, [...(known.get(after.run) ?? []), { by, hash: after.hash }]);
  }
  return known;
}

async function verifyOne(source: JournalSource, run: string, known: readonly Known[]): Promise<JournalCheck> {
  const found = untouched();
  const missed = new Map(known.map(({ by, hash }) => [hash, by]));
  const check: JournalCheck = { run, place: source.placeOf(run), lines: 0, status: "open", torn: false };
  for await (const { line, hash } of journalLines(source, run, found)) {
    check.lines += 1;
    missed.delete(hash);
    if (line.type === "end") check.status = line.report.status;
  }
  const [by] = missed.values();
  const cut =
    by === undefined
      ? undefined
      : { line: check.lines + 1, reason: `its end is missing: run ${by} knew of more lines` };
  const damage = found.damage ?? cut;
  return { ...check, torn: found.torn, ...(damage && { damage }) };
}

const TAIL = 256 << 10;
const SEALS = /"hash":"([0-9a-f]{64})"\}\n/g;

/** The newest journal of a state directory and the hash of its last whole line; undefined where there is none, or none can be told. */
export async function newestJournal(state: string): Promise<JournalHeader["after"]> {
  const run = (await runIds(state)).at(-1);
  if (run === undefined) return undefined;
  try {
    const handle = await open(journalFile(state, run), "r");
    try {
      const { size } = await handle.stat();
      const length = Math.min(size, TAIL);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
      const hash = [...buffer.toString("latin1", 0, bytesRead).matchAll(SEALS)].at(-1)?.[1];
      return hash === undefined ? undefined : { run, hash };
    } finally {
      await handle.close();
    }
  } catch (error) {
    // A journal that can not be read is told by whoever reads it; it keeps nobody from working.
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}
