import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  parseDuration,
  parseInstant,
  parsePercent,
  parseRange,
  parseRate,
  parseSize,
  parseTime,
  parseWindow,
} from "../src/config/units.js";

const DAY = 86_400_000;

describe("sizes", () => {
  it.each([
    [0, 0],
    ["1048576", 1_048_576],
    ["1KB", 1000],
    ["1.5GB", 1_500_000_000],
    ["2 TB", 2_000_000_000_000],
    ["1KiB", 1024],
    ["0.5MiB", 524_288],
    ["1GiB", 1_073_741_824],
    ["1TiB", 1_099_511_627_776],
    ["0.1KB", 100],
    ["1.0009KB", 1000],
    ["7B", 7],
  ])("%j is %d bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ["1K", "Write 1KB (powers of 1000) or 1KiB (powers of 1024)."],
    ["5M", "Write 5MB"],
    ["2g", "Write 2GB"],
    ["1kb", "Write 1KB"],
    ["1mib", "Write 1MiB."],
    ["3 bananas", "Units: KB MB"],
    ["-1", "Write a number with a unit"],
    ["1e3", "Write a number with a unit"],
    ["", "Write a number with a unit"],
    ["1,5GB", "Write a number with a unit"],
    ["10PB", undefined],
    ["9".repeat(40), "Write a number"],
  ])("refuses %j and says what to write", (text, hint) => {
    expect(() => parseSize(text)).toThrow(
      expect.objectContaining({ code: "BAD_VALUE", ...(hint ? { hint: expect.stringContaining(hint) } : {}) }),
    );
  });

  it("is the number times the unit, exactly, for every number and unit", () => {
    const units = {
      KB: 1000n,
      MB: 1000n ** 2n,
      GB: 1000n ** 3n,
      TB: 1000n ** 4n,
      KiB: 1024n,
      MiB: 1024n ** 2n,
      GiB: 1024n ** 3n,
      TiB: 1024n ** 4n,
    };
    fc.assert(
      fc.property(fc.nat(8000), fc.constantFrom(...Object.entries(units)), (number, [unit, factor]) => {
        expect(BigInt(parseSize(`${number}${unit}`))).toBe(BigInt(number) * factor);
        expect(BigInt(parseSize(`${number}.25${unit}`))).toBe(BigInt(number) * factor + factor / 4n);
      }),
    );
  });
});

