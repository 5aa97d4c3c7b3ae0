import { describe, expect, it } from "vitest";
import { name, sql } from "../src/catalog/sql.js";
import { condition, leavesOf } from "../src/plan/match.js";
import { observe, PRESENT, prepareFacts } from "../src/plan/observe.js";
import { askOnce } from "../src/plan/once.js";
import { loadSites } from "../src/plan/site.js";
import { catalogOf, configOf, type Given, given, NOW } from "./support/world.js";

const KEYS = [
  ...[
    "x",
    "a/x",
    "a/b/x",
    "a/b/c/x",
    "a/b/c/d/x",
    "b/x",
    "bc/x",
    "ab",
    "a/bc",
    "a/b",
    "a/[c]/x",
    "a/*/x",
    "é/x",
    "e\u0301/x",
  ],
  ...[
    "a/b\nc/x",
    "a/b/x\ny",
    "clients/one/raw/1.cr2",
    "clients/one/raw",
    "clients/two/raw/deep/2.cr2",
    "clients/raw/3.cr2",
  ],
];
const FOLDERS = [
  ...[
    "/a/?/**",
    "a/?/**",
    "?/**",
    "/?/*",
    "[ab]*/**",
    "/a/[!a]*/**",
    "{a,b}?/",
    "/a/?*/",
    "/clients/*/raw/**",
    "clients/*/*",
  ],
  ...["/**/?/**", "/a/\\[?\\]/**", "{{[ab]+}}/**", "/a/\\*/*", "?/*", "/a/[/]**", "a?b/**", "[^a]/**", "*/{b,x?}/**"],
];
const TYPES = ["im[ap]ge", "?ideo", "[!i]*o", "i??ge*"];
const MIMES = ["image/?n[g]", "[iv]*/*[4g]", "?ideo/mp4", "image/[!p]*"];
const PROJECTS = ["[ab]", "?", "cl?ents", "[!a]*[st]"];

const config = (rules: string[]) =>
  configOf(`version: 1
locations:
  - { name: alpha, type: local, path: /tree/alpha, layout: "{project}/**" }
  - { name: beta, type: local, path: /tree/beta }
rules:
${rules.map((match, n) => `  - { name: r${n}, match: { ${match} }, action: keep }`).join("\n")}
`);

const quoted = (pattern: string): string => JSON.stringify(pattern);

/** What each rule matches, evaluated for every row and once for each distinct value; and which rules were asked about. */
async function bothWays(rules: string[], files: readonly Given[]) {
  const made = config(rules);
  const catalog = await catalogOf(made, files);
  try {
    await observe(catalog, await loadSites(made, catalog));
    await prepareFacts(catalog, PRESENT, NOW);
    const matchers = made.rules.map(({ match }) => match);
    const { joined, answer } = await askOnce(catalog, PRESENT, matchers);
    const found = (where: ReturnType<typeof condition>) =>
      catalog.rows(sql`SELECT location, key FROM work.${name(PRESENT.facts)}${joined} WHERE ${where} ORDER BY ALL`);
    const each: unknown[] = [];
    const once: unknown[] = [];
    for (const matcher of matchers) {
      each.push(await found(condition(matcher)));
      once.push(await found(condition(matcher, answer)));
    }
    const asked = matchers.map((matcher) =>
      [...leavesOf(matcher)].some((leaf) => "pattern" in leaf && leaf.op !== "tag" && answer(leaf)),
    );
    return { each, once, asked };
  } finally {
    await catalog.close();
  }
}

const files = ["alpha", "beta"].flatMap((location) =>
  KEYS.map((key, n) => ({
    ...given(`${location}:x c${n}`),
    key,
    ...[{}, { type: "image", mime: "image/png" }, { type: "video", mime: "video/mp4" }][n % 3],
  })),
);

describe("patterns that depend on what many files have in common", () => {
  it("match the same files when they are evaluated once for each folder", async () => {
    const { each, once, asked } = await bothWays(
      FOLDERS.map((path) => `path: ${quoted(path)}`),
      files,
    );
    expect(once).toEqual(each);
    expect(FOLDERS.filter((_, n) => !asked[n])).toEqual(["/a/[/]**"]);
    expect(each.filter((found) => (found as unknown[]).length > 0).length).toBeGreaterThan(12);
  });

  it("and once for each value, also where some have none", async () => {
    const rules = [
      ...TYPES.map((type) => `not: { media_type: ${quoted(type)} }`),
      ...MIMES.map((mime) => `any: [{ type: ${quoted(mime)} }, { name: x }]`),
      ...PROJECTS.map((project) => `project: ${quoted(project)}`),
    ];
    const { each, once, asked } = await bothWays(rules, files);
    expect(once).toEqual(each);
    expect(asked.every(Boolean)).toBe(true);
  });

  it("are left to be asked row by row where there are few", async () => {
    const { asked } = await bothWays(
      FOLDERS.slice(0, 3).map((path) => `path: ${quoted(path)}`),
      files,
    );
    expect(asked).toEqual([false, false, false]);
  });
});
