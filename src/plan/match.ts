import { join, raw, type Sql, sql } from "../catalog/sql.js";
import type { Matcher, Range } from "../config/config.js";

/**
 * Matchers as SQL over `work.facts` (see observe.ts). The one place where a rule's condition is evaluated: planning,
 * `explain`, `find` and `lint` all run these predicates. An unknown value makes a leaf false (S11).
 */
export function predicate(matcher: Matcher): Sql {
  switch (matcher.op) {
    case "all":
      return matcher.of.length === 0 ? raw("TRUE") : sql`(${join(matcher.of.map(predicate), " AND ")})`;
    case "any":
      return matcher.of.length === 0 ? raw("FALSE") : sql`(${join(matcher.of.map(predicate), " OR ")})`;
    case "not":
      return sql`(NOT ${predicate(matcher.of)})`;
    case "set":
      return predicate(matcher.of);
    case "glob":
      return known(sql`regexp_full_match(${fieldSql(matcher.field)}, ${matcher.pattern.re2})`);
    case "text":
      return known(sql`regexp_full_match(${fieldSql(matcher.field)}, ${matcher.pattern.re2})`);
    case "tag":
      return known(
        sql`len(list_filter(tags, lambda tag: regexp_full_match(nfc_normalize(tag), ${matcher.pattern.re2}))) > 0`,
      );
    case "range":
      return known(inRange(numberSql(matcher.field), matcher.range));
  }
}

const known = (condition: Sql): Sql => sql`coalesce(${condition}, FALSE)`;

/** The value that a leaf looks at, for `explain`. */
export function valueSql(matcher: Extract<Matcher, { field: unknown }>): Sql {
  if (matcher.op === "tag") return raw("array_to_string(tags, ', ')");
  return matcher.op === "range" ? numberSql(matcher.field) : fieldSql(matcher.field);
}

type TextLeaf = Extract<Matcher, { op: "glob" | "text" }>;

function fieldSql(field: TextLeaf["field"]): Sql {
  if (typeof field === "object") return attribute(field.attr);
  switch (field) {
    case "path":
      return raw("norm_key");
    case "name":
      return raw("regexp_extract(norm_key, '[^/]*$')");
    case "ext":
      return raw("lower(regexp_extract(norm_key, '[^/]\\.([^./]*)$', 1))");
    case "location":
    case "project":
    case "media_type":
    case "sha256":
      return raw(field);
    case "type":
      return raw("mime");
  }
}

function numberSql(field: Extract<Matcher, { op: "range" }>["field"]): Sql {
  if (typeof field === "object") return sql`TRY_CAST(${attribute(field.attr)} AS DOUBLE)`;
  return raw(field);
}

const attribute = (attr: string): Sql => sql`json_extract_string(attrs, ${`$."${attr.replaceAll('"', '\\"')}"`})`;

function inRange(value: Sql, range: Range): Sql {
  const conditions: Sql[] = [];
  if (range.min)
    conditions.push(range.min.inclusive ? sql`${value} >= ${range.min.value}` : sql`${value} > ${range.min.value}`);
  if (range.max)
    conditions.push(range.max.inclusive ? sql`${value} <= ${range.max.value}` : sql`${value} < ${range.max.value}`);
  return conditions.length === 0 ? sql`${value} IS NOT NULL` : sql`(${join(conditions, " AND ")})`;
}
