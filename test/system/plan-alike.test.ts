import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Catalog } from "../../src/catalog/catalog.js";
import { sql } from "../../src/catalog/sql.js";
import type { Config } from "../../src/config/config.js";
import { sha256Hex } from "../../src/lib/json.js";
import { plan } from "../../src/plan/planner.js";
import { planText } from "../../src/plan/seal.js";
import { sized } from "../support/figures.js";
import { catalogOf, configOf, type Given, NOW, type SiteFacts } from "../support/world.js";

const NAMES = ["alpha", "beta", "gamma"];
const FOLDERS = ["", "x/", "x/y/", "X/", "z/"];
const FILES = [
  "a",
  "b.jpg",
  "B.jpg",
  "x",
  "y",
  'quo"te',
  "back\\slash",
  "tab\there",
  "caf\u00e9",
  "cafe\u0301",
  "\u{1f600}",
  "\u2028",
  `${"n".repeat(250)}.jpg`,
  "skipped.tmp",
  `a~${sha256Hex("1").slice(0, 8)}`,
];

const location = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      type: fc.constant("local"),
      path: fc.constant(`/tree/${name}`),
      priority: fc.constantFrom(10, 20, 30),
      purpose: fc.subarray(["inbox", "organized", "backup", "archive"], { minLength: 1, maxLength: 2 }),
      domain: fc.constantFrom("one", "two"),
      read_only: fc.constantFrom(false, false, false, true),
      status: fc.constantFrom("active", "active", "active", "draining", "offline"),
      exclude: fc.constantFrom(["*.tmp"], ["/x/**"]),
      layout: fc.constantFrom("{project}/**", "**"),
      capacity: fc.constantFrom({ max: "4KiB" }, { max: "20KiB" }),
      verify: fc.constant({ every: "30d" }),
    },
    { requiredKeys: ["name", "type", "path", "priority", "purpose"] },
  );

const matcher = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.constantFrom(...NAMES).map((name) => ({ location: name })),
  fc.constantFrom("/x/**", "*.jpg", "b*").map((path) => ({ path })),
  fc.constantFrom(">500", "0").map((size) => ({ size })),
  fc.constantFrom(">=2", "1").map((copies) => ({ copies })),
);

const to = fc.subarray(NAMES, { minLength: 1, maxLength: 2 });
const conflicts = fc.constantFrom("manual", "newest", "largest", "primary", "skip", "rename");
const copy = fc.record({
  match: matcher,
  action: fc.constant("copy"),
  destination: to,
  continue: fc.boolean(),
  place: fc.constantFrom("key", "content"),
  key: fc.constantFrom("{path}", "{path}", "{path}", "z/{filename}"),
  on_conflict: conflicts,
});
const others = fc.oneof(
  fc.record({ match: matcher, action: fc.constant("keep") }),
  fc.record({ match: matcher, action: fc.constant("move"), destination: to, on_conflict: conflicts }),
  fc.record({ match: matcher, action: fc.constant("delete") }),
);

const file = fc.record({
  location: fc.constantFrom("alpha", "alpha", "alpha", "beta", "gamma"),
  key: fc.tuple(fc.constantFrom(...FOLDERS), fc.constantFrom(...FILES)).map(([dir, base]) => dir + base),
  content: fc.integer({ min: 1, max: 40 }).map(String),
  age: fc.constantFrom(1, 40),
  size: fc.constantFrom(0, 100, 1000),
  proof: fc.constantFrom("content", "content", "content", "content", "claim"),
  archived: fc.constantFrom(...Array(9).fill(undefined), "It lies in GLACIER."),
  physical: fc.constantFrom(...Array(9).fill(undefined), "1:7"),
  state: fc.constantFrom(...Array(9).fill("present"), "rot", "missing"),
});

const facts = fc.record(
  {
    features: fc.constantFrom({ foldsCase: true }, { maxNameBytes: 100 }, { maxKeyBytes: 60 }),
    folders: fc.constantFrom<string[][]>(["x"], ["x", "a"]),
    others: fc.constantFrom<string[][]>(["z"], ["b.jpg"]),
  },
  { requiredKeys: [] },
);

const world = fc.record({
  locations: fc.tuple(...NAMES.map(location)),
  facts: fc.tuple(facts, facts, facts),
  rules: fc.array(fc.oneof({ weight: 4, arbitrary: copy }, { weight: 1, arbitrary: others }), { maxLength: 4 }),
  fallback: fc.option(fc.constantFrom(...NAMES)),
  need: fc.option(fc.record({ copies: fc.constantFrom(1, 2, 3), domains: fc.constantFrom(1, 2) })),
  files: fc.uniqueArray(file, { selector: (each) => `${each.location}:${each.key}`, maxLength: 40 }),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** One content has one size, and a tree can not have a file and a folder of one name. */
function possible(files: World["files"]): Given[] {
  const sizes = new Map(files.map(({ content, size }) => [content, size]));
  const trees = files.filter(
    (each) => !files.some((other) => other.location === each.location && other.key.startsWith(`${each.key}/`)),
  );
  return trees.map((each) => ({ ...each, size: sizes.get(each.content) ?? 0 })) as Given[];
}

function build(given: World): { config: Config; files: Given[]; facts: Record<string, SiteFacts> } {
  const rules = [...given.rules, ...(given.fallback === null ? [] : [{ default: given.fallback }])];
  const need = given.need ? { require: [{ name: "need", match: { path: "x/**" }, ...given.need }] } : {};
  const safety = { max_delete: { files: 1000, percent: 100 } };
  const config = configOf(JSON.stringify({ version: 1, safety, locations: given.locations, rules, ...need }));
  const known = Object.fromEntries(NAMES.map((name, index) => [name, given.facts[index] ?? {}]));
  return { config, files: possible(given.files), facts: known };
}

/** What a plan says, byte for byte, and what the catalog keeps of it. */
async function planned(config: Config, catalog: Catalog, target?: string[]) {
  const made = await plan(config, catalog, { now: NOW, version: "0", ...(target ? { target } : {}) });
  const kept = await catalog.rows(sql`SELECT * FROM plan_actions ORDER BY ALL`);
  return { text: [...planText(made)].join(""), kept, actions: made.actions };
}

describe("contents that are alike", () => {
  it("get the very plan in SQL that they get when each is looked at", async () => {
    let copies = 0;
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const { config, files, facts } = build(given);
        const catalog = await catalogOf(config, files, facts);
        try {
          const all = await planned(config, catalog);
          const lead = await catalog.row(
            sql<{ tables: number }>`SELECT count(*) AS tables FROM duckdb_tables() WHERE table_name = 'lead'`,
          );
          if (lead?.tables === 1) {
            const row = await catalog.row(
              sql<{ copies: number }>`SELECT count(*) AS copies FROM work.lead WHERE own IS NULL`,
            );
            copies += row?.copies ?? 0;
          }
          expect(all).toEqual(await planned(config, catalog, NAMES));
        } finally {
          await catalog.close();
        }
      }),
      {
        numRuns: Number(process.env["RUNS"] ?? sized(30, 500)),
        ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
      },
    );
    expect(copies).toBeGreaterThan(0);
  }, 240_000);
});
