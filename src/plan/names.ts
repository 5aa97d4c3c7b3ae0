import { LATEST } from "../catalog/mtime.js";
import { join, raw, type Sql, sql } from "../catalog/sql.js";
import type { Rule, Template, TemplateField } from "../config/config.js";
import type { Offset } from "../config/timezone.js";

/** Names that `renderKey` makes, made by DuckDB. What is not sure to be the same is NULL, and left to `renderKey`. */

/**
 * What the templates of these rules make of a row of `work.loaded` with its time as `wall`: of the one whose number is `asked` for. Empty where none is.
 * Segments without anything in them are still there: see `cleaned`.
 */
export function nameSql(rules: readonly { rule: Rule; index: number }[], asked: (index: number) => Sql): Sql {
  const cases = rules.map(({ rule, index }) => sql`WHEN ${asked(index)} THEN nullif(${templateSql(rule.key)}, '')`);
  return cases.length === 0 ? raw("''") : sql`CASE ${join(cases, " ")} ELSE '' END`;
}

/** The key of a `name` that a template has made. Few need the expressions. */
export const cleaned = raw(
  "CASE WHEN contains(name, '//') OR starts_with(name, '/') THEN nullif(regexp_replace(regexp_replace(name, '/{2,}', '/', 'g'), '^/', ''), '') ELSE name END",
);

/** What a clock showed at a file's time, from 1970 on: before, one would have to know which way each of the two rounds. */
export function wallSql([first, ...later]: readonly Offset[]): Sql {
  const ms = raw("(mtime // 1000000)");
  const cases = later
    .reverse()
    .map(({ from, offset }) => sql`WHEN ${ms} >= ${BigInt(from)}::BIGINT THEN ${BigInt(offset)}::BIGINT`);
  const before = sql`${BigInt(first?.offset ?? 0)}::BIGINT`;
  const offset = cases.length === 0 ? before : sql`CASE ${join(cases, " ")} ELSE ${before} END`;
  return sql`CASE WHEN mtime >= 0 AND mtime < ${LATEST}::BIGINT THEN make_timestamp((${ms} + ${offset}) * 1000) END`;
}

/** DuckDB nests what is joined, and not too deeply. */
const MAX_PARTS = 100;

function templateSql({ parts }: Template): Sql {
  if (parts.length > MAX_PARTS) return raw("NULL");
  const values = parts.map((part) => {
    if ("literal" in part) return sql`${part.literal}`;
    const value = fieldSql(part.field);
    // A time that is not known here may be known there.
    return part.fallback === undefined || part.field.name === "modified"
      ? value
      : sql`coalesce(${value}, ${part.fallback})`;
  });
  return join(values, " || ");
}

const filename = "string_split(key, '/')[-1]";
const extension = `regexp_extract(${filename}, '.(\\.[^.]*)$', 1)`;

function fieldSql(field: TemplateField): Sql {
  switch (field.name) {
    case "path":
      return raw("key");
    case "dir":
      return raw("CASE WHEN contains(key, '/') THEN parse_dirpath(key, 'forward_slash') ELSE '' END");
    case "filename":
      return raw(filename);
    case "stem":
      return raw(`left(${filename}, length(${filename}) - length(${extension}))`);
    case "ext":
      return raw(extension);
    case "project":
    case "media_type":
    case "location":
      return raw(field.name);
    case "sha256":
      return sql`left(sha256, ${field.length}::BIGINT)`;
    case "modified":
      return sql`strftime(wall, ${field.format})`;
    case "attr":
      return sql`json_extract_string(attrs, ${`$."${field.attr}"`})`;
  }
}
