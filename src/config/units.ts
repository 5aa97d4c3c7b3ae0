import { StowageError } from "../lib/error.js";
import type { Range, Window } from "./config.js";

/** What a comparison's numbers are: bytes, milliseconds, an instant in milliseconds since the epoch, or plain. */
export type Unit = "size" | "duration" | "instant" | "number";

const SIZES: Record<string, bigint> = { "": 1n, B: 1n };
for (const [power, letter] of ["K", "M", "G", "T", "P"].entries()) {
  SIZES[`${letter}B`] = 1000n ** BigInt(power + 1);
  SIZES[`${letter}iB`] = 1024n ** BigInt(power + 1);
}

const DAY = 86_400_000;
const DURATIONS: Record<string, number> = {
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: DAY,
  w: 7 * DAY,
  mo: 30 * DAY,
  y: 365 * DAY,
};
const SPELLINGS: Record<string, string> = {
  sec: "s",
  secs: "s",
  second: "s",
  seconds: "s",
  mins: "min",
  minute: "min",
  minutes: "min",
  hr: "h",
  hrs: "h",
  hour: "h",
  hours: "h",
  day: "d",
  days: "d",
  week: "w",
  weeks: "w",
  month: "mo",
  months: "mo",
  yr: "y",
  year: "y",
  years: "y",
};

const bad = (message: string, hint?: string): StowageError =>
  new StowageError("BAD_VALUE", message, hint === undefined ? {} : { hint });

/** A decimal number and what follows it. */
const QUANTITY = /^(\d{1,30})(?:\.(\d{1,30}))?\s*([A-Za-z]*)$/;

/**
 * Bytes: `1.5GB` `512MiB` `1048576`. Parts of a byte are cut off.
 * @throws `BAD_VALUE`
 */
export function parseSize(value: string | number): number {
  const text = String(value).trim();
  const [whole, digits, decimals = "", unit = ""] = QUANTITY.exec(text) ?? [];
  if (whole === undefined)
    throw bad(`${show(value)} is no size`, "Write a number with a unit, such as 1.5GB or 512MiB.");
  const factor = SIZES[unit];
  if (factor === undefined) throw badSizeUnit(value, text.slice(0, text.length - unit.length).trim(), unit);
  const bytes = (BigInt(digits! + decimals) * factor) / 10n ** BigInt(decimals.length);
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw bad(`${show(value)} is larger than any storage`);
  return Number(bytes);
}

function badSizeUnit(value: string | number, number: string, unit: string): StowageError {
  const letter = /^([KMGTP])(i?)b?$/i.exec(unit);
  if (!letter)
    return bad(
      `${show(value)} has an unknown unit`,
      "Units: KB MB GB TB PB (powers of 1000), KiB MiB GiB TiB PiB (of 1024).",
    );
  const upper = letter[1]!.toUpperCase();
  if (letter[2]) return bad(`${show(value)} has an unknown unit`, `Write ${number}${upper}iB.`);
  return bad(
    `${show(value)} is ambiguous`,
    `Write ${number}${upper}B (powers of 1000) or ${number}${upper}iB (powers of 1024).`,
  );
}

/**
 * Milliseconds: `90s` `2min` `12h` `30d` `2w` `6mo` (30 days) `1.5y` (365 days), or 0.
 * @throws `BAD_VALUE`
 */
export function parseDuration(value: string | number): number {
  const text = String(value).trim();
  const [whole, digits, decimals = "", unit = ""] = QUANTITY.exec(text) ?? [];
  if (whole === undefined)
    throw bad(`${show(value)} is no duration`, "Write a number with a unit, such as 2min, 12h or 30d.");
  const number = decimals === "" ? digits! : `${digits}.${decimals}`;
  if (unit === "" && Number(number) === 0) return 0;
  if (unit === "") throw bad(`${show(value)} needs a unit`, `Write ${number}d for days; units: s min h d w mo y.`);
  if (unit === "m")
    throw bad(`${show(value)} is ambiguous`, `Write ${number}min for minutes or ${number}mo for months.`);
  const factor = DURATIONS[unit];
  if (factor === undefined) {
    const meant = SPELLINGS[unit.toLowerCase()] ?? (DURATIONS[unit.toLowerCase()] ? unit.toLowerCase() : undefined);
    throw bad(
      `${show(value)} has an unknown unit`,
      meant ? `Write ${number}${meant}.` : "Units: s min h d w mo (30 days) y (365 days).",
    );
  }
  const milliseconds = Math.round(Number(number) * factor);
  if (milliseconds > 8_640_000_000_000_000) throw bad(`${show(value)} is longer than all time`);
  return milliseconds;
}

/** A share of the whole, 0..1, from `10%`. */
export function parsePercent(value: string | number): number {
  const match = /^\s*(\d{1,9}(?:\.\d{1,9})?)\s*%\s*$/.exec(String(value));
  if (!match || Number(match[1]) > 100) throw bad(`${show(value)} is no share`, "Write a number from 0% to 100%.");
  return Number(match[1]) / 100;
}

/**
 * Bytes a second: `5MiB/s`; Infinity for `unlimited`.
 * @throws `BAD_VALUE`
 */
