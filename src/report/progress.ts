import { printable } from "../lib/key.js";
import { bytes, count, duration, padEnd, plural } from "./format.js";

/** What is known about one row of a phase (usually a location) at one moment; all values are totals so far. */
export interface Counters {
  files: number;
  bytes: number;
  totalFiles?: number;
  totalBytes?: number;
}

/**
 * Shows long work. A phase has one row per location; rows are updated as often as events come, the display decides how
 * often it draws. At most one phase runs at a time.
 */
export interface Progress {
  phase(title: string, rows: readonly string[]): Promise<Phase>;
  /** A sentence for the user that must not tear the display. */
  note(text: string): void;
}

export interface Phase {
  update(row: string, counters: Counters): void;
  finish(row: string, text?: string): void;
  fail(row: string, text: string): void;
  /** Ends every row that is still open; the display is left as it is. Not `done`: it was stopped. */
  end(done?: boolean): Promise<void>;
}

export interface ProgressOptions {
  /** `live` redraws in place (a terminal), `lines` prints a line now and then, `none` prints nothing but notes. */
  style: "live" | "lines" | "none";
  stream: ProgressStream;
  /** Milliseconds. */
  clock: () => number;
}

/** What progress needs of stderr. */
export interface ProgressStream {
  write(text: string): unknown;
}

/** At most one line per row in this time, without a terminal. */
const LINE_INTERVAL = 5_000;

export function openProgress(options: ProgressOptions): Progress {
  let running: Display | undefined;
  return {
    async phase(title, rows) {
      const { livePhase } = options.style === "live" ? await import("./live.js") : {};
      const display = livePhase
        ? livePhase(title, rows, options)
        : options.style === "lines"
          ? linePhase(title, options)
          : silentPhase(options);
      running = display;
      const width = Math.max(0, ...rows.map((row) => row.length));
      const meters = new Map(rows.map((row) => [row, meter(options.clock)]));
      const texts = new Map<string, () => string>();
      return {
        update(row, counters) {
          const rate = meters.get(row)?.(counters.bytes);
          const text = (): string => `${padEnd(row, width)}  ${counterText(counters, rate)}`;
          texts.set(row, text);
          display.update(row, text);
        },
        finish: (row, text) =>
          display.finish(row, text ? `${padEnd(row, width)}  ${text}` : (texts.get(row)?.() ?? row)),
        fail: (row, text) => display.fail(row, `${padEnd(row, width)}  ${text}`),
        async end(done = true) {
          await display.end(done);
          running = undefined;
        },
      };
    },
    note(text) {
      // Names of files, and what stores say, come to be told here.
      const safe = text.split("\n").map(printable).join("\n");
      if (running) running.note(safe);
      else options.stream.write(`${safe}\n`);
    },
  };
}

/** How a phase is shown; texts hold the name of their row, and are made only when they are needed. */
export interface Display {
  update(row: string, text: () => string): void;
  finish(row: string, text: string): void;
  fail(row: string, text: string): void;
  note(text: string): void;
  end(done: boolean): Promise<void>;
}

function linePhase(title: string, options: ProgressOptions): Display {
  const shown = new Map<string, number>();
  const write = (text: string): void => void options.stream.write(`${text}\n`);
  const started = options.clock();
  write(`${title} …`);
  return {
    update(row, text) {
      const now = options.clock();
      if (now - (shown.get(row) ?? started) < LINE_INTERVAL) return;
      shown.set(row, now);
      write(`${title}: ${text()}`);
    },
    finish: (_row, text) => write(`${title}: ${text}`),
    fail: (_row, text) => write(`${title}: ${text}`),
    note: write,
    async end(done) {
      write(`${title}: ${done ? "done in" : "ended after"} ${duration(options.clock() - started)}`);
    },
  };
}

const silentPhase = (options: ProgressOptions): Display => ({
  update() {},
  finish() {},
  fail() {},
  note: (text) => void options.stream.write(`${text}\n`),
  async end() {},
});

export interface Rate {
  /** Bytes per second over the last seconds; undefined while unknown. */
  perSecond?: number;
}

const WINDOW = 10_000;
const SAMPLE_EVERY = 200;

/** Measures a rate from growing totals, over a sliding window that begins with the first bytes: what was done before them tells nothing of their speed. */
export function meter(clock: () => number): (total: number) => Rate {
  let samples: { time: number; total: number }[] = [{ time: clock(), total: 0 }];
  return (total) => {
    const time = clock();
    if (samples.at(-1)?.total === 0) samples = [{ time, total }];
    if (time - (samples.at(-1)?.time ?? 0) >= SAMPLE_EVERY) samples.push({ time, total });
    while (samples.length > 2 && time - (samples[1]?.time ?? time) > WINDOW) samples.shift();
    const first = samples[0];
    if (!first || time - first.time < 1000 || total <= first.total) return {};
    return { perSecond: ((total - first.total) * 1000) / (time - first.time) };
  };
}

/** So many bytes tell how fast it goes, where it is not a hundredth of all yet. */
const ENOUGH = 100_000_000;

/** `1,204 of 8,000 files  3.2 GB of 8.0 GB  410 MB/s  2min left` */
export function counterText(counters: Counters, rate: Rate = {}): string {
  const parts = [
    counters.totalFiles === undefined
      ? plural(counters.files, "file")
      : `${count(counters.files)} of ${plural(counters.totalFiles, "file")}`,
  ];
  if (counters.totalBytes) parts.push(`${bytes(counters.bytes)} of ${bytes(counters.totalBytes)}`);
  else if (counters.bytes > 0) parts.push(bytes(counters.bytes));
  if (rate.perSecond) {
    parts.push(`${bytes(rate.perSecond)}/s`);
    const total = counters.totalBytes ?? 0;
    const left = total - counters.bytes;
    if (left > 0 && counters.bytes >= Math.min(total / 100, ENOUGH))
      parts.push(`${duration((left / rate.perSecond) * 1000)} left`);
  }
  return parts.join("  ");
}
