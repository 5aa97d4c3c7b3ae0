import { createHash } from "node:crypto";
import { messageOf, StowageError } from "../lib/error.js";
import type { JournalLine } from "./journal.js";
import { misshapen } from "./journal-shape.js";
import type { JournalSource } from "./journal-source.js";

export interface JournalState {
  /** The last line was cut off by a crash; it is dropped and is no damage. */
  torn: boolean;
  /** The first line that does not fit the chain; it and all after it are left out. */
  damage: Damage | undefined;
}

export interface Damage {
  line: number;
  reason: string;
}

/** For people: what it means is in `history --verify`. */
export const damageText = (run: string, line: number, reason: string): string =>
  `the journal of run ${run} is damaged from line ${line} on (${reason})`;

export const untouched = (): JournalState => ({ torn: false, damage: undefined });

/** The lines as far as the chain holds, each with its hash; `found` is told why it ended. Damage is never thrown. */
export async function* journalLines(
  source: JournalSource,
  run: string,
  found: JournalState = untouched(),
): AsyncGenerator<{ line: JournalLine; hash: string }> {
  let [prev, number]: [string | null, number] = [null, 0];
  let garbage = false;
  try {
    for await (const { bytes, complete } of linesOf(source.bytes(run))) {
      number += 1;
      // Garbage is a torn tail only at the very end: the file grew, but its last bytes did not arrive, and read as zeros if at all.
      if (garbage) {
        found.damage = { line: number - 1, reason: NO_LINE };
        return;
      }
      const read: ReturnType<typeof checkLine> = complete ? checkLine(bytes, prev, { run, number }) : NO_LINE;
      if (read === NO_LINE && (!complete || bytes.includes(0))) {
        garbage = true;
      } else if (typeof read === "string") {
        found.damage = { line: number, reason: read };
        return;
      } else {
        prev = read.hash;
        yield read;
      }
    }
    // Its first line is written as soon as it is created.
    found.torn = garbage || number === 0;
  } catch (error) {
    // A place that does not answer is no damage.
    if (error instanceof StowageError) throw error;
    found.damage = { line: number + 1, reason: `it can not be read (${messageOf(error)})` };
  }
}

const NO_LINE = "this is no line of a journal";
/** `,"hash":"…"}` */
const SEAL = /^,"hash":"([0-9a-f]{64})"\}$/;
const SEAL_BYTES = 75;

/** Bytes are compared, not text: what is no text must not pass for other text. */
function checkLine(
  bytes: Buffer,
  prev: string | null,
  { run, number }: { run: string; number: number },
): { line: JournalLine; hash: string } | string {
  const hash = SEAL.exec(bytes.subarray(-SEAL_BYTES).toString("latin1"))?.[1];
  if (hash === undefined) return NO_LINE;
  const body = Buffer.concat([bytes.subarray(0, -SEAL_BYTES), Buffer.from("}")]);
  if (createHash("sha256").update(body).digest("hex") !== hash) return "the line was changed";
  const { prev: named, ...line } = JSON.parse(body.toString("utf8")) as JournalLine & { prev: string | null };
  if (named !== prev) return "a line before it is missing or was changed";
  const problem = misshapen(line);
  if (problem !== undefined) return `no line of a journal is like that: ${problem}`;
  if (number === 1 && (line.type !== "run" || line.run !== run)) return "it is not the beginning of this run's journal";
  return { line: line as JournalLine, hash };
}

/** No line of ours is as long: a file that is all zeros, say, is not read into memory. */
const LONGEST = 64 << 20;
const NEWLINE = 0x0a;

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ bytes: Buffer; complete: boolean }> {
  let [pieces, length]: [Buffer[], number] = [[], 0];
  const keep = (piece: Buffer): void => {
    length += piece.length;
    if (length <= LONGEST) pieces.push(piece);
    else pieces = [];
  };
  const taken = (): Buffer => {
    const bytes = length <= LONGEST ? Buffer.concat(pieces) : Buffer.alloc(0);
    [pieces, length] = [[], 0];
    return bytes;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end));
      yield { bytes: taken(), complete: true };
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (length > 0) yield { bytes: taken(), complete: false };
}
