import { StowageError } from "../../lib/error.js";

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

/** The same of an error that was made elsewhere. */
export function transienceOf(error: unknown): Transience {
  if (typeof error !== "object" || error === null) return {};
  const wait = "retryAfter" in error ? error.retryAfter : undefined;
  return {
    ...(typeof wait === "number" && wait > 0 && { retryAfter: wait }),
    throttled: "throttled" in error && error.throttled === true,
  };
}

export const aborted = (): StowageError => new StowageError("ABORTED", "stopped on request");
