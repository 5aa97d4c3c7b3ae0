import { parentPort, workerData } from "node:worker_threads";
import { inventScript, type Planned } from "./invent.js";
import type { Violation } from "./ledger.js";
import { playScript } from "./play.js";
import { loadProduct } from "./product.js";

/** What one thread plays: every `stride`th schedule from `first` on. */
export interface Work {
  product: string;
  pool: Planned[];
  first: number;
  stride: number;
  count: number;
}

/** What came of some schedules. */
export interface Tally {
  schedules: number;
  steps: number;
  judged: number;
  events: Record<string, number>;
  outcomes: Record<string, number>;
  broken: { seed: number; violations: Violation[] } | undefined;
}

export const newTally = (): Tally => ({
  schedules: 0,
  steps: 0,
  judged: 0,
  events: {},
  outcomes: {},
  broken: undefined,
});

export function addTo(total: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count;
}

const REPORT = 200;

async function work({ product: directory, pool, first, stride, count }: Work): Promise<void> {
  // Errors are many here, and nobody reads where they came from.
  Error.stackTraceLimit = 0;
  const product = await loadProduct(directory);
  const played = async (seed: number) => {
    try {
      return await playScript(inventScript(seed, pool), product);
    } catch (error) {
      throw new Error(`schedule ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  let tally = newTally();
  for (let index = 0; index < count; index++) {
    const seed = first + index * stride;
    const { violations, steps, judged, events, outcomes } = await played(seed);
    tally.schedules += 1;
    tally.steps += steps;
    tally.judged += judged;
    addTo(tally.events, events);
    addTo(tally.outcomes, outcomes);
    if (violations.length > 0) tally.broken = { seed, violations };
    if (violations.length === 0 && tally.schedules < REPORT && index < count - 1) continue;
    parentPort?.postMessage(tally);
    if (violations.length > 0) return;
    tally = newTally();
    // Steps are only ticks: what waits for the outside would starve.
    await new Promise<void>(setImmediate);
  }
}

if (parentPort) await work(workerData as Work);
