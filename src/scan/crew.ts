import { availableParallelism } from "node:os";

const INTERVAL_MS = 150;
const BUSY = 0.7;

/**
 * How many threads should read by now, asked from time to time: one for each processor is best while files come from memory, and every other one
 * costs; where the processors idle and the threads are not waiting for them, they wait for a disk or a network, and more of them wait better.
 */
export function openCrew(most: number): () => number {
  const processors = availableParallelism();
  let threads = Math.min(most, processors);
  let since = performance.now();
  let before = process.resourceUsage();
  return () => {
    const now = performance.now();
    if (now - since < INTERVAL_MS || threads >= most) return threads;
    const used = process.resourceUsage();
    const grown = (name: keyof NodeJS.ResourceUsage) => used[name] - before[name];
    const idle = (grown("userCPUTime") + grown("systemCPUTime")) / 1_000 < BUSY * processors * (now - since);
    if (idle && grown("involuntaryContextSwitches") <= grown("voluntaryContextSwitches")) threads++;
    since = now;
    before = used;
    return threads;
  };
}
