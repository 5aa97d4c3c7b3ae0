import type { ApplyEvent } from "../apply/events.js";
import { assertNever } from "../lib/error.js";
import type { Action, Plan } from "../plan/plan.js";
import { actionsOf } from "../plan/seal.js";
import { bytes, duration, plural } from "./format.js";
import type { Counters, Phase, Progress } from "./progress.js";

/** Follows a run: one row per location that is written to, removed from or read back. */
export interface ApplyView {
  onEvent(event: ApplyEvent): void;
  end(): Promise<void>;
}

type BytesEvent = Extract<ApplyEvent, { type: "bytes" }>;
type DoneEvent = Extract<ApplyEvent, { type: "action-done" }>;

/** The display begins with the run: a plan that is refused shows none. */
export function viewApply(progress: Progress, plan: Plan): ApplyView {
  const tally = openTally(plan);
  let opening: Promise<Phase> | undefined;
  let phase: Phase | undefined;
  const open = (): void => {
    opening = progress.phase("Applying", [...tally.rows.keys()]);
    opening.then((opened) => {
      phase = opened;
      for (const [name, row] of tally.rows) finish(opened, name, row);
    }, ignore);
  };
  const show = (name: string | undefined): void => {
    const row = name === undefined ? undefined : tally.rows.get(name);
    if (name === undefined || !row || !phase) return;
    phase.update(name, row);
    finish(phase, name, row);
  };
  return {
    onEvent(event) {
      if (event.type === "run-start") open();
      else if (event.type === "retry") progress.note(retryText(event));
      else if (event.type === "lock-watch") progress.note(watchText(event));
      else if (event.type === "warning") progress.note(`Warning: ${event.message}`);
      else if (event.type === "budget") progress.note(`--max-${event.limit} is reached: finishing these files.`);
      else show(tally.count(event));
    },
    async end() {
      const opened = await opening;
      const unfinished = [...tally.rows].filter(([, row]) => row.files < row.totalFiles);
      for (const [name, row] of unfinished) opened?.fail(name, `${row.files} of ${plural(row.totalFiles, "action")}`);
      await opened?.end(unfinished.length === 0);
    },
  };
}

/** `end` waits for the same promise, and throws. */
const ignore = (): void => undefined;

const watchText = ({ location, holder, ms }: Extract<ApplyEvent, { type: "lock-watch" }>): string =>
  `The lock in ${location} is held (${holder}): watching for up to ${duration(ms)} whether it is alive.`;

const retryText = ({ location, message, attempt, delay }: Extract<ApplyEvent, { type: "retry" }>): string =>
  `${location}: ${message} (attempt ${attempt}, again in ${duration(delay)})`;

function finish(phase: Phase, name: string, row: Row): void {
  if (row.files < row.totalFiles) return;
  const text = `${plural(row.files, "action")}${row.totalBytes > 0 ? `, ${bytes(row.bytes)}` : ""}`;
  if (row.troubled > 0) phase.fail(name, `${text}, ${row.troubled} not done`);
  else phase.finish(name, text);
}

interface Row extends Required<Counters> {
  troubled: number;
}

interface Tally {
  readonly rows: ReadonlyMap<string, Row>;
  /** Counts an event; returns the row that it changed. */
  count(event: ApplyEvent): string | undefined;
}

const homeOf = (action: Action): string => action.to?.location ?? action.from.location;

/** Bytes that the row of an action counts: what is transferred, or read when that is all there is to do. */
const weightOf = (action: Action): number => (action.kind === "verify" ? action.size : action.bytes);

function openTally(plan: Plan): Tally {
  const rows = rowsOf(plan);
  const running = new Map<string, { action: Action; seen: number }>();
  const add = (action: Action, count: number): string => {
    const row = rows.get(homeOf(action));
    if (row) row.bytes += count;
    return homeOf(action);
  };
  const advance = (event: BytesEvent): string | undefined => {
    const current = running.get(event.action);
    if (!current || (event.phase === "verify" && current.action.kind !== "verify")) return undefined;
    const fresh = Math.min(event.bytes, weightOf(current.action) - current.seen);
    current.seen += fresh;
    return fresh > 0 ? add(current.action, fresh) : undefined;
  };
  const settle = ({ action, outcome }: DoneEvent): string => {
    const row = rows.get(homeOf(action));
    const seen = running.get(action.id)?.seen ?? 0;
    const good = outcome.outcome !== "failed" && outcome.outcome !== "skipped";
    running.delete(action.id);
    if (row) row.files += 1;
    if (row && !good) row.troubled += 1;
    return add(action, good ? weightOf(action) - seen : -seen);
  };
  return {
    rows,
    count(event) {
      switch (event.type) {
        case "action-start":
          running.set(event.action.id, { action: event.action, seen: 0 });
          return undefined;
        case "bytes":
          return advance(event);
        case "action-done":
          return settle(event);
        case "run-start":
        case "retry":
        case "warning":
        case "lock-watch":
        case "budget":
        case "run-end":
          return undefined;
        default:
          return assertNever(event);
      }
    },
  };
}

function rowsOf(plan: Plan): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const action of actionsOf(plan)) {
    const row = rows.get(homeOf(action)) ?? { files: 0, bytes: 0, totalFiles: 0, totalBytes: 0, troubled: 0 };
    row.totalFiles += 1;
    row.totalBytes += weightOf(action);
    rows.set(homeOf(action), row);
  }
  return rows;
}
