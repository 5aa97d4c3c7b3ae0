/** For each answer, so much may be spent on repetitions that fail as well, */
const SHARE = 0.2;
/** this many may be saved up, */
const BURST = 100;
/** and so many a second are free, so that work on a store in trouble is slow but ends. */
const PER_SECOND = 10;

/**
 * What a location may spend on trying again: an outage must not multiply the load. A repetition is never refused, it waits until it is
 * paid for; one that brings an answer gives back what it took.
 */
export interface Budget {
  /** A request was answered, on its first attempt or by a repetition. */
  earn(repeated: boolean): void;
  /** Takes one repetition; milliseconds until it may be sent. */
  spend(): number;
}

export function openBudget(now: () => number = Date.now): Budget {
  let balance = BURST;
  let last = now();
  const settle = () => {
    const passed = Math.max(0, now() - last);
    last = now();
    balance = Math.min(BURST, balance + (passed / 1000) * PER_SECOND);
  };
  return {
    earn(repeated) {
      balance = Math.min(BURST, balance + SHARE + (repeated ? 1 : 0));
    },
    spend() {
      settle();
      balance -= 1;
      return balance >= 0 ? 0 : (-balance / PER_SECOND) * 1000;
    },
  };
}
