import { aborted } from "./unavailable.js";

export interface Alarm {
  /** Ends the waiting early. */
  ring(): void;
  /** Settles when it rang or the time is over; rejects with `ABORTED` when the signal fires. Leaves no timer behind. */
  done: Promise<void>;
}

export function alarm(milliseconds: number, signal: AbortSignal | undefined): Alarm {
  let ring = (): void => undefined;
  const done = new Promise<void>((resolve, reject) => {
    const end = (settle: () => void) => () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      settle();
    };
    const stop = end(() => reject(aborted()));
    ring = end(resolve);
    const timer = setTimeout(ring, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
  return { done, ring: () => ring() };
}

/** Waits; throws `ABORTED` as soon as the signal fires. */
export const pause = (milliseconds: number, signal: AbortSignal | undefined): Promise<void> =>
  alarm(milliseconds, signal).done;