export function parseRate(value: string): number {
  const text = value.trim();
  if (text === "unlimited") return Number.POSITIVE_INFINITY;
  const hint = 'Write bytes a second with a unit, such as 5MiB/s, or "unlimited".';
  if (/bit|bps|b\/s$/.test(text)) throw bad(`${show(value)} counts bits`, hint);
  const [, size] = /^(.*[^\s/])\s*\/\s*s$/.exec(text) ?? [];
  if (size === undefined)
    throw bad(`${show(value)} is no rate`, /^[\d.]+\s*\w*B$/.test(text) ? `Write ${text}/s.` : hint);
  if (/^[\d.]+$/.test(size)) throw bad(`${show(value)} needs a unit`, hint);
  const rate = parseSize(size);
  if (rate === 0) throw bad(`${show(value)} would never end`, "Write windows: for when files may be transferred.");
  return rate;
}

/**
 * Minutes after midnight, from `08:00`.
 * @throws `BAD_VALUE`
 */
export function parseTime(text: string): number {
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  if (hour !== undefined) return Number(hour) * 60 + Number(minute);
  const short = /^\d:[0-5]\d$/.test(text) ? `Write 0${text}.` : "Write hours and minutes, from 00:00 to 23:59.";
  throw bad(`${show(text)} is no time of the day`, short);
}

/**
 * A part of each day: `22:00-06:00`; `24:00` is the end of the day, and `00:00-24:00` all of it.
 * @throws `BAD_VALUE`
 */
export function parseWindow(text: string): Window {
  const [, from, to] = /^\s*(\S+?)\s*-\s*(\S+)\s*$/.exec(text) ?? [];
  if (from === undefined || to === undefined) throw bad(`${show(text)} is no part of a day`, "Such as 22:00-06:00.");
  const window = { from: parseTime(from), to: to === "24:00" ? 0 : parseTime(to) };
  if (from === to) throw bad(`${show(text)} is empty`, "Write 00:00-24:00 for the whole day.");
  return window;
}

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * Milliseconds since the epoch, from ISO 8601; UTC where no zone is written, midnight where no time is.
 * @throws `BAD_VALUE`
 */
export function parseInstant(text: string): number {
  const parts = INSTANT.exec(text.trim());
  const hint = "Write ISO 8601: 2024-05-31, 2024-05-31T12:00 or 2024-05-31T12:00:00+02:00.";
  if (!parts) throw bad(`${show(text)} is no date`, hint);
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const zone = parts[8] ?? "Z";
  const sign = zone.startsWith("-") ? -1 : 1;
  const offset = /^z$/i.test(zone)
    ? 0
    : sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(":", "") || 0));
  const milliseconds = Math.floor(Number(`0.${parts[7] ?? 0}`) * 1000);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!real || hour > 23 || minute > 59 || second > 59 || Math.abs(offset) > 24 * 60)
    throw bad(`${show(text)} is no date`, hint);
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
}

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text.trim());

/**
 * `">30d"` `">=1GB"` `"1MB..5MB"` `"7"`: bounds in the unit. A range includes both ends; a bare date as upper end, or alone, is
 * that whole day.
 * @throws `BAD_VALUE`
 */
export function parseRange(value: string | number, unit: Unit): Range {
  const text = String(value).trim();
  const [, operator, operand] = /^(>=|<=|==|=|>|<)\s*(.*)$/s.exec(text) ?? [];
  if (operand !== undefined && operand !== "") {
    if (operator?.startsWith("=")) return between(operand, operand, unit);
    const bound = { value: parseOne(operand, unit), inclusive: operator!.length === 2 };
    return operator!.startsWith(">") ? { min: bound } : { max: bound };
  }
  if (text.startsWith("!=")) throw bad(`${show(value)}: there is no !=`, "Put the comparison under `not:`.");
  const dots = text.indexOf("..");
  if (dots < 0) return between(text, text, unit);
  const [from, to] = [text.slice(0, dots).trim(), text.slice(dots + 2).trim()];
  if (from === "" || to === "")
    throw bad(`${show(value)} is open at one end`, `Write ">=${from || "…"}" or "<=${to || "…"}".`);
  return between(from, to, unit);
}

function between(from: string, to: string, unit: Unit): Range {
  const min = parseOne(from, unit);
  const last = parseOne(to, unit);
  if (last < min) throw bad(`${from}..${to} is empty`, `Write ${to}..${from}.`);
  const wholeDay = unit === "instant" && isDay(to);
  return {
    min: { value: min, inclusive: true },
    max: wholeDay ? { value: last + DAY, inclusive: false } : { value: last, inclusive: true },
  };
}

function parseOne(text: string, unit: Unit): number {
  switch (unit) {
    case "size":
      return parseSize(text);
    case "duration":
      return parseDuration(text);
    case "instant":
      return parseInstant(text);
    case "number":
      if (!/^[+-]?\d{1,20}(\.\d{1,20})?$/.test(text)) throw bad(`${show(text)} is no number`);
      return Number(text);
  }
}

const show = (value: string | number): string => `"${value}"`;
