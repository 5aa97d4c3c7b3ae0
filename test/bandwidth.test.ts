import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isOpen, openBandwidth, opensIn } from "../src/backend/bandwidth.js";
import type { Bandwidth } from "../src/config/config.js";
import { codeOf } from "../src/lib/error.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-01-15T12:00:00Z") });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const KIB = 1024;
const at = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const table = (entries: Record<string, number | undefined>): Bandwidth =>
  Object.entries(entries).map(([time, rate]) => ({ from: at(time), ...(rate !== undefined && { rate }) }));

async function* source(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const [index, size] of sizes.entries()) yield new Uint8Array(size).fill(index + 1);
}

interface Read {
  sizes: number[];
  /** Sum of all bytes, to see that they are the same. */
  sum: number;
  /** Seconds from the first request to the end. */
  seconds: number;
}

async function read(bytes: AsyncIterable<Uint8Array>): Promise<Read> {
  const before = Date.now();
  const sizes: number[] = [];
  let sum = 0;
  for await (const piece of bytes) {
    sizes.push(piece.length);
    for (const byte of piece) sum += byte;
  }
  return { sizes, sum, seconds: (Date.now() - before) / 1000 };
}

async function reads(...streams: AsyncIterable<Uint8Array>[]): Promise<Read[]> {
  const all = Promise.all(streams.map(read));
  await vi.runAllTimersAsync();
  return all;
}

const open = (timetable: Bandwidth, timezone = "UTC") => openBandwidth(timetable, { timezone, now: Date.now });

describe("bandwidth", () => {
  it("lets the very same pieces through where nothing is limited", async () => {
    for (const timetable of [[], table({ "08:00": undefined }), table({ "08:00": undefined, "22:00": 1 })]) {
      const piece = new Uint8Array(3_000_000);
      const one = async function* () {
        yield piece;
      };
      for await (const passed of open(timetable).limit(one())) expect(passed).toBe(piece);
    }
  });

  it("holds the rate, in small pieces, and changes no byte", async () => {
    const sizes = [5 * KIB, 100 * KIB, 0, 1, 95 * KIB - 1];
    const [result] = await reads(open(table({ "00:00": 20 * KIB })).limit(source(...sizes)));
    expect(result!.seconds).toBeGreaterThan(9);
    expect(result!.seconds).toBeLessThan(10.1);
    expect(Math.max(...result!.sizes)).toBe(5 * KIB);
    expect(result!.sum).toBe(5 * KIB + 2 * 100 * KIB + 4 + 5 * (95 * KIB - 1));
  });

  it("pays a large piece over time, so that a line is never silent for long", async () => {
    const gaps: number[] = [];
    let last = Date.now();
    const reading = (async () => {
      for await (const _ of open(table({ "00:00": 64 * KIB })).limit(source(1024 * KIB))) {
        gaps.push(Date.now() - last);
        last = Date.now();
      }
    })();
    await vi.runAllTimersAsync();
    await reading;
    expect(Math.max(...gaps)).toBeLessThanOrEqual(260);
    expect(gaps.reduce((sum, gap) => sum + gap, 0)).toBeGreaterThan(15_000);
  });

  it("is one for all streams, and fair", async () => {
    const bandwidth = open(table({ "00:00": 100 * KIB }));
    const results = await reads(...[1, 2, 3, 4].map(() => bandwidth.limit(source(250 * KIB))));
    for (const { seconds } of results) {
      expect(seconds).toBeGreaterThan(8);
      expect(seconds).toBeLessThan(10.5);
    }
  });

  it("does not save up what was not used", async () => {
    const bandwidth = open(table({ "00:00": 10 * KIB }));
    await reads(bandwidth.limit(source(KIB)));
    await vi.advanceTimersByTimeAsync(60_000);
    const [result] = await reads(bandwidth.limit(source(100 * KIB)));
    expect(result!.seconds).toBeGreaterThan(9);
  });

  it("follows the timetable within a stream", async () => {
    vi.setSystemTime(Date.parse("2026-01-15T21:59:00Z"));
    const bandwidth = open(table({ "08:00": 10 * KIB, "22:00": undefined }));
    const [result] = await reads(bandwidth.limit(source(...Array.from({ length: 100 }, () => 100 * KIB))));
    expect(result!.seconds).toBeGreaterThan(59);
    expect(result!.seconds).toBeLessThan(61);
  });

  it.each([
    { name: "before the first entry: that of the evening before", now: "2026-01-15T07:59:00Z", rate: 2 },
    { name: "from the minute it is written for", now: "2026-01-15T08:00:00Z", rate: 1 },
    { name: "in the evening", now: "2026-01-15T22:30:00Z", rate: 2 },
    { name: "on the wall clock of the zone", now: "2026-01-15T06:59:00Z", zone: "Europe/Berlin", rate: 2 },
    { name: "on the wall clock of the zone, winter", now: "2026-01-15T07:00:00Z", zone: "Europe/Berlin", rate: 1 },
    { name: "on the wall clock of the zone, summer", now: "2026-07-15T06:00:00Z", zone: "Europe/Berlin", rate: 1 },
    { name: "on the day summer begins", now: "2026-03-29T06:00:00Z", zone: "Europe/Berlin", rate: 1 },
    { name: "on the day summer ends, before", now: "2026-10-25T06:59:00Z", zone: "Europe/Berlin", rate: 2 },
    { name: "on the day summer ends, after", now: "2026-10-25T07:00:00Z", zone: "Europe/Berlin", rate: 1 },
  ])("takes the rate $name", async ({ now, zone, rate }) => {
    vi.setSystemTime(Date.parse(now));
    const bandwidth = open(table({ "22:00": 2 * KIB, "08:00": KIB }), zone);
    const [result] = await reads(bandwidth.limit(source(10 * KIB)));
    expect(Math.round(10 / result!.seconds)).toBe(rate);
  });

  it("stops with ABORTED while it waits", async () => {
    const controller = new AbortController();
    const reading = read(open(table({ "00:00": KIB })).limit(source(100 * KIB), controller.signal)).catch(codeOf);
    await vi.advanceTimersByTimeAsync(5_000);
    controller.abort();
    expect(await reading).toBe("ABORTED");
  });
});

