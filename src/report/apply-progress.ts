import type { ApplyEvent } from "../apply/events.js";
import { assertNever } from "../lib/error.js";
import type { Action, Plan } from "../plan/plan.js";
import { bytes, duration, plural } from "./format.js";
import type { Counters, Phase, Progress } from "./progress.js";

/** Follows a run: one row per location that is written to, removed from or read back. */
export interface ApplyView {
  onEvent(event: ApplyEvent): void;
  end(): Promise<void>;
}

const homeOf = (action: Action): string => action.to?.location ?? action.from.location;

/** Bytes that the row of an action counts: what is transferred, or read when that is all there is to do. */
const weightOf = (action: Action): number => (action.kind === "verify" ? action.size : action.bytes);

/** The display begins with the run: a plan that is refused shows none. */
export function viewApply(progress: Progress, plan: Plan): ApplyView {
  const rows = new Map<string, Required<Counters> & { troubled: number }>();
  for (const action of plan.actions) {
    const row = rows.get(homeOf(action)) ?? { files: 0, bytes: 0, totalFiles: 0, totalBytes: 0, troubled: 0 };
    row.totalFiles += 1;
    row.totalBytes += weightOf(action);
    rows.set(homeOf(action), row);
  }
  let opening: Promise<Phase> | undefined;
  let phase: Phase | undefined;
  const running = new Map<string, { action: Action; seen: number }>();

  const move = (action: Action, done: number): void => {
    const row = rows.get(homeOf(action));
    if (!row) return;
    row.bytes += done;
    phase?.update(homeOf(action), row);
  };
  const finish = (name: string): void => {
    const row = rows.get(name);
    if (!row || row.files < row.totalFiles) return;
    const text = `${plural(row.files, "action")}${row.totalBytes > 0 ? `, ${bytes(row.bytes)}` : ""}`;
    if (row.troubled > 0) phase?.fail(name, `${text}, ${row.troubled} not done`);
    else phase?.finish(name, text);
  };
  const advance = (event: Extract<ApplyEvent, { type: "bytes" }>): void => {
    const current = running.get(event.action);
    if (!current || (event.phase === "verify" && current.action.kind !== "verify")) return;
    const fresh = Math.min(event.bytes, weightOf(current.action) - current.seen);
    current.seen += fresh;
    if (fresh > 0) move(current.action, fresh);
  };
  const settle = ({ action, outcome }: Extract<ApplyEvent, { type: "action-done" }>): void => {
    const row = rows.get(homeOf(action));
    const seen = running.get(action.id)?.seen ?? 0;
    running.delete(action.id);
    if (!row) return;
    row.files += 1;
    const good = outcome.outcome !== "failed" && outcome.outcome !== "skipped";
    if (!good) row.troubled += 1;
    move(action, good ? weightOf(action) - seen : -seen);
    finish(homeOf(action));
  };
  return {
    onEvent(event) {
      switch (event.type) {
        case "action-start":
          running.set(event.action.id, { action: event.action, seen: 0 });
          break;
        case "bytes":
          advance(event);
          break;
        case "retry":
          progress.note(
            `${event.location}: ${event.message} (attempt ${event.attempt}, again in ${duration(event.delay)})`,
          );
          break;
        case "action-done":
          settle(event);
          break;
        case "run-start":
          opening = progress.phase("Applying", [...rows.keys()]);
          opening.then((opened) => {
            phase = opened;
            for (const name of rows.keys()) finish(name);
          }, ignore);
          break;
        case "run-end":
          break;
        default:
          assertNever(event);
      }
    },
    async end() {
      const opened = await opening;
      for (const [name, row] of rows) {
        if (row.files < row.totalFiles) opened?.fail(name, `${row.files} of ${plural(row.totalFiles, "action")}`);
      }
      await opened?.end();
    },
  };
}

/** `end` waits for the same promise, and throws. */
const ignore = (): void => undefined;
