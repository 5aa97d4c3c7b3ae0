import { compareKeys } from "../../lib/key.js";
import type { Stored } from "../store.js";
import { type Cursor, directoriesAfter, pagesOf } from "./page.js";
import type { Session } from "./session.js";

/** Listings of one bucket under way at once. */
const WORKERS = 8;
/** What has fewer pages is listed before it is cut. */
const CUT_FROM = 2;
/** Pages that may wait for the reader. */
const AHEAD = 16;

/** The names behind `after`, up to `upto` and with it. Ranges cover all names, wherever they were cut: nothing falls in between. */
interface Range {
  after?: string | undefined;
  upto?: string | undefined;
}

/**
 * Everything whose name begins with the prefix, in pages. What is more than a page is cut at directories, as long as a worker is free and the store is what
 * takes the time, and its pieces are listed at the same time.
 */
export async function* list(
  session: Session,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Stored[]> {
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const ready: Stored[][] = [];
  const [reader, writers] = [bell(), bell()];
  const began = performance.eventLoopUtilization();
  const isWaiting = () => performance.eventLoopUtilization(began).utilization <= session.limits.busy;
  let busy = 0;
  let failure: { error: unknown } | undefined;

  async function emit(objects: Stored[]): Promise<void> {
    if (objects.length > 0) ready.push(objects);
    reader.ring();
    while (ready.length >= AHEAD && !both.aborted) await writers.heard();
  }
  function start(range: Range): void {
    busy++;
    const crew = { emit, start, free: () => (isWaiting() ? WORKERS - busy : 0) };
    void listRange(session, prefix, range, both, crew)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .then(() => {
        busy--;
        reader.ring();
      });
  }

  try {
    start({});
    for (;;) {
      const page = ready.shift();
      writers.ring();
      if (page) yield page;
      else if (failure) throw failure.error;
      else if (busy === 0) return;
      else await reader.heard();
    }
  } finally {
    stop.abort();
    writers.ring();
  }
}

/** Wakes all who wait. */
function bell(): { ring(): void; heard(): Promise<void> } {
  const waiting: (() => void)[] = [];
  return {
    ring() {
      for (const wake of waiting.splice(0)) wake();
    },
    heard: () => new Promise((resolve) => waiting.push(resolve)),
  };
}

interface Crew {
  emit(objects: Stored[]): Promise<void>;
  start(range: Range): void;
  free(): number;
}

async function listRange(
  session: Session,
  prefix: string,
  range: Range,
  signal: AbortSignal,
  crew: Crew,
): Promise<void> {
  const pages = pagesOf(session);
  let { upto } = range;
  let cursor: Cursor = { after: range.after };
  let patience = CUT_FROM;
  for (let count = 1; ; count++) {
    const page = await pages(prefix, cursor, signal);
    // Some stores begin with the name itself.
    await crew.emit(clipped(page.objects, { after: range.after, upto }));
    const { next, last } = page;
    if (!next || signal.aborted || (upto !== undefined && last !== undefined && compareKeys(last, upto) > 0)) return;
    cursor = next;
    if (crew.free() <= 0 || count < patience || last === undefined) continue;
    const cuts = await cutsBehind(session, prefix, last, upto, crew.free(), signal);
    patience = count * 2;
    for (const [index, cut] of cuts.entries()) crew.start({ after: cut, upto: cuts[index + 1] ?? upto });
    upto = cuts[0] ?? upto;
  }
}

/** Names only grow on a page. */
function clipped(objects: Stored[], range: Range): Stored[] {
  const [first, last] = [objects.at(0), objects.at(-1)];
  if (first && last && within(first.name, range) && within(last.name, range)) return objects;
  return objects.filter(({ name }) => within(name, range));
}

function within(name: string, { after, upto }: Range): boolean {
  if (after !== undefined && compareKeys(name, after) <= 0) return false;
  return upto === undefined || compareKeys(name, upto) <= 0;
}

/** Names of directories between `last` and `upto`, at most `count`, spread evenly: of the uppermost level that has any. */
async function cutsBehind(
  session: Session,
  prefix: string,
  last: string,
  upto: string | undefined,
  count: number,
  signal: AbortSignal,
): Promise<string[]> {
  for (const directory of parentsOf(prefix, last)) {
    const found = (await directoriesAfter(session, directory, last, signal))
      .filter((name) => !last.startsWith(name) && within(name, { after: last }))
      .filter((name) => upto === undefined || compareKeys(name, upto) < 0)
      .sort(compareKeys);
    if (found.length > count)
      return Array.from(
        { length: count },
        (_, index) => found[Math.floor(((index + 1) * found.length) / (count + 1))] ?? "",
      );
    if (found.length > 0) return found;
  }
  return [];
}

/** The prefix, then each directory on the way to the name. */
function parentsOf(prefix: string, name: string): string[] {
  const parents = [prefix];
  for (let slash = name.indexOf("/", prefix.length); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    parents.push(name.slice(0, slash + 1));
  }
  return parents;
}