describe("durations", () => {
  it.each([
    [0, 0],
    ["0", 0],
    ["90s", 90_000],
    ["2min", 120_000],
    ["1.5h", 5_400_000],
    ["30d", 30 * DAY],
    ["2w", 14 * DAY],
    ["1mo", 30 * DAY],
    ["1 y", 365 * DAY],
  ])("%j is %d ms", (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  it.each([
    ["5m", "Write 5min for minutes or 5mo for months."],
    ["30", "Write 30d for days"],
    ["30 days", "Write 30d."],
    ["3D", "Write 3d."],
    ["2hours", "Write 2h."],
    ["1 fortnight", "Units: s min h d w mo"],
    ["-1d", "Write a number with a unit"],
    ["soon", "Write a number with a unit"],
    ["999999999y", undefined],
  ])("refuses %j and says what to write", (text, hint) => {
    expect(() => parseDuration(text)).toThrow(
      expect.objectContaining({ code: "BAD_VALUE", ...(hint ? { hint: expect.stringContaining(hint) } : {}) }),
    );
  });
});

describe("shares, dates and comparisons", () => {
  it.each([
    ["50%", 0.5],
    ["0%", 0],
    ["12.5 %", 0.125],
    ["100%", 1],
  ])("%s is %d", (text, share) => expect(parsePercent(text)).toBe(share));
  it.each(["101%", "50", "-1%", "%"])("refuses %s as a share", (text) =>
    expect(() => parsePercent(text)).toThrow("is no share"));

  it.each([
    ["2024-05-31", "2024-05-31T00:00:00.000Z"],
    ["2024-05-31T12:30", "2024-05-31T12:30:00.000Z"],
    ["2024-05-31T12:30:15.25Z", "2024-05-31T12:30:15.250Z"],
    ["2024-05-31T12:30:15+02:00", "2024-05-31T10:30:15.000Z"],
    ["2024-05-31 12:30:15-0530", "2024-05-31T18:00:15.000Z"],
    ["0099-01-01", "0099-01-01T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
  ])("%s is %s: UTC without a zone", (text, iso) => expect(new Date(parseInstant(text)).toISOString()).toBe(iso));

  it.each([
    "2023-02-29",
    "2024-13-01",
    "2024-1-1",
    "31.05.2024",
    "2024-05-31T24:00",
    "2024-05-31T12:60",
    "yesterday",
    "",
    "2024-05-31T12:30:15 Berlin",
  ])("refuses %j as a date", (text) => expect(() => parseInstant(text)).toThrow("is no date"));

  const day = Date.UTC(2024, 0, 1);
  it.each([
    [
      "both ends of a range",
      "1MB..5MB",
      "size",
      { min: { value: 1e6, inclusive: true }, max: { value: 5e6, inclusive: true } },
    ],
    ["greater", ">30d", "duration", { min: { value: 30 * DAY, inclusive: false } }],
    ["at least", ">= 1GB", "size", { min: { value: 1e9, inclusive: true } }],
    ["less", "<2MiB", "size", { max: { value: 2_097_152, inclusive: false } }],
    ["at most", "<=1.5h", "duration", { max: { value: 5_400_000, inclusive: true } }],
    ["equality, bare", 7, "number", { min: { value: 7, inclusive: true }, max: { value: 7, inclusive: true } }],
    ["equality, written", "=7", "number", { min: { value: 7, inclusive: true }, max: { value: 7, inclusive: true } }],
    [
      "a range of decimals",
      "0.5..1.5",
      "number",
      { min: { value: 0.5, inclusive: true }, max: { value: 1.5, inclusive: true } },
    ],
    [
      "a bare date: the whole day",
      "2024-01-01",
      "instant",
      { min: { value: day, inclusive: true }, max: { value: day + DAY, inclusive: false } },
    ],
    [
      "a range up to a date: with that day",
      "2024-01-01..2024-01-02",
      "instant",
      { min: { value: day, inclusive: true }, max: { value: day + 2 * DAY, inclusive: false } },
    ],
    ["after a date: after its midnight", ">2024-01-01", "instant", { min: { value: day, inclusive: false } }],
    [
      "a moment: that moment",
      "2024-01-01T00:00Z",
      "instant",
      { min: { value: day, inclusive: true }, max: { value: day, inclusive: true } },
    ],
  ] as const)("%s: %s", (_name, text, unit, range) => expect(parseRange(text, unit)).toEqual(range));

  it.each([
    ["5MB..1MB", "size", "empty"],
    ["1MB..", "size", "open at one end"],
    ["..1MB", "size", "open at one end"],
    ["!=3", "number", "no !="],
    [">", "number", "no number"],
    [">x", "number", "no number"],
    [">1d <2d", "duration", "no duration"],
  ] as const)("refuses %s", (text, unit, message) => expect(() => parseRange(text, unit)).toThrow(message));
});

describe("rates and times of the day", () => {
  it.each([
    ["5MiB/s", 5 * 1024 * 1024],
    ["1.5 MB/s", 1_500_000],
    [" 100 B / s ", 100],
    ["unlimited", Number.POSITIVE_INFINITY],
  ])("%j is %d bytes a second", (text, rate) => expect(parseRate(text)).toBe(rate));

  it.each([
    ["5MiB", "Write 5MiB/s."],
    ["5", "such as 5MiB/s"],
    ["5/s", "such as 5MiB/s"],
    ["5M/s", "Write 5MB"],
    ["10Mbit/s", "Write bytes a second"],
    ["10Mbps", "Write bytes a second"],
    ["10Mb/s", "Write bytes a second"],
    ["0MB/s", "Write windows"],
    ["0.1B/s", "Write windows"],
    ["-1MB/s", "Write a number"],
    ["5MB/min", "such as 5MiB/s"],
    ["Unlimited", "such as 5MiB/s"],
    ["", "such as 5MiB/s"],
  ])("refuses %j and says what to write", (text, hint) =>
    expect(() => parseRate(text)).toThrow(
      expect.objectContaining({ code: "BAD_VALUE", hint: expect.stringContaining(hint) }),
    ));

  it.each([
    ["00:00", 0],
    ["08:05", 485],
    ["23:59", 1439],
  ])("%s is %d minutes after midnight", (text, minutes) => expect(parseTime(text)).toBe(minutes));

  it.each([
    "8:00",
    "24:00",
    "12:60",
    "12",
    "12:5",
    " 12:00",
    "12:00:00",
    "-1:00",
    "1 2:00",
    "٠٨:٠٠",
    "",
  ])("refuses %j as a time", (text) => expect(() => parseTime(text)).toThrow("is no time of the day"));

  it.each([
    ["22:00-06:00", { from: 1320, to: 360 }],
    ["08:00 - 17:30", { from: 480, to: 1050 }],
    ["22:00-24:00", { from: 1320, to: 0 }],
    ["00:00-24:00", { from: 0, to: 0 }],
  ])("%s is a part of the day", (text, window) => expect(parseWindow(text)).toEqual(window));

  it.each([
    ["22:00", "is no part of a day"],
    ["22:00-", "is no part of a day"],
    ["22:00..06:00", "is no part of a day"],
    ["22:00-06:00-08:00", "is no time of the day"],
    ["24:00-06:00", "is no time of the day"],
    ["06:00-06:00", "is empty"],
    ["Mon 22:00-06:00", "is no part of a day"],
  ])("refuses %j as a window", (text, message) => expect(() => parseWindow(text)).toThrow(message));
});
