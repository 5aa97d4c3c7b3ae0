import type { Backend } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { column, packed, sql } from "../catalog/sql.js";
import { codeOf, messageOf } from "../lib/error.js";
import { type CompareOptions, settling, toRead } from "./compare.js";
import type { Problem } from "./directory.js";
import { completeNext, type Told } from "./facts.js";
import { openLanes } from "./lanes.js";
import { stageProblems } from "./stage.js";

/** How many objects a store is asked about at once. */
const AT_ONCE = 32;
const GROUP = 4_000;

export interface Describing {
  catalog: Catalog;
  backend: Backend;
  options: CompareOptions;
  signal?: AbortSignal;
  /** Told of each object that was asked about. */
  onAsked?: () => void;
  /** After every group, with all that was told so far in `work.next`. */
  onGroup?: () => Promise<void>;
}

/**
 * Asks the store about each object of `work.next` that the listing told too little of: one request each, and one for its tags
 * where they are wanted. What it does not answer is a problem and never an absence. Stops at a store that does not answer at all:
 * throws its error.
 */
export async function describeNew(task: Describing): Promise<void> {
  const { catalog, options, signal } = task;
  let asked = 0;
  while (!signal?.aborted) {
    const rows = await catalog.rows(
      sql<{ key: string }>`SELECT key FROM work.next WHERE ask AND NOT asked LIMIT ${GROUP}`,
    );
    if (rows.length === 0) break;
    const answers = await askAll(
      task,
      rows.map(({ key }) => key),
    );
    await keep(catalog, answers);
    // One object may be out of reach; with the marker gone too it is the storage.
    if (answers.some(({ problem }) => problem?.code === "unreadable")) await task.backend.marker();
    asked += rows.length;
    await task.onGroup?.();
  }
  if (asked === 0) return;
  await catalog.run(sql`UPDATE work.next SET settling = ${settling(options)} WHERE asked AND NOT partial`);
  await catalog.run(sql`UPDATE work.next SET todo = ${toRead(options)} WHERE asked AND NOT partial`);
  await catalog.run(sql`UPDATE work.next SET todo = false WHERE asked AND partial`);
}

/** What came of one question; neither is set where the object is not there any more. */
interface Answer {
  key: string;
  told?: Told;
  problem?: Problem;
}

async function askAll(task: Describing, keys: readonly string[]): Promise<Answer[]> {
  const lane = openLanes(AT_ONCE);
  const { signal } = task;
  const answers = keys.map((key) =>
    lane(async () => {
      if (signal?.aborted) return [];
      const found = await ask(task, key);
      if (signal?.aborted) return [];
      task.onAsked?.();
      return found;
    }),
  );
  return (await Promise.all(answers)).flat();
}

async function ask({ backend, options }: Describing, key: string): Promise<Answer[]> {
  let entry: Told | undefined;
  try {
    entry = await backend.stat(key);
  } catch (error) {
    return [{ key, problem: { key, code: "unreadable", message: messageOf(error) } }];
  }
  if (!entry) return [{ key, problem: { key, code: "vanished", message: "went away while it was scanned" } }];
  if (!options.remote?.tags || !backend.tags) return [{ key, told: entry }];
  try {
    return [{ key, told: { ...entry, tags: await backend.tags(key) } }];
  } catch (error) {
    const gone = codeOf(error) === "NOT_FOUND";
    const message = `its tags could not be read: ${messageOf(error)}`;
    return [{ key, told: entry }, ...(gone ? [] : [{ key, problem: { key, code: "tags", message } }])];
  }
}

async function keep(catalog: Catalog, answers: readonly Answer[]): Promise<void> {
  const told = answers.flatMap((answer) => answer.told ?? []);
  const problems = answers.flatMap((answer) => answer.problem ?? []);
  if (told.length > 0) await completeNext(catalog, told);
  if (problems.length === 0) return;
  await stageProblems(catalog, problems);
  const keys = packed({ key: column(problems.map(({ key }) => key)) });
  await catalog.run(sql`UPDATE work.next n SET asked = true FROM ${keys} p WHERE p.key = n.key`);
}
