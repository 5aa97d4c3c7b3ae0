import { getHeapStatistics } from "node:v8";
import { StowageError } from "./error.js";

const MIB = 1 << 20;

/**
 * Refuses what can not fit into the memory that Node allows itself: Node's own end tells nobody what to do. What is not refused may still be too much.
 * @param bytes what is surely needed beside all that is held now
 * @throws `OUT_OF_MEMORY`
 */
export function requireHeap(bytes: number, what: string): void {
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
  if (used + bytes < limit) return;
  const enough = 1024 * Math.ceil((1.5 * (used + bytes)) / (1024 * MIB));
  throw new StowageError(
    "OUT_OF_MEMORY",
    `${what} take more than the ${Math.round(limit / MIB)} MiB of memory that Node allows itself`,
    {
      hint: `Set NODE_OPTIONS=--max-old-space-size=${enough} (MiB) and run it again, or begin with rules for a part of the files.`,
    },
  );
}
