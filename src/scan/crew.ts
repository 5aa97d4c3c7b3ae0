import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

const INTERVAL_MS = 150;
const BUSY = 0.7;

/**
 * How many threads should read by now, asked from time to time: one for each processor is best while files come from memory, and every other one
 * costs; where the threads neither work nor wait for a processor, they wait for a disk or a network, and more of them wait better.
 */
export function openCrew(most: number): () => number {
  const processors = availableParallelism();
  let threads = Math.min(most, processors);
  let since = performance.now();
  let before = busy();
  return () => {
    const now = performance.now();
    if (now - since < INTERVAL_MS || threads >= most) return threads;
    const after = busy();
    if (after - before < BUSY * processors * (now - since)) threads++;
    since = now;
    before = after;
    return threads;
  };
}

/** Milliseconds for which the threads of this process have worked so far, or would have, had a processor been free. */
function busy(): number {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1_000 + waited();
}

const TASKS = "/proc/self/task";

/** Milliseconds for which threads could have run and had to wait; 0 where the system does not tell (Linux does). */
function waited(): number {
  const threads = existsSync(TASKS) ? readdirSync(TASKS) : [];
  return threads.reduce((sum, thread) => sum + waitedIn(thread), 0) / 1e6;
}

/** Nanoseconds. Source: Documentation/scheduler/sched-stats.rst: time on a processor, time waiting for one, time slices. */
function waitedIn(thread: string): number {
  try {
    return Number(readFileSync(`${TASKS}/${thread}/schedstat`, "latin1").split(" ")[1] ?? 0);
  } catch {
    return 0; // It has ended.
  }
}
