import { aborted } from "./unavailable.js";

/**
 * How many requests are on their way at once. Throttling halves the number, once for all that were under way together; each round of
 * answers raises it by one, up to `most`. First come, first served.
 */
export interface Gate {
  /** Waits for a place, unless it is urgent. Throws `ABORTED` when the signal fires before there is one. */
  enter(signal: AbortSignal | undefined, urgent?: boolean): Promise<Place>;
  /** Down to one: after a rest the store is not asked by all at once. */
  startOver(): void;
  limit(): number;
}

export interface Place {
  /** Gives the place back, and says how the store took it. Exactly once. */
  leave(how: "answered" | "throttled" | "failed"): void;
}

export function openGate(most: number): Gate {
  let limit = most;
  let busy = 0;
  /** Counts the halvings: what began before one does not cause another. */
  let round = 0;
  const waiting = new Set<() => void>();

  function adjust(how: "answered" | "throttled" | "failed", began: number): void {
    if (how === "answered") limit = Math.min(most, limit + 1 / Math.floor(limit));
    if (how !== "throttled" || began !== round) return;
    limit = Math.max(1, limit / 2);
    round++;
  }

  function admit(): void {
    for (const next of waiting) {
      if (busy >= Math.floor(limit)) return;
      waiting.delete(next);
      busy++;
      next();
    }
  }

  function place(): Place {
    const began = round;
    return {
      leave(how) {
        busy--;
        adjust(how, began);
        admit();
      },
    };
  }

  return {
    limit: () => Math.floor(limit),
    startOver() {
      limit = 1;
      round++;
    },
    enter: (signal, urgent = false) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(aborted());
        if (urgent || (waiting.size === 0 && busy < Math.floor(limit))) {
          busy++;
          return resolve(place());
        }
        const go = () => {
          signal?.removeEventListener("abort", stop);
          resolve(place());
        };
        const stop = () => {
          waiting.delete(go);
          reject(aborted());
        };
        signal?.addEventListener("abort", stop, { once: true });
        waiting.add(go);
        admit();
      }),
  };
}
