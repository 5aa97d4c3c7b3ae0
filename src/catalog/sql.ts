import type { DuckDBValue } from "@duckdb/node-api";

/** A piece of SQL with its values, which are always bound and never written into the text. `Row` is what it returns. */
export interface Sql<Row = unknown> {
  readonly text: string;
  readonly values: readonly SqlValue[];
  /** Only for the type checker. */
  readonly row?: Row;
}

export type SqlValue = DuckDBValue;

const isSql = (value: unknown): value is Sql =>
  typeof value === "object" && value !== null && "text" in value && "values" in value;

/** ``sql`SELECT … WHERE key = ${key} AND ${condition}` ``: fragments nest, everything else becomes a `?` parameter. */
export function sql<Row = unknown>(strings: TemplateStringsArray, ...parts: (SqlValue | Sql)[]): Sql<Row> {
  let text = strings[0] ?? "";
  const values: SqlValue[] = [];
  parts.forEach((part, index) => {
    if (isSql(part)) {
      text += part.text;
      values.push(...part.values);
    } else {
      text += "?";
      values.push(part);
    }
    text += strings[index + 1] ?? "";
  });
  return { text, values };
}

/** Fragments with a separator between them (default `, `). */
export function join(parts: readonly Sql[], separator = ", "): Sql {
  return { text: parts.map((part) => part.text).join(separator), values: parts.flatMap((part) => part.values) };
}

/** A name from our own code (never from a user) as SQL text. */
export const name = (identifier: string): Sql => ({ text: `"${identifier.replaceAll('"', '""')}"`, values: [] });

/** SQL text from our own code, never from a user. */
export const raw = (text: string): Sql => ({ text, values: [] });

/** Milliseconds since the epoch as a TIMESTAMP. */
export const instant = (ms: number): Sql => sql`epoch_ms(CAST(${BigInt(Math.trunc(ms))} AS BIGINT))`;

/** Between the values of a packed column: the one character that no key contains. */
export const PACKED = "\0";

export interface PackedColumn {
  /** The values joined with `PACKED`; an empty value is NULL. */
  text: string;
  type?: "VARCHAR" | "BIGINT" | "TIMESTAMP_NS" | "TIMESTAMP";
}

/**
 * Many rows as a subquery with one bound string per column, which DuckDB splits much faster than JavaScript can append
 * row by row. Timestamps are given as integers: nanoseconds for TIMESTAMP_NS, microseconds for TIMESTAMP.
 * All columns must have the same number of values, and at least one.
 */
export function packed(columns: Readonly<Record<string, PackedColumn>>): Sql {
  const split = Object.entries(columns).map(
    ([given, { text }]) => sql`unnest(string_split(${text}, chr(0))) AS ${name(given)}`,
  );
  const typed = Object.entries(columns).map(
    ([given, { type }]) => sql`${cast(sql`nullif(${name(given)}, '')`, type)} AS ${name(given)}`,
  );
  // Splitting and converting in one SELECT takes ten times as long.
  return sql`(SELECT ${join(typed)} FROM (SELECT ${join(split)}))`;
}

function cast(value: Sql, type: PackedColumn["type"]): Sql {
  if (type === "BIGINT") return sql`CAST(${value} AS BIGINT)`;
  if (type === "TIMESTAMP_NS") return sql`make_timestamp_ns(CAST(${value} AS BIGINT))`;
  if (type === "TIMESTAMP") return sql`make_timestamp(CAST(${value} AS BIGINT))`;
  return value;
}

/** A column for `packed` from values in row order. */
export const column = (
  values: Iterable<string | number | bigint | undefined>,
  type?: PackedColumn["type"],
): PackedColumn => ({
  text: Array.from(values, (value) => (value === undefined ? "" : String(value))).join(PACKED),
  ...(type ? { type } : {}),
});
