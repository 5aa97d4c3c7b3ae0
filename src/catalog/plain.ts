import { StowageError } from "../lib/error.js";

/** Converts a row in place: most of its values are plain already. */
export function plainRow(row: Record<string, unknown>): unknown {
  for (const name in row) {
    const value = row[name];
    if (typeof value === "bigint" || (typeof value === "object" && value !== null)) row[name] = plain(value);
  }
  return row;
}

/** DuckDB's values as plain JavaScript: numbers, strings, booleans, null, arrays, objects; timestamps as milliseconds. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return safeNumber(value);
  if (typeof value !== "object" || value === null) return value;
  if ("micros" in value && typeof value.micros === "bigint" && !("days" in value)) return Number(value.micros) / 1000;
  if ("items" in value && Array.isArray(value.items)) return value.items.map(plain);
  if ("entries" in value && typeof value.entries === "object" && value.entries !== null) return plain(value.entries);
  if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return String(value);
}

function safeNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new StowageError("INTERNAL", `the number ${value} is too large for this query; cast it to VARCHAR`);
  return number;
}
