import { figure } from "../support/figures.js";

/** No input may take more milliseconds of CPU: what is exponential takes for ever. Time by the clock says how busy a machine is. */
export const PATIENCE = 10_000;
/** What a person may have to wait for the answer to any input, after start-up, on a machine that is not busy. */
const PROMPT = 250;

export interface Stopwatch {
  /** The result, and notes what CPU time it took, of all threads. */
  time<T>(what: string, body: () => T | Promise<T>): Promise<T>;
  /** Adds the figures, and returns the slowest. */
  tell(): { what: string; ms: number };
}

export function stopwatch(about: string): Stopwatch {
  let [count, late, slowest] = [0, 0, { what: "", ms: 0 }];
  return {
    async time(what, body) {
      const start = process.cpuUsage();
      try {
        return await body();
      } finally {
        const { user, system } = process.cpuUsage(start);
        const ms = (user + system) / 1000;
        count += 1;
        if (ms > PROMPT) late += 1;
        if (ms > slowest.ms) slowest = { what, ms };
      }
    },
    tell() {
      figure(about, count);
      figure(`${about}: took more than ${PROMPT} ms of CPU`, late);
      figure(`${about}: the slowest, in ms of CPU`, Math.ceil(slowest.ms));
      process.stdout.write(
        `${about}: ${count}, the slowest took ${Math.ceil(slowest.ms)} ms of CPU (${slowest.what.slice(0, 60)})\n`,
      );
      return slowest;
    },
  };
}
