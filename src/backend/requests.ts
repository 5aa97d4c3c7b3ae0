import { StowageError } from "../lib/error.js";

/**
 * The way of all requests to one location: tries transient errors again (full jitter, `Retry-After`, a budget of retries), asks less at
 * once where the store throttles (AIMD), and rests when it does not answer at all (circuit breaker).
 */
export interface Requests {
  /**
   * Sends one request. `body` is called again after an error with the code `UNAVAILABLE`; every other error passes at once. With `again: false`
   * it is called once. Throws `ABORTED` when the signal fired.
   */
  send<T>(body: (attempt: Attempt) => Promise<T>, options?: RequestOptions): Promise<T>;
  /** The same bytes; throws `UNAVAILABLE` when none come for too long. */
  watched(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Milliseconds until the location is asked again; 0 = it can be asked now. */
  pausedFor(): number;
}

export interface Attempt {
  /** Fires when the caller stops or the time for this attempt is over; hand it to the SDK. */
  signal: AbortSignal;
  /** From 1. From 2 on an earlier attempt may have had its effect. */
  number: number;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds for one attempt; the standard is for a request without a large body. */
  timeout?: number;
  again?: boolean;
}

/** What a store said beside the error itself. */
export interface Transience {
  /** Milliseconds that the store asked to wait. */
  retryAfter?: number;
  /** It answers, but wants fewer requests (429, 503 SlowDown). */
  throttled?: boolean;
}

/** An error that may be gone in a moment, in the terms of the backend contract. */
export const unavailable = (
  message: string,
  details: Transience & { cause?: unknown; hint?: string } = {},
): StowageError => {
  const { retryAfter, throttled, ...rest } = details;
  return Object.assign(new StowageError("UNAVAILABLE", message, rest), { retryAfter, throttled });
};
