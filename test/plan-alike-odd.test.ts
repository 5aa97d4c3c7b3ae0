import { describe, expect, it } from "vitest";
import type { Catalog } from "../src/catalog/catalog.js";
import { sql } from "../src/catalog/sql.js";
import { bothWaysOver } from "./support/alike.js";
import { type Given, given, type SiteFacts } from "./support/world.js";

/** Worlds that look as if contents were alike, or whose names look like something else. */
interface Case {
  name: string;
  files: (string | Given)[];
  rules: string;
  /** `attr.kind` of keys in alpha. */
  kinds?: Record<string, string>;
  alpha?: string;
  beta?: string;
  facts?: Record<string, SiteFacts>;
  inSql: Record<string, number>;
}

const THREE = ["alpha:p/1.jpg one 3", "alpha:p/q/2.tar.gz two 100", "alpha:3 three 400"];
const into = (key: string, rule = "move", alpha = "alpha"): string =>
  `  - { name: ${rule}, match: { location: "${alpha}" }, action: move, from: ["${alpha}"], destination: gamma, key: "${key}" }\n`;
const linked = (line: string): Given => ({ ...given(line), physical: `1:${line}` });

const CASES: Case[] = [
  {
    name: "names that are one name where case is folded, for Node and not for DuckDB",
    files: ["a", "b", "d", "e"].flatMap((key, n) => [`alpha:p/${key} c${n} 3`, `alpha:q/${key} c${n} 3`]),
    kinds: {
      "p/a": "\u0130",
      "q/a": "i\u0307",
      "p/b": "z",
      "q/b": "c",
      "p/d": "y",
      "q/d": "d",
      "p/e": "x",
      "q/e": "e",
    },
    rules: into("{attr.kind}{filename}"),
    facts: { gamma: { features: { foldsCase: true } } },
    inSql: { move: 6 },
  },
  {
    name: "names of locations and files that read the same together",
    alpha: "a",
    beta: "a b",
    files: [
      { location: "a", key: "b c", content: "one" },
      { location: "a b", key: "c", content: "one" },
      { location: "a", key: "b d", content: "two" },
      { location: "a b", key: "d", content: "two" },
    ],
    rules: `${into("x/{filename}", "move", "a")}  - { name: copy, match: { location: "a b" }, action: copy, destination: gamma, key: "y/{filename}", place: key }\n`,
    inSql: { copy: 2, move: 2 },
  },
  ...['"\uffffb\uffff"', '"\uffffn\uffff"', '"\uffff#s\uffff"', '"x\uffff"'].map((rule) => ({
    name: `a rule of the name ${JSON.stringify(rule)}`,
    files: THREE,
    rules: into("x/{filename}", rule),
    inSql: {},
  })),
  {
    name: "a rule with signs in its name",
    files: THREE,
    rules: into("x/{filename}", "'q\"u\\\\o e % ? $1 $& \u{1f600}'"),
    inSql: { move: 3 },
  },
  {
    name: "a template of a thousand parts",
    files: THREE,
    rules: into(`${"x{ext|}".repeat(500)}{filename}`),
    inSql: {},
  },
  { name: "a template that is no Unicode", files: THREE, rules: into("\\ud800/{filename}"), inSql: {} },
  {
    name: "signs in names and templates",
    files: ["alpha:a\\b/c.d one", "alpha:C:/x\\y.z two", "alpha:q\"/'x'.'y three"],
    rules: into("{dir}\\\\\\\\{stem}'\\\"{ext}"),
    inSql: { move: 3 },
  },
  {
    name: "attributes that make no keys",
    files: [...THREE, "alpha:4 four", "alpha:5 five", "alpha:6 six"],
    kinds: { "p/1.jpg": "../", "3": "./", "4": "/", "5": "\u0001", "6": "a\tb" },
    rules: into("{attr.kind|x}{filename}"),
    inSql: { move: 2 },
  },
  {
    name: "several rules that go on and make names",
    files: [...THREE, "alpha:twin one 3", "beta:zz two 100"],
    rules: `  - { name: c1, match: {}, action: copy, destination: beta, key: "c1/{filename}", continue: true, place: key }
  - { name: c2, match: {}, action: copy, destination: [beta, gamma], key: "{stem}/c2{ext|.x}", continue: true }
${into("{dir}/m/{filename}")}`,
    inSql: { copy: 4, move: 4 },
  },
  {
    name: "a location that some leave and that others, looked at alone, come to",
    files: ["beta:b/1 one", "beta:b/2 two", linked("alpha:a/1 three 1 70"), linked("alpha:a/2 four 1 50")],
    rules: `  - { name: out, match: { location: beta }, action: move, from: [beta], destination: gamma }
  - { name: in, match: { location: alpha }, action: move, from: [alpha], destination: beta }\n`,
    inSql: { move: 2 },
  },
  {
    name: "a location that others, looked at alone, leave",
    files: ["alpha:a/1 one", "alpha:a/2 two", linked("beta:b/1 three 1 70"), linked("beta:b/2 four 1 50")],
    rules: `  - { name: out, match: { location: beta }, action: move, from: [beta], destination: gamma }
  - { name: in, match: { location: alpha }, action: move, from: [alpha], destination: beta }\n`,
    inSql: { move: 2 },
  },
  {
    name: "names of which now the one comes first and now the other",
    files: ["alpha:a/1 one 3", "beta:b/1 one 3", "alpha:z/2 two 3", "beta:c/2 two 3"],
    rules: "  - { name: copy, match: {}, action: copy, destination: gamma }\n",
    inSql: { copy: 2 },
  },
  {
    name: "a name of a second file that another content is to get",
    files: ["alpha:m1 m 3", "beta:l1 m 3", "alpha:m2 n 3", "beta:l2 n 3", "alpha:n/l1 other 3"],
    rules: `  - { name: into, match: { path: "n/*" }, action: move, from: [alpha], destination: beta, key: "{filename}" }
  - { name: copy, match: {}, action: copy, destination: gamma }\n`,
    inSql: { copy: 1 },
  },
  {
    name: "nine files of one content",
    files: [...Array.from({ length: 9 }, (_, n) => `alpha:many/${n} many 3`), "alpha:one one 3"],
    rules: into("x/{filename}"),
    inSql: { move: 1 },
  },
];

function planned({ files, rules, kinds = {}, alpha = "alpha", beta = "beta", facts = {} }: Case) {
  const yaml = `version: 1
settings: { settle: 0s }
locations:
  - { name: ${alpha}, type: local, path: /tree/alpha, purpose: [inbox], priority: 9 }
  - { name: ${beta}, type: local, path: /tree/beta, purpose: [inbox] }
  - { name: gamma, type: local, path: /tree/gamma, purpose: [backup] }
rules:
${rules}`;
  const change = async (catalog: Catalog): Promise<void> => {
    for (const [key, kind] of Object.entries(kinds))
      await catalog.run(
        sql`UPDATE file_locations SET attrs = ${JSON.stringify({ kind })} WHERE location = 'alpha' AND key = ${key}`,
      );
  };
  return bothWaysOver(yaml, files, { facts, change });
}

describe("what only looks alike is planned as it is one by one", () => {
  it.each(CASES)("$name", async (each) => {
    const { one, inSql } = await planned(each);
    expect(inSql.said).toEqual(one.said);
    expect(inSql.kinds).toEqual(each.inSql);
  });
});
