import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import { sha256Hex } from "../lib/json.js";
import {
  type JournalEnd,
  type JournalHeader,
  type JournalLine,
  journalDirectory,
  journalFile,
  type RemovalIntent,
} from "./journal.js";

/** A journal as far as its chain holds. */
export interface JournalContent extends JournalState {
  run: string;
  header: JournalHeader | undefined;
  lines: JournalLine[];
  end: JournalEnd | undefined;
}

export interface JournalState {
  /** The last line was cut off by a crash; it is dropped and is no damage. */
  torn: boolean;
  /** The first line that does not fit the chain; it and all after it are left out. */
  damage: { line: number; reason: string } | undefined;
}

/** One run for `history`. `open`: it did not end (killed, or running still). */
export interface RunSummary {
  run: string;
  plan_id: string;
  started: number;
  finished: number | undefined;
  status: JournalEnd["report"]["status"] | "open";
  report: JournalEnd["report"] | undefined;
  damage: JournalState["damage"];
}

/** Reads and checks one journal. Damage is reported, never thrown. @throws `NO_SUCH_RUN` */
export async function readJournal(state: string, run: string): Promise<JournalContent> {
  const content: JournalContent = { run, ...untouched(), header: undefined, lines: [], end: undefined };
  for await (const line of journalLines(state, run, content)) {
    content.lines.push(line);
    if (line.type === "run") content.header = line;
    if (line.type === "end") content.end = line;
  }
  return content;
}

/** All runs, oldest first. */
export async function readRuns(state: string): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for (const run of await runIds(state)) {
    const found = untouched();
    let [header, end]: [JournalHeader | undefined, JournalEnd | undefined] = [undefined, undefined];
    for await (const line of journalLines(state, run, found)) {
      if (line.type === "run") header = line;
      if (line.type === "end") end = line;
    }
    runs.push({
      run,
      plan_id: header?.plan_id ?? "",
      started: header?.started ?? 0,
      finished: end?.at,
      status: end?.report.status ?? "open",
      report: end?.report,
      damage: found.damage,
    });
  }
  return runs;
}

/** The names of all runs, oldest first. */
export async function runIds(state: string): Promise<string[]> {
  try {
    const files = await readdir(journalDirectory(state));
    const journals = files.filter((file) => file.endsWith(".ndjson"));
    return journals.map((file) => file.slice(0, -".ndjson".length)).sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw new StowageError("JOURNAL_FAILED", `the journals in ${state} can not be read: ${messageOf(error)}`, {
      hint: "Fix the state directory: what earlier runs did is only known from there.",
      cause: error,
    });
  }
}

/** The first line of a journal; undefined when it is torn or damaged. */
export async function readHeader(state: string, run: string): Promise<JournalHeader | undefined> {
  for await (const line of journalLines(state, run)) return line.type === "run" ? line : undefined;
  return undefined;
}

/** How many of the newest journals are asked for a UUID. */
const RECENT = 100;

/** The UUID of each location in the newest run that knew one. */
export async function expectedUuids(state: string): Promise<Map<string, string>> {
  const uuids = new Map<string, string>();
  for (const run of (await runIds(state)).slice(-RECENT)) {
    const header = await readHeader(state, run);
    for (const { location, uuid } of header?.locations ?? []) if (uuid !== null) uuids.set(location, uuid);
  }
  return uuids;
}

/** The removals that a journal shows as done or, where it ends early, as possibly done; the actions that succeeded; and how the run ended, if it did. */
export async function readRemovals(
  state: string,
  run: string,
): Promise<{ removals: RemovalIntent[]; done: string[]; end: JournalEnd | undefined }> {
  const intents = new Map<string, RemovalIntent>();
  const done: string[] = [];
  let end: JournalEnd | undefined;
  for await (const line of journalLines(state, run)) {
    if (line.type === "end") end = line;
    if (line.type === "done" && !["failed", "skipped"].includes(line.outcome.outcome)) done.push(line.outcome.action);
    if (line.type === "remove") intents.set(`${line.action}\0${line.location}\0${line.key}`, line);
    if (line.type === "kept") intents.delete(`${line.action}\0${line.location}\0${line.key}`);
  }
  return { removals: [...intents.values()], done, end };
}

const untouched = (): JournalState => ({ torn: false, damage: undefined });

/** The lines as far as the chain holds; `found` is told why it ended. */
async function* journalLines(state: string, run: string, found = untouched()): AsyncGenerator<JournalLine> {
  let [prev, number]: [string | null, number] = [null, 0];
  let garbage = false;
  for await (const { text, complete } of linesOf(state, run)) {
    number += 1;
    // Garbage is a torn tail only at the very end: the file grew, but its last bytes did not arrive.
    if (garbage) {
      found.damage = { line: number - 1, reason: NO_LINE };
      return;
    }
    const read: ReturnType<typeof checkLine> = complete ? checkLine(text, prev) : NO_LINE;
    if (read === NO_LINE) {
      garbage = true;
    } else if (typeof read === "string") {
      found.damage = { line: number, reason: read };
      return;
    } else {
      prev = read.hash;
      yield read.line;
    }
  }
  found.torn = garbage;
}

const NO_LINE = "this is no line of a journal";

function checkLine(text: string, prev: string | null): { line: JournalLine; hash: string } | string {
  const match = /^(.*),"hash":"([0-9a-f]{64})"\}$/s.exec(text);
  if (!match) return NO_LINE;
  const [, body = "", hash = ""] = match;
  if (sha256Hex(`${body}}`) !== hash) return "the line was changed";
  const { prev: named, ...line } = JSON.parse(`${body}}`) as JournalLine & { prev: string | null };
  if (named !== prev) return "a line before it is missing or was changed";
  return { line: line as JournalLine, hash };
}

async function* linesOf(state: string, run: string): AsyncGenerator<{ text: string; complete: boolean }> {
  let rest = "";
  try {
    for await (const chunk of createReadStream(journalFile(state, basename(run)), "utf8")) {
      const texts = (rest + String(chunk)).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) yield { text, complete: true };
    }
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    throw new StowageError("NO_SUCH_RUN", `there is no run ${run}`, { hint: "`stowage history` lists the runs." });
  }
  if (rest !== "") yield { text: rest, complete: false };
}
