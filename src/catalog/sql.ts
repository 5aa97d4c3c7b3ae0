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
