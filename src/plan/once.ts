import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import type { Matcher } from "../config/config.js";
import { groupBy } from "../lib/iter.js";
import { fieldSql, type Leaf, leavesOf, type TextLeaf } from "./match.js";
import type { World } from "./observe.js";
import { asksRe2 } from "./pattern.js";

/**
 * Expressions that depend on nothing but the folder, or on a value that many files have in common, are evaluated once for each of these: RE2 takes longer than
 * to look its answer up.
 */
export interface Once {
  /** What to join to `work.facts`. */
  joined: Sql;
  /** The answer for a row; undefined where the pattern was not asked about. */
  answer: Answer;
}

export type Answer = (leaf: TextLeaf) => Sql | undefined;

/** Fewer expressions than these take less time than to find the distinct values. */
const ENOUGH = 4;

/** Asks what is worth it of the distinct values that usable files have. */
export async function askOnce(catalog: Catalog, world: World, matchers: readonly Matcher[]): Promise<Once> {
  const leaves = matchers.flatMap((matcher) => [...leavesOf(matcher)]).filter(isAsked);
  const columns = new Map<string, Sql>();
  const joins: Sql[] = [];
  for (const [domain, own] of groupBy(leaves, domainOf)) {
    const patterns = [...new Set(own.map(({ pattern }) => pattern.re2))];
    if (domain === undefined || patterns.length < ENOUGH) continue;
    const table = `once_${domain}`;
    const value = domain === "folder" ? FOLDER : fieldSql(own[0]!.field);
    const answers = patterns.map((re2, n) => sql`regexp_full_match(value, ${re2}) AS ${name(`is${n}`)}`);
    await catalog.run(sql`CREATE OR REPLACE TABLE work.${name(table)} AS
      SELECT value, ${join(answers)} FROM (SELECT DISTINCT ${value} AS value FROM work.${name(world.facts)} WHERE usable)`);
    joins.push(sql` LEFT JOIN work.${name(table)} ON ${name(table)}.value = ${value}`);
    for (const [n, re2] of patterns.entries()) columns.set(`${domain} ${re2}`, sql`${name(table)}.${name(`is${n}`)}`);
  }
  return {
    joined: join(joins, ""),
    answer: (leaf) => columns.get(`${domainOf(leaf)} ${leaf.pattern.re2}`),
  };
}

/** With its slash; empty at the root. */
const FOLDER = raw(
  "CASE WHEN contains(norm_key, '/') THEN parse_dirpath(norm_key, 'forward_slash') || '/' ELSE '' END",
);

function isAsked(leaf: Leaf): leaf is TextLeaf {
  if (leaf.op !== "glob" && leaf.op !== "text") return false;
  return asksRe2(leaf.pattern, leaf.op === "glob" ? leaf.field : "text");
}

/** What a pattern depends on, where files have that in common. */
function domainOf({ field, pattern }: TextLeaf): string | undefined {
  if (field === "path") return endsWithFolder(pattern) ? "folder" : undefined;
  return typeof field === "object" || field === "name" || field === "sha256" ? undefined : field;
}

/** Whatever stands behind the last slash, or the last slashes: then the folder with its slash is matched where its files are. */
const endsWithFolder = ({ glob, re2 }: TextLeaf["pattern"]): boolean =>
  (/\/(\*\*)?$/.test(glob) && re2.endsWith("/.*")) || (glob.endsWith("/*") && re2.endsWith("/[^/]*"));
