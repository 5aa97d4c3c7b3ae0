import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { codeOf, StowageError } from "../lib/error.js";
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
export interface JournalContent {
  run: string;
  header: JournalHeader | undefined;
  lines: JournalLine[];
  end: JournalEnd | undefined;
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
  damage: JournalContent["damage"];
}

/** Reads and checks one journal. Damage is reported, never thrown. @throws `NO_SUCH_RUN` */
export async function readJournal(state: string, run: string): Promise<JournalContent> {
  let text: string;
  try {
    text = await readFile(journalFile(state, basename(run)), "utf8");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    throw new StowageError("NO_SUCH_RUN", `there is no run ${run}`, { hint: "`stowage history` lists the runs." });
  }
  return parseJournal(run, text);
}

/** All runs, oldest first. */
export async function readRuns(state: string): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for await (const { run, header, end, damage } of journals(state)) {
    runs.push({
      run,
      plan_id: header?.plan_id ?? "",
      started: header?.started ?? 0,
      finished: end?.at,
      status: end?.report.status ?? "open",
      report: end?.report,
      damage,
    });
  }
  return runs;
}

/** Every journal, oldest first. */
export async function* journals(state: string): AsyncGenerator<JournalContent> {
  for (const run of await runIds(state)) yield await readJournal(state, run);
}

/** The UUIDs that the locations had in the newest run that knew them. */
export async function expectedUuids(state: string): Promise<Map<string, string>> {
  const uuids = new Map<string, string>();
  for await (const { header } of journals(state)) {
    for (const { location, uuid } of header?.locations ?? []) if (uuid !== null) uuids.set(location, uuid);
  }
  return uuids;
}

/** The removals that a journal shows as done or, where it ends early, as possibly done. */
export function removalsOf(content: JournalContent): RemovalIntent[] {
  const kept = new Set<string>();
  const intents: RemovalIntent[] = [];
  for (const line of content.lines) {
    if (line.type === "remove") intents.push(line);
    if (line.type === "kept") kept.add(`${line.action}\0${line.location}\0${line.key}`);
  }
  return intents.filter(({ action, location, key }) => !kept.has(`${action}\0${location}\0${key}`));
}

async function runIds(state: string): Promise<string[]> {
  try {
    const files = await readdir(journalDirectory(state));
    return files
      .filter((file) => file.endsWith(".ndjson"))
      .map((file) => file.slice(0, -".ndjson".length))
      .sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Pure: the text of a journal as far as its chain holds. */
export function parseJournal(run: string, text: string): JournalContent {
  const content: JournalContent = { run, header: undefined, lines: [], end: undefined, torn: false, damage: undefined };
  const texts = text.split("\n");
  content.torn = texts.pop() !== "";
  let prev: string | null = null;
  for (const [index, line] of texts.entries()) {
    const read = checkLine(line, prev);
    if (typeof read === "string") {
      // Garbage at the very end is a torn tail too: the file grew, but its last bytes did not arrive.
      if (index === texts.length - 1 && read === "not JSON") content.torn = true;
      else content.damage = { line: index + 1, reason: read };
      break;
    }
    prev = read.hash;
    content.lines.push(read.line);
    if (read.line.type === "run") content.header = read.line;
    if (read.line.type === "end") content.end = read.line;
  }
  return content;
}

function checkLine(text: string, prev: string | null): { line: JournalLine; hash: string } | string {
  const match = /^(.*),"hash":"([0-9a-f]{64})"\}$/s.exec(text);
  if (!match) return "not JSON";
  const [, body = "", hash = ""] = match;
  if (sha256Hex(`${body}}`) !== hash) return "the line was changed";
  const { prev: named, ...line } = JSON.parse(`${body}}`) as JournalLine & { prev: string | null };
  if (named !== prev) return "a line before it is missing or was changed";
  return { line: line as JournalLine, hash };
}
