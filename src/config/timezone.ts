/** What a clock on the wall shows. */
export type Clock = [year: number, month: number, day: number, hour: number, minute: number, second: number];

const formatters = new Map<string, Intl.DateTimeFormat>();

/** The clock of a time zone (IANA name) at a time in milliseconds since the epoch. */
export function clockIn(milliseconds: number, timezone: string): Clock {
  const utc = new Date(milliseconds);
  if (timezone === "UTC") {
    return [
      utc.getUTCFullYear(),
      utc.getUTCMonth() + 1,
      utc.getUTCDate(),
      utc.getUTCHours(),
      utc.getUTCMinutes(),
      utc.getUTCSeconds(),
    ];
  }
  let formatter = formatters.get(timezone);
  if (!formatter) {
    const two = "2-digit";
    const shape = {
      year: "numeric",
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
      hourCycle: "h23",
    } as const;
    formatter = new Intl.DateTimeFormat("en-US", { timeZone: timezone, calendar: "iso8601", ...shape });
    formatters.set(timezone, formatter);
  }
  const parts = new Map(formatter.formatToParts(utc).map((part) => [part.type, Number(part.value)]));
  return ["year", "month", "day", "hour", "minute", "second"].map((type) => parts.get(type as "year") ?? 0) as Clock;
}

/** From a time on, how many milliseconds a time zone's clocks are ahead of UTC. */
export interface Offset {
  from: number;
  offset: number;
}

/** No zone has changed its clocks twice in so short a time. */
const STEP = 24 * 3_600_000;

/** The offsets of a time zone between two times, the earliest first: it holds before its time, too. Milliseconds since the epoch. */
export function offsetsOf(timezone: string, from: number, to: number): Offset[] {
  const found = [{ from, offset: offsetAt(from, timezone) }];
  for (let at = from; at < to; at += STEP) {
    const offset = offsetAt(at + STEP, timezone);
    if (offset === found.at(-1)!.offset) continue;
    let [before, after] = [at, at + STEP];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (offsetAt(middle, timezone) === offset) after = middle;
      else before = middle;
    }
    found.push({ from: after, offset });
  }
  return found;
}

function offsetAt(time: number, timezone: string): number {
  const [year, month, day, hour, minute, second] = clockIn(time, timezone);
  const seconds = Math.floor(time / 1000);
  return Date.UTC(year, month - 1, day, hour, minute, second) - seconds * 1000;
}
