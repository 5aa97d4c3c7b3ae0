import { EARLIEST, LATEST } from "../catalog/mtime.js";
import { join, raw, type Sql, sql } from "../catalog/sql.js";
import type { Rule, Template, TemplateField } from "../config/config.js";
import { offsetsOf } from "../config/timezone.js";

/** Names that `renderKey` makes, made by DuckDB. What is not sure to be the same is NULL, and left to `renderKey`. */

/** The time zone's changes are those between these two, in milliseconds since the epoch. */
export interface Times {
  timezone: string;
  from: number;
  to: number;
}

/**
 * What the templates of these rules make of a row of `work.loaded`: of the one whose number is `asked` for. Empty where none is.
 * Segments without anything in them are still there: see `cleaned`.
 */
export function renderedBy(
  rules: readonly { rule: Rule; index: number }[],
  asked: (index: number) => Sql,
  times: Times,
): Sql {
  const cases = rules.map(({ rule, index }) => sql`WHEN ${asked(index)} THEN nullif(${rendered(rule.key, times)}, '')`);
  return cases.length === 0 ? raw("''") : sql`CASE ${join(cases, " ")} ELSE '' END`;
}

/** The key of a rendered `name`. Few need the expressions. */
export const cleaned = raw(
  "CASE WHEN contains(name, '//') OR starts_with(name, '/') THEN nullif(regexp_replace(regexp_replace(name, '/{2,}', '/', 'g'), '^/', ''), '') ELSE name END",
);

function rendered({ parts }: Template, times: Times): Sql {
  const values = parts.map((part) => {
    if ("literal" in part) return sql`${part.literal}`;
    const value = fieldOf(part.field, times);
    // A time that is not known here may be known there.
    return part.fallback === undefined || part.field.name === "modified"
      ? value
      : sql`coalesce(${value}, ${part.fallback})`;
  });
  return join(values, " || ");
}

const filename = "string_split(key, '/')[-1]";
const extension = `regexp_extract(${filename}, '.(\\.[^.]*)$', 1)`;

function fieldOf(field: TemplateField, times: Times): Sql {
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
      return timeSql(field.format, times);
    case "attr":
      return sql`json_extract_string(attrs, ${`$."${field.attr}"`})`;
  }
}

/** From 1970 on: before, one would have to know which way each of the two rounds. */
function timeSql(format: string, { timezone, from, to }: Times): Sql {
  const known = sql`(mtime >= 0 AND mtime > ${EARLIEST}::BIGINT AND mtime < ${LATEST}::BIGINT)`;
  const ms = raw("(mtime // 1000000)");
  const [first, ...later] = timezone === "UTC" ? [{ from: 0, offset: 0 }] : offsetsOf(timezone, from, to);
  const cases = later
    .reverse()
    .map((each) => sql`WHEN ${ms} >= ${BigInt(each.from)}::BIGINT THEN ${BigInt(each.offset)}::BIGINT`);
  const offset =
    cases.length === 0
      ? sql`${BigInt(first?.offset ?? 0)}::BIGINT`
      : sql`CASE ${join(cases, " ")} ELSE ${BigInt(first?.offset ?? 0)}::BIGINT END`;
  return sql`CASE WHEN ${known} THEN strftime(make_timestamp((${ms} + ${offset}) * 1000), ${format}) END`;
}
