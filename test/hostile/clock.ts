import { figure } from "../support/figures.js";

/** No input may take longer, on the busiest machine: what is exponential takes for ever. */
export const PATIENCE = 5_000;
/** What a person may have to wait for the answer to any input, after start-up, on a machine that is not busy. */
const PROMPT = 250;

export interface Stopwatch {
  /** The result, and notes how long it took. */
  time<T>(what: string, body: () => T | Promise<T>): Promise<T>;
  /** Adds the figures, and returns the slowest. */
  tell(): { what: string; ms: number };
}

export function stopwatch(about: string): Stopwatch {
  let [count, late, slowest] = [0, 0, { what: "", ms: 0 }];
  return {
    async time(what, body) {
      const start = performance.now();
      try {
        return await body();
      } finally {
        const ms = performance.now() - start;
        count += 1;
        if (ms > PROMPT) late += 1;
        if (ms > slowest.ms) slowest = { what, ms };
      }
    },
    tell() {
      figure(about, count);
      figure(`${about}: took longer than ${PROMPT} ms`, late);
      figure(`${about}: the slowest, in ms`, Math.ceil(slowest.ms));
      process.stdout.write(
        `${about}: ${count}, the slowest took ${Math.ceil(slowest.ms)} ms (${slowest.what.slice(0, 60)})\n`,
      );
      return slowest;
    },
  };
}