describe("windows", () => {
  const day = [{ from: at("08:00"), to: at("12:30") }];
  const night = [{ from: at("22:00"), to: at("06:00") }];
  const gap = [{ from: at("02:15"), to: at("02:45") }];
  const HOUR = 3_600_000;

  it.each([
    { name: "without windows", windows: [], now: "2026-01-15T03:00:00Z", wait: 0 },
    { name: "in one", windows: day, now: "2026-01-15T08:00:00Z", wait: 0 },
    { name: "just before one", windows: day, now: "2026-01-15T07:59:59.250Z", wait: 750 },
    { name: "at its end", windows: day, now: "2026-01-15T12:30:00Z", wait: 19.5 * HOUR },
    { name: "before midnight", windows: night, now: "2026-01-15T23:59:59Z", wait: 0 },
    { name: "after midnight", windows: night, now: "2026-01-15T05:59:59Z", wait: 0 },
    { name: "in the morning", windows: night, now: "2026-01-15T06:00:00Z", wait: 16 * HOUR },
    { name: "with the nearer of two", windows: [...night, ...day], now: "2026-01-15T07:00:00Z", wait: HOUR },
    { name: "all day long", windows: [{ from: 600, to: 600 }], now: "2026-01-15T09:59:00Z", wait: 0 },
    { name: "in another zone", windows: day, now: "2026-01-15T12:00:00Z", zone: "America/New_York", wait: HOUR },
    { name: "when summer begins", windows: night, now: "2026-03-29T05:00:00Z", zone: "Europe/Berlin", wait: 15 * HOUR },
    {
      name: "when the hour of the window is left out",
      windows: gap,
      now: "2026-03-29T00:30:00Z",
      zone: "Europe/Berlin",
      wait: 23.75 * HOUR,
    },
    {
      name: "in the repeated hour of the window",
      windows: gap,
      now: "2026-10-25T01:00:00Z",
      zone: "Europe/Berlin",
      wait: HOUR / 4,
    },
  ])("opens $name", ({ windows, now, zone = "UTC", wait }) => {
    expect(opensIn(windows, Date.parse(now), zone)).toBe(wait);
    expect(isOpen(windows, Date.parse(now), zone)).toBe(wait === 0);
    if (wait > 0) expect(isOpen(windows, Date.parse(now) + wait, zone)).toBe(true);
  });
});
