import { setMaxListeners } from "node:events";
import { codeOf, messageOf } from "../lib/error.js";
import type { Discreet } from "./discreet.js";
import { type Attempt, attempt } from "./requests/attempt.js";
import { openBudget } from "./requests/budget.js";
import { openGate, type Place } from "./requests/gate.js";
import { alarm } from "./requests/pause.js";
import { type Outcome, openRest, PATIENCE } from "./requests/rest.js";
import { type Transience, transienceOf } from "./requests/unavailable.js";
import { watched } from "./requests/watched.js";
import type { Retry } from "./retry.js";

export type { Attempt } from "./requests/attempt.js";
export { type Transience, unavailable } from "./requests/unavailable.js";

/**
 * The way of all requests to one location: tries transient errors again (full jitter, `Retry-After`, a budget of retries), asks less at
 * once where the store throttles (AIMD), and rests when it does not answer at all (circuit breaker).
 */
export interface Requests {
  /**
   * Sends one request. `body` is called again after an error with the code `UNAVAILABLE`; every other error passes at once. With `again: false`
   * it is called once. While the location rests it waits, and throws `UNAVAILABLE` when that takes too long. Throws `ABORTED` when the signal fired.
   */
  send<T>(body: (attempt: Attempt) => Promise<T>, options?: RequestOptions): Promise<T>;
  /** The same bytes; throws `UNAVAILABLE` when none come for too long, `ABORTED` when the signal fires. Then it calls their `destroy`, where they have one. */
  watched(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Milliseconds until the location is asked again; 0 = it can be asked now. */
  pausedFor(): number;
  /** Whatever waits for the store, which does not answer, fails now, and what comes later at once. */
  giveUp(): void;
  /** Told before each repetition; whoever shows them sets it, at any time. */
  onRetry: ((retry: Retry) => void) | undefined;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds that one attempt may go without a sign of life (`Attempt.alive`, or its end). */
  timeout?: number;
  again?: boolean;
  /**
   * Goes ahead of the limit, and counts: for opening a body that an upload waits for. That upload holds its own place meanwhile, here or at a location
   * that waits for this one, so waiting for a place could last for ever.
   */
  urgent?: boolean;
}

export interface RequestsOptions {
  /** Attempts after the first. Being asked to slow down is no failure: it counts a fifth. */
  retries: number;
  /** Requests on their way at once, at most. */
  concurrency: number;
  onRetry?: (retry: Retry) => void;
  /** Milliseconds without a sign of life: of an attempt, and between two pieces of a body. */
  timeout?: number;
  stall?: number;
  /** Milliseconds without an answer after which the location is given up. */
  patience?: number;
  /** Told every error before anybody else is. */
  discreet?: Discreet;
  /** 0 ≤ x < 1 */
  random?: () => number;
}

const SILENCE = 60_000;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 30_000;
/** What a store asks us to wait is granted up to here. */
const LONGEST_WISH = 120_000;
const THROTTLES_PER_RETRY = 5;

/**
 * One for each location: what it learns about the store (how much at once, whether it answers) serves all requests to it. The circuit breaker
 * is cockatiel's; its retry and timeout can not be cancelled while they wait, and its bulkhead has a fixed size, so these are ours.
 */
export function openRequests(location: string, options: RequestsOptions): Requests {
  const {
    retries,
    concurrency,
    timeout = SILENCE,
    stall = SILENCE,
    patience = PATIENCE,
    random = Math.random,
    discreet,
  } = options;
  const gate = openGate(concurrency);
  const budget = openBudget();
  const rest = openRest(location, { patience, random, onRest: gate.startOver });
  const pauses = new Set<() => void>();

  /** One attempt, in its turn. */
  async function once<T>(number: number, body: Body<T>, request: RequestOptions): Promise<Outcome<T>> {
    const { signal, urgent } = request;
    const place = await gate.enter(signal, urgent);
    let outcome: Outcome<T> | undefined;
    try {
      const call = () => attempt(location, number, body, { timeout: request.timeout ?? timeout, signal, discreet });
      outcome = await rest.run(call, signal, urgent);
      return outcome;
    } finally {
      place.leave(outcome ? howItWent(outcome) : "failed");
    }
  }

  /** Milliseconds until the next attempt. */
  function delayAfter(number: number, { retryAfter = 0 }: Transience): number {
    const jittered = random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1));
    return Math.max(jittered, Math.min(retryAfter, LONGEST_WISH), budget.spend(), rest.pausedFor());
  }

  async function send<T>(body: Body<T>, request: RequestOptions = {}): Promise<T> {
    if (request.signal) setMaxListeners(0, request.signal);
    const allowed = request.again === false ? 0 : retries * THROTTLES_PER_RETRY;
    for (let number = 1, spent = 0; ; number++) {
      const outcome = await once(number, body, request);
      if (!("failed" in outcome)) {
        budget.earn(number > 1);
        return settle(outcome);
      }
      const transience = transienceOf(outcome.failed);
      // While the location rests, its patience ends the trying, not the number of attempts.
      if (rest.pausedFor() === 0) spent += transience.throttled ? 1 : THROTTLES_PER_RETRY;
      if (allowed === 0 || spent > allowed || rest.isGivenUp()) throw outcome.failed;
      const delay = delayAfter(number, transience);
      requests.onRetry?.(retryOf(location, outcome.failed, number, delay));
      const { done, ring } = alarm(delay, request.signal);
      pauses.add(ring);
      await done.finally(() => pauses.delete(ring));
    }
  }

  const requests: Requests = {
    onRetry: options.onRetry,
    pausedFor: rest.pausedFor,
    giveUp() {
      rest.giveUp();
      for (const ring of [...pauses]) ring();
    },
    send,
    watched(bytes, signal) {
      if (signal) setMaxListeners(0, signal);
      return watched(location, bytes, stall, signal);
    },
  };
  return requests;
}

type Body<T> = (attempt: Attempt) => Promise<T>;

function settle<T>(outcome: Exclude<Outcome<T>, { failed: unknown }>): T {
  if ("value" in outcome) return outcome.value;
  throw "answer" in outcome ? outcome.answer : outcome.stopped;
}

function howItWent(outcome: Outcome<unknown>): Parameters<Place["leave"]>[0] {
  if ("value" in outcome || "answer" in outcome) return "answered";
  return "failed" in outcome && transienceOf(outcome.failed).throttled ? "throttled" : "failed";
}

const retryOf = (location: string, error: unknown, number: number, delay: number): Retry => ({
  location,
  code: codeOf(error) ?? "",
  message: messageOf(error),
  attempt: number,
  delay,
});
