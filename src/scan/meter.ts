import type { Pool } from "./pool.js";

export interface Progress {
  phase: "walk" | "hash" | "done";
  files: number;
  bytes: number;
  totalFiles?: number;
  totalBytes?: number;
}

/** Counts what is done in a phase and tells of it about ten times a second, and once at the end of each phase. */
export interface Meter {
  start(phase: "walk" | "hash", total?: { files: number; bytes: number }): void;
  /** Work that no thread of the pool counts. */
  add(files: number, bytes: number): void;
  /** Ends the phase; with `done`, tells that the location is done. */
  stop(done?: { files: number; bytes: number }): void;
}

const INTERVAL_MS = 100;

export function openMeter(tell: ((progress: Progress) => void) | undefined, pool: Pool): Meter {
  let timer: NodeJS.Timeout | undefined;
  let own = { files: 0, bytes: 0 };
  let current: Omit<Progress, "files" | "bytes"> | undefined;
  const now = (): Progress | undefined => {
    const threads = pool.progress();
    return current && { ...current, files: own.files + threads.files, bytes: own.bytes + threads.bytes };
  };
  const report = () => {
    const progress = now();
    if (progress) tell?.(progress);
  };
  const end = () => {
    clearInterval(timer);
    report();
    current = undefined;
  };
  return {
    start(phase, total) {
      end();
      own = { files: 0, bytes: 0 };
      pool.reset();
      current = { phase, ...(total && { totalFiles: total.files, totalBytes: total.bytes }) };
      if (tell) timer = setInterval(report, INTERVAL_MS);
      report();
    },
    add(files, bytes) {
      own.files += files;
      own.bytes += bytes;
    },
    stop(done) {
      end();
      if (done) tell?.({ phase: "done", files: done.files, bytes: done.bytes });
    },
  };
}
