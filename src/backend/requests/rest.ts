import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll, type IBackoff } from "cockatiel";
import { alarm } from "./pause.js";
import { transienceOf, unavailable } from "./unavailable.js";

/** So many errors in a row, of requests that are transient errors all, and the location rests. */
export const BREAK_AFTER = 10;
const FIRST_REST = 1_000;
const LONGEST_REST = 30_000;
/** A store that did not answer for so long is given up: who waits is told, who comes later fails at once but for one try per rest. */
export const PATIENCE = 5 * 60_000;

/** How a request ended. Only `failed`, a transient error, speaks against the store. */
export type Outcome<T> = { value: T } | { answer: unknown } | { failed: unknown } | { stopped: unknown };

/** A circuit breaker that lets requests wait, not fail. */
export interface Rest {
  /**
   * Runs the request when the location does not rest, as the one that tries when a rest is over. Throws `ABORTED`, and `UNAVAILABLE` when patience is over.
   * One that is urgent does not wait for the one that tries: that may be waiting for it.
   */
  run<T>(request: () => Promise<Outcome<T>>, signal: AbortSignal | undefined, urgent?: boolean): Promise<Outcome<T>>;
  /** Milliseconds until the location is asked again; 0 = now. */
  pausedFor(): number;
  /** Patience is over: the store has not answered for too long, and has not since. */
  isGivenUp(): boolean;
  /** From now on there is none: who waits is told at once. */
  giveUp(): void;
}

/** Carries an outcome through the breaker, which counts what is thrown. */
interface Failure<T> {
  outcome: Outcome<T>;
}

interface RestOptions {
  patience: number;
  random: () => number;
  onRest: () => void;
}

export function openRest(location: string, options: RestOptions): Rest {
  let until = 0;
  let resting = 0;
  let since: number | undefined;
  let reason: unknown;
  const waiting = new Set<() => void>();

  const after = (attempt: number): { next(context: { result: object }): IBackoff<unknown> } => ({
    next(context) {
      const doubled = Math.min(LONGEST_REST, FIRST_REST * 2 ** attempt);
      reason = reasonOf(context.result);
      const duration = Math.max((doubled * (1 + options.random())) / 2, wanted(reason));
      resting = duration;
      since ??= Date.now();
      options.onRest();
      return { duration, ...after(attempt + 1) };
    },
  });
  const breaker = circuitBreaker(handleAll, {
    breaker: new ConsecutiveBreaker(BREAK_AFTER),
    halfOpenAfter: after(0),
  });
  breaker.onStateChange((state) => {
    if (state === CircuitState.Closed) since = undefined;
    // Not reckoned from before the breaker looked at the clock: it would refuse who comes in the same millisecond.
    if (state === CircuitState.Open) until = Date.now() + resting;
    for (const wake of [...waiting]) wake();
  });
  const remaining = () => (breaker.state === CircuitState.Open ? Math.max(0, until - Date.now()) : 0);

  let most = options.patience;
  const patience = () => (since === undefined ? most : since + most - Date.now());

  /** Returns in the very turn in which the request can be handed to the breaker. */
  async function over(signal: AbortSignal | undefined): Promise<void> {
    while (breaker.state === CircuitState.HalfOpen || remaining() > 0) {
      const left = patience();
      if (left <= 0) throw givenUp(location, Math.min(options.patience, Date.now() - (since ?? 0)), reason);
      const { done, ring } = alarm(Math.min(left, remaining() || left), signal);
      waiting.add(ring);
      await done.finally(() => waiting.delete(ring));
    }
  }

  return {
    pausedFor: remaining,
    isGivenUp: () => patience() <= 0,
    giveUp() {
      most = 0;
      for (const wake of [...waiting]) wake();
    },
    async run(request, signal, urgent = false) {
      if (urgent && breaker.state === CircuitState.HalfOpen) return await request();
      await over(signal);
      try {
        return await breaker.execute(async () => {
          const outcome = await request();
          const proves = !("failed" in outcome) && !("stopped" in outcome && breaker.state === CircuitState.HalfOpen);
          if (!proves) throw { outcome } satisfies Failure<unknown>;
          return outcome;
        });
      } catch (error) {
        if (isFailure(error)) return error.outcome as Outcome<never>;
        throw error;
      }
    },
  };
}

const isFailure = (error: unknown): error is Failure<unknown> =>
  typeof error === "object" && error !== null && "outcome" in error;

function reasonOf(result: object): unknown {
  const error = "error" in result ? result.error : undefined;
  return isFailure(error) && "failed" in error.outcome ? error.outcome.failed : undefined;
}

const wanted = (error: unknown): number => Math.min(transienceOf(error).retryAfter ?? 0, LONGEST_REST);

const givenUp = (location: string, ms: number, cause: unknown) =>
  unavailable(`${location} has not answered for ${spanOf(ms)}`, {
    cause,
    hint: "Run the command again when it can be reached.",
  });

const spanOf = (ms: number): string =>
  ms < 60_000 ? `${Math.round(ms / 1000)} seconds` : `${Math.round(ms / 60_000)} minutes`;
