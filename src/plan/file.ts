import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";
import type { Action, Plan, PlanFooter, PlanHeader } from "./plan.js";
import { idOf, line, PIECE, piecesOf } from "./seal.js";
import { requireSound } from "./sound.js";

/**
 * Reads a plan file and proves that nobody changed it, and that it says only what a planner can have written. It is read piece by piece: the
 * plan of a first backup can be larger than a string may be.
 * @throws `PLAN_EDITED` (exit 5) when a byte differs from what was written, `PLAN_INVALID` (5) when a digest was forged, `PLAN_UNREADABLE`
 * when it is no plan file
 */
export async function readPlan(file: string): Promise<Plan> {
  const reading = openReading(file);
  try {
    for await (const piece of createReadStream(file, { highWaterMark: PIECE })) reading.add(piece as Buffer);
  } catch (error) {
    if (error instanceof StowageError) throw error;
    throw new StowageError("PLAN_UNREADABLE", `the plan ${file} can not be read: ${messageOf(error)}`, {
      hint: "Write one with `stowage plan -o FILE`.",
      cause: error,
    });
  }
  return reading.end();
}

/** `readPlan` over text; `file` names it in errors. */
export function parsePlan(text: string, file: string): Plan {
  const reading = openReading(file);
  reading.add(Buffer.from(text));
  return reading.end();
}

/** A line, and what it says. */
interface Line {
  bytes: Buffer;
  record: unknown;
}

const NEWLINE = 0x0a;
const HEADER_PIECES = 64;

/** Takes the pieces of a plan file in their order. */
function openReading(file: string) {
  const rest: Buffer[] = [];
  const written = createHash("sha256");
  const actions: Action[] = [];
  let header: PlanHeader | undefined;
  let first: Buffer | undefined;
  let number = 0;
  /** Whether it is an action or the footer is known when there is another line. */
  let last: Line | undefined;

  const take = (bytes: Buffer): void => {
    if (isFooter(last?.record)) throw goesOn(file);
    const record = parseLine(bytes.toString("utf8"), number, file);
    if (last) written.update(last.bytes);
    if (number === 0) {
      header = requireHeader(record, file);
      first = bytes;
    }
    if (number > 1) actions.push(last?.record as Action);
    last = { bytes, record };
    number++;
  };
  return {
    add(piece: Buffer): void {
      let from = 0;
      for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, from)) {
        rest.push(piece.subarray(from, end + 1));
        take(rest.length === 1 ? (rest[0] as Buffer) : Buffer.concat(rest));
        rest.length = 0;
        from = end + 1;
      }
      if (from < piece.length) rest.push(piece.subarray(from));
      // A disk image, or what never ends: no header is as long.
      if (number === 0 && rest.length > HEADER_PIECES) throw notAPlan(file, "its first line does not end");
    },
    /** All has been read. */
    end(): Plan {
      if (rest.length > 0 && isFooter(last?.record)) throw goesOn(file);
      if (rest.length > 0 || number < 2 || !header) throw notAPlan(file, "it is cut short");
      const footer = last?.record;
      if (!isFooter(footer) || footer.digest !== `sha256:${written.digest("hex")}`) throw edited(file);
      const plan: Plan = { header, actions, footer };
      requireSound(plan, file);
      const { digest: _digest, ...said } = footer;
      const { plan_id, ...head } = header;
      if (!isWritten(header, first) || !isWritten(footer, last?.bytes)) throw edited(file);
      if (!isNamed(plan_id, head, piecesOf(actions), said)) throw edited(file);
      return plan;
    },
  };
}

/** Whether the line is what was written of this record: no digest covers the last one, and a parser takes one of two equal names. */
const isWritten = (record: object, bytes: Buffer | undefined): boolean =>
  writable(() => bytes?.equals(Buffer.from(line(record))) ?? false);

/** Whether the plan's id is that of its content; false for what nests so deeply that it can not be written again. */
const isNamed = (id: string, ...content: Parameters<typeof idOf>): boolean => writable(() => idOf(...content) === id);

function writable(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function requireHeader(record: unknown, file: string): PlanHeader {
  if (!isHeader(record)) throw notAPlan(file, "its first line is not a plan header");
  if (!record.format_version.startsWith("1.")) {
    throw new StowageError("PLAN_FORMAT", `${file} has plan format ${record.format_version}; this stowage reads 1.x`, {
      hint: "Make the plan again with this version.",
      exit: ExitCode.stale,
    });
  }
  return record;
}

function parseLine(text: string, index: number, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (index === 0) throw notAPlan(file, "its first line is not JSON");
    throw new StowageError("PLAN_EDITED", `${file}:${index + 1} is not JSON: the plan was edited or damaged`, {
      hint: "Make it again with `stowage plan -o FILE`.",
      exit: ExitCode.stale,
      cause: error,
    });
  }
}

const isHeader = (value: unknown): value is PlanHeader =>
  typeof value === "object" &&
  value !== null &&
  "type" in value &&
  value.type === "plan" &&
  "plan_id" in value &&
  "format_version" in value &&
  typeof value.format_version === "string";

const isFooter = (value: unknown): value is PlanFooter =>
  typeof value === "object" &&
  value !== null &&
  "type" in value &&
  value.type === "end" &&
  "digest" in value &&
  "summary" in value;

const notAPlan = (file: string, why: string): StowageError =>
  new StowageError("PLAN_EDITED", `${file} is not a whole plan file: ${why}`, {
    hint: "Make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });

const goesOn = (file: string): StowageError =>
  new StowageError("PLAN_EDITED", `${file} goes on after the end of the plan: something was added to it`, {
    hint: "Make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });

const edited = (file: string): StowageError =>
  new StowageError("PLAN_EDITED", `${file} was changed after it was written`, {
    hint: "A plan is applied as it was reviewed or not at all: make it again with `stowage plan -o FILE`.",
    exit: ExitCode.stale,
  });
