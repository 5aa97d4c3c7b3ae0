import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Catalog, openCatalog } from "../src/catalog/catalog.js";
import { column, join, packed, raw, type Sql, sql } from "../src/catalog/sql.js";
import { compileMatch, patternOf } from "../src/config/match.js";
import { condition } from "../src/plan/match.js";
import { type PatternKind, patternSql } from "../src/plan/pattern.js";

/** Literals and wildcards that run into each other, so that beginnings, middles and ends overlap. */
const glob = fc
  .array(
    fc.constantFrom(
      "a",
      "b",
      "ab",
      "a/b",
      "/",
      ".",
      "*",
      "**",
      "?",
      "{a,b}",
      "{a*,/b,}",
      "{ab,{b,ba}}",
      "[ab]",
      "\\*",
      "ä",
      "{{a|b+}}",
      "\\d",
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((pieces) => pieces.join(""));
const text = fc
  .array(fc.constantFrom("a", "b", "/", ".", "*", "ä", "\n", "1"), { maxLength: 6 })
  .map((pieces) => pieces.join(""));

describe("a glob as plain comparisons", () => {
  let catalog: Catalog;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(path(tmpdir(), "stowage-pattern-"));
    catalog = await openCatalog(path(folder, "catalog.duckdb"));
  });
  afterAll(async () => {
    await catalog.close();
    rmSync(folder, { recursive: true });
  });

  const differences = async (kind: PatternKind, globs: string[], texts: string[]) => {
    const columns = globs.flatMap((each): Sql[] => {
      try {
        const pattern = patternOf(each, kind);
        return [
          sql`CASE WHEN ${patternSql(raw("v"), pattern, kind)} THEN TRUE ELSE FALSE END <> regexp_full_match(v, ${pattern.re2}) AS ${raw(`"${each.replaceAll('"', "").replaceAll("\n", "")} ${globs.indexOf(each)}"`)}`,
        ];
      } catch {
        return []; // No pattern at all.
      }
    });
    if (columns.length === 0) return [];
    const rows = await catalog.rows(
      sql<
        Record<string, boolean | string>
      >`SELECT v, ${join(columns)} FROM (SELECT coalesce(v, '') AS v FROM ${packed({ v: column(texts) })})`,
    );
    return rows.flatMap(({ v, ...row }) => Object.keys(row).flatMap((each) => (row[each] ? [{ glob: each, v }] : [])));
  };

  it.each<PatternKind>(["path", "name", "text"])("says what RE2 says of a %s, whatever the pattern", async (kind) => {
    const texts = fc
      .sample(text, { numRuns: 300, seed: 7 })
      .map((each) => (kind === "name" ? each.replaceAll("/", "") : each));
    const globs = [...new Set(fc.sample(glob, { numRuns: 400, seed: 11 }))];
    for (let at = 0; at < globs.length; at += 100)
      expect(await differences(kind, globs.slice(at, at + 100), texts)).toEqual([]);
  });

  it("says of an extension what the extension is", async () => {
    const keys = [
      "a.jpg",
      "a.JPG",
      "x/.jpg",
      ".jpg",
      "a..jpg",
      "jpg",
      "a.jpg.txt",
      "d.jpg/a",
      "a.",
      "x/a.tar.gz",
      "ä.jpg",
    ];
    const matches = ["jpg", "JPG", ".jpg", "tar.gz", "gz", "{jpg,gz}", "j*"].map((ext) => compileMatch({ ext }));
    const wanted = matches.map(
      (match) => sql`coalesce(regexp_full_match(ext, ${"pattern" in match ? match.pattern.re2 : ""}), FALSE)`,
    );
    const rows = await catalog.rows(sql<{ key: string; asked: boolean[]; right: boolean[] }>`
      SELECT key, [${join(matches.map((match) => sql`CASE WHEN ${condition(match)} THEN TRUE ELSE FALSE END`))}] AS asked, [${join(wanted)}] AS "right"
      FROM (SELECT key, lower(key) AS low, lower(regexp_extract(key, '[^/]\\.([^./]*)$', 1)) AS ext FROM ${packed({ key: column(keys) })})`);
    for (const { key, asked, right } of rows) expect({ key, asked }).toEqual({ key, asked: right });
  });
});
