import type { JournalEnd, JournalHeader, JournalLine, RemovalIntent } from "./journal.js";
import { type Damage, type JournalState, journalLines, untouched } from "./journal-lines.js";
import { type JournalSource, sourceOf } from "./journal-source.js";

/** A journal as far as its chain holds. */
export interface JournalContent extends JournalState {
  run: string;
  header: JournalHeader | undefined;
  lines: JournalLine[];
  end: JournalEnd | undefined;
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
export async function readJournal(from: string | JournalSource, run: string): Promise<JournalContent> {
  const content: JournalContent = { run, ...untouched(), header: undefined, lines: [], end: undefined };
  for await (const { line } of journalLines(sourceOf(from), run, content)) {
    content.lines.push(line);
    if (line.type === "run") content.header = line;
    if (line.type === "end") content.end = line;
  }
  return content;
}

/** All runs, oldest first. */
export async function readRuns(from: string | JournalSource): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for (const run of await runIds(from)) {
    const found = untouched();
    let [header, end]: [JournalHeader | undefined, JournalEnd | undefined] = [undefined, undefined];
    for await (const { line } of journalLines(sourceOf(from), run, found)) {
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
export const runIds = (from: string | JournalSource): Promise<string[]> => sourceOf(from).runs();

/** The first line of a journal; undefined when it is torn or damaged: `found` is told. */
export async function readHeader(
  from: string | JournalSource,
  run: string,
  found: JournalState = untouched(),
): Promise<JournalHeader | undefined> {
  for await (const { line } of journalLines(sourceOf(from), run, found)) return line.type === "run" ? line : undefined;
  return undefined;
}

/** Told of a journal of which only the beginning could be used. */
export type OnDamage = (run: string, damage: Damage) => void;

/** How many of the newest journals are asked for a UUID. */
const RECENT = 100;

/** The UUID of each location in the newest run that knew one; no more runs are asked than it takes to know those that are wanted. */
export async function expectedUuids(
  from: string | JournalSource,
  { wanted, onDamage }: { wanted?: readonly string[]; onDamage?: OnDamage } = {},
): Promise<Map<string, string>> {
  const uuids = new Map<string, string>();
  for (const run of (await runIds(from)).slice(-RECENT).reverse()) {
    const found = untouched();
    const header = await readHeader(from, run, found);
    if (found.damage) onDamage?.(run, found.damage);
    for (const { location, uuid } of header?.locations ?? []) {
      if (uuid !== null && !uuids.has(location)) uuids.set(location, uuid);
    }
    if (wanted?.every((name) => uuids.has(name))) break;
  }
  return uuids;
}

/** The removals that a journal shows as done or, where it ends early, as possibly done; the actions that succeeded; and how the run ended, if it did. */
export async function readRemovals(
  from: string | JournalSource,
  run: string,
): Promise<{ removals: RemovalIntent[]; done: string[]; end: JournalEnd | undefined; damage: Damage | undefined }> {
  const found = untouched();
  const intents = new Map<string, RemovalIntent>();
  const done: string[] = [];
  let end: JournalEnd | undefined;
  for await (const { line } of journalLines(sourceOf(from), run, found)) {
    if (line.type === "end") end = line;
    if (line.type === "done" && !["failed", "skipped"].includes(line.outcome.outcome)) done.push(line.outcome.action);
    if (line.type === "remove") intents.set(`${line.action}\0${line.location}\0${line.key}`, line);
    if (line.type === "kept") intents.delete(`${line.action}\0${line.location}\0${line.key}`);
  }
  return { removals: [...intents.values()], done, end, damage: found.damage };
}
