import type { Discreet } from "../discreet.js";
import { isTransient } from "../retry.js";
import type { Outcome } from "./rest.js";
import { aborted, unavailable } from "./unavailable.js";

export interface Attempt {
  /** Fires when the caller stops or the time for this attempt is over, never after it settled; hand it to the SDK. */
  signal: AbortSignal;
  /** From 1. From 2 on an earlier attempt may have had its effect. */
  number: number;
  /** The attempt gets on (a piece was sent): its time starts anew. */
  alive(): void;
}

/**
 * Calls once, for at most `timeout` milliseconds without a sign of life. Settles as soon as the signal fires or the time is over,
 * whatever the call does then.
 */
export async function attempt<T>(
  location: string,
  number: number,
  body: (attempt: Attempt) => Promise<T>,
  options: { timeout: number; signal: AbortSignal | undefined; discreet: Discreet | undefined },
): Promise<Outcome<T>> {
  const { timeout, signal, discreet } = options;
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => undefined;
  const interrupted = new Promise<Outcome<T>>((resolve) => {
    const end = (outcome: Outcome<T>) => {
      resolve(outcome);
      controller.abort();
    };
    stop = () => end({ stopped: aborted() });
    timer = setTimeout(() => end({ failed: silent(location, timeout) }), timeout);
    signal?.addEventListener("abort", stop, { once: true });
  });
  const alive = () => timer?.refresh();
  try {
    if (signal?.aborted) return { stopped: aborted() };
    const call = () => body({ signal: controller.signal, number, alive });
    return await Promise.race([outcomeOf(call, discreet), interrupted]);
  } finally {
    clearTimeout(timer);
    timer = undefined;
    signal?.removeEventListener("abort", stop);
  }
}

async function outcomeOf<T>(body: () => Promise<T>, discreet: Discreet = (error) => error): Promise<Outcome<T>> {
  try {
    return { value: await body() };
  } catch (thrown) {
    const error = discreet(thrown);
    return isTransient(error) ? { failed: error } : { answer: error };
  }
}

const silent = (location: string, timeout: number) =>
  unavailable(`${location} gave no sign of life for ${Math.round(timeout / 1000)} seconds`);
