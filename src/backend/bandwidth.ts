import type { Bandwidth, Window } from "../config/config.js";
import { pause } from "./requests/pause.js";

const MINUTE = 60_000;
/** What was not used can be made up for only within this time; and no slice takes longer. */
const SLICE_MS = 250;
const SMALLEST_SLICE = 1024;
/** Longer than any time zone can keep a window from coming. */
const HORIZON = 3 * 24 * 60;

/** The bytes that may go over the line each second, shared by all streams that go through it. */
export interface Throttle {
  /**
   * The same bytes, in pieces as small as the rate needs to keep flowing. Where nothing is limited, the very same pieces. Throws `ABORTED` as soon as
   * the signal fires.
   */
  limit(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

export function openBandwidth(timetable: Bandwidth, options: { timezone: string; now: () => number }): Throttle {
  const { now } = options;
  const rateAt = rates(timetable, options.timezone);
  /** When all that was let through is paid for. */
  let paid = Number.NEGATIVE_INFINITY;

  async function pay(count: number, rate: number, signal: AbortSignal | undefined): Promise<void> {
    const due = Math.max(paid, now() - SLICE_MS);
    paid = due + (count / rate) * 1000;
    if (due > now()) await pause(due - now(), signal);
  }

  async function* limit(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      for (let start = 0; start < piece.length; ) {
        const rate = rateAt(now());
        const size = rate === undefined ? piece.length : Math.max(SMALLEST_SLICE, Math.floor((rate * SLICE_MS) / 1000));
        const slice = start === 0 && size >= piece.length ? piece : piece.subarray(start, start + size);
        if (rate !== undefined) await pay(slice.length, rate, signal);
        yield slice;
        start += slice.length;
      }
    }
  }

  return timetable.some(({ rate }) => rate !== undefined) ? { limit } : { limit: (bytes) => bytes };
}

/** True when one of the windows is open; without any it always is. */
export function isOpen(windows: readonly Window[], now: number, timezone: string): boolean {
  return windows.length === 0 || covers(windows, clock(timezone)(now));
}

/** Milliseconds until the next window opens; 0 = one is open. */
export function opensIn(windows: readonly Window[], now: number, timezone: string): number {
  const minuteOf = clock(timezone);
  if (windows.length === 0 || covers(windows, minuteOf(now))) return 0;
  const next = (Math.floor(now / MINUTE) + 1) * MINUTE;
  for (let minutes = 0; minutes < HORIZON; minutes++) {
    const then = next + minutes * MINUTE;
    if (covers(windows, minuteOf(then))) return then - now;
  }
  return Number.POSITIVE_INFINITY;
}

const covers = (windows: readonly Window[], minute: number): boolean =>
  windows.some(({ from, to }) => (from < to ? from <= minute && minute < to : minute >= from || minute < to));

/** The rate at an instant; looked up once a minute. */
function rates(timetable: Bandwidth, timezone: string): (now: number) => number | undefined {
  const entries = [...timetable].sort((a, b) => a.from - b.from);
  if (entries.length === 0) return () => undefined;
  const minuteOf = clock(timezone);
  let known: { minute: number; rate: number | undefined } | undefined;
  return (now) => {
    const minute = Math.floor(now / MINUTE);
    if (known?.minute !== minute) {
      const time = minuteOf(now);
      const entry = entries.findLast(({ from }) => from <= time) ?? entries.at(-1);
      known = { minute, rate: entry?.rate };
    }
    return known.rate;
  };
}

/** Minutes after midnight on the wall clock of a time zone. */
function clock(timezone: string): (now: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    hour: "numeric",
    minute: "numeric",
  });
  return (now) => {
    const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
    return Number(parts["hour"]) * 60 + Number(parts["minute"]);
  };
}
