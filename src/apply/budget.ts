import type { Action } from "../plan/plan.js";

/** How much one run may do; what is unset has no limit. */
export interface BudgetOptions {
  /** Bytes to transfer. */
  bytes?: number;
  actions?: number;
  /** Milliseconds from the beginning of the run. */
  duration?: number;
  /** Milliseconds since the run began; a clock that nobody sets, where unset. */
  elapsed?: () => number;
}

export type Limit = "bytes" | "actions" | "duration";

/** Where a budget ended. */
export interface Over {
  limit: Limit;
  /** What the next action would have transferred. */
  next_bytes: number;
  /** It has room in a budget of this size that nothing was taken from. */
  fits: boolean;
}

/** Decides which actions still fit. Once one did not, none is let through any more. */
export interface Budget {
  /** `wait`: it may fit when what is running turns out to need less than it was let through for. */
  admit(action: Action): "go" | "wait" | "over";
  /** What was let through has ended, and has transferred so much. */
  ended(action: Action, bytes: number): void;
  over(): Over | undefined;
}

/**
 * `done` are actions that earlier runs of the plan have done: they are only looked at again and take nothing of `actions`, so that
 * a plan that is applied in pieces comes to its end.
 */
export function openBudget(options: BudgetOptions, done: ReadonlySet<string>, onOver: (limit: Limit) => void): Budget {
  const { bytes = Infinity, actions = Infinity, duration = Infinity } = options;
  const began = performance.now();
  const elapsed = options.elapsed ?? (() => performance.now() - began);
  const counted = new Set<string>();
  const running = new Map<string, number>();
  let [used, reserved] = [0, 0];
  let reached: Over | undefined;

  const reach = (limit: Limit, next_bytes: number): "over" => {
    reached = { limit, next_bytes, fits: next_bytes <= bytes };
    onOver(limit);
    return "over";
  };
  return {
    admit(action) {
      const { id, bytes: cost } = action;
      if (reached !== undefined) return "over";
      if (elapsed() >= duration) return reach("duration", cost);
      if (!done.has(id) && !counted.has(id) && counted.size >= actions) return reach("actions", cost);
      if (used + reserved + cost > bytes) return reserved > 0 ? "wait" : reach("bytes", cost);
      if (!done.has(id)) counted.add(id);
      running.set(id, cost);
      reserved += cost;
      return "go";
    },
    ended({ id }, transferred) {
      reserved -= running.get(id)!;
      running.delete(id);
      used += transferred;
    },
    over() {
      if (reached === undefined && elapsed() >= duration) reach("duration", 0);
      return reached;
    },
  };
}
