import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.js";
import { sha256Hex } from "../../src/lib/json.js";
import { bothWays } from "../support/alike.js";
import { localFolder } from "../support/arbitrary.js";
import { sized } from "../support/figures.js";
import { catalogOf, configOf, type Given, type SiteFacts } from "../support/world.js";

const NAMES = ["alpha", "beta", "gamma", "delta"];
const FOLDERS = ["", "x/", "x/", "x/y/", "X/"];
const FILES = [
  ...["a", "b.jpg", "B.jpg", "x", "y", "c", "d", "e.jpg", "f", "g", "h.jpg"],
  ...[
    'quo"te',
    "back\\slash",
    "tab\there",
    "caf\u00e9",
    "cafe\u0301",
    "\u{1f600}\u2028",
    "skipped.tmp",
    ".stowage-own",
  ],
  `${"n".repeat(150)}.jpg`,
  `a~${sha256Hex("1").slice(0, 8)}`,
];

/** Mostly the first. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const location = (name: string) =>
  fc.record({
    ...localFolder(name),
    purpose: mostly(["organized"], ["inbox"], ["backup"], ["archive"]),
    domain: fc.constantFrom("one", "two"),
    read_only: mostly(false, true),
    status: mostly("active", "draining", "offline"),
    exclude: fc.constantFrom(["nothing"], ["*.tmp"], ["/x/**"]),
    layout: fc.constantFrom("{project}/**", "{project}/{kind}/**", "**"),
    capacity: mostly({ max: "1MiB" }, { max: "4KiB" }, { max: "9KiB" }),
    verify: mostly({ every: "9y" }, { every: "30d" }),
  });

const TEMPLATES = [
  "x/{filename}",
  "{dir}/{stem}-{sha256:4}{ext}",
  "{project|none}/{modified:%Y/%m/%d-%H}/{filename}",
  "{attr.kind|x}/{location}/{path}",
  "{media_type}s/{modified:%y%j|old}{ext|.none}",
  "{project}/{sha256}",
];

const matcher = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.constantFrom(...NAMES).map((name) => ({ location: name })),
  fc.constantFrom("/x/**", "*.jpg", "a*").map((path) => ({ path })),
  fc.constantFrom(">500", "0").map((size) => ({ size })),
  fc.constantFrom(">=2", "1").map((copies) => ({ copies })),
);

const to = fc.oneof(fc.constant(["gamma"]), fc.subarray(NAMES, { minLength: 1, maxLength: 2 }));
const conflicts = fc.constantFrom("manual", "newest", "largest", "primary", "skip", "rename");
const copy = fc.record({
  match: matcher,
  action: fc.constant("copy"),
  destination: to,
  continue: fc.boolean(),
  place: fc.constantFrom("key", "content"),
  key: mostly("{path}", ...TEMPLATES),
  on_conflict: conflicts,
});
const from = fc.option(fc.subarray(NAMES, { minLength: 1, maxLength: 2 }), { nil: undefined });
const move = fc.record({
  match: matcher,
  action: fc.constant("move"),
  from,
  destination: to,
  place: fc.constantFrom("key", "key", "content"),
  key: fc.constantFrom("{path}", ...TEMPLATES),
  on_conflict: conflicts,
});
const others = fc.oneof(
  fc.record({ match: matcher, action: fc.constant("keep") }),
  fc.record({ match: matcher, action: fc.constant("delete"), from, allow_last_copy: fc.boolean() }),
);

const file = fc.record({
  location: fc.constantFrom("alpha", "alpha", "alpha", "beta", "gamma"),
  /** Where else it is, under the same name. */
  also: mostly<string[]>([], ["beta"], ["beta", "gamma"], ["alpha", "delta"]),
  key: fc.tuple(fc.constantFrom(...FOLDERS), fc.constantFrom(...FILES)).map(([dir, base]) => dir + base),
  content: fc.integer({ min: 1, max: 60 }).map(String),
  age: fc.constantFrom(1, 40, 66.02, 217.99, 30_000),
  type: fc.constantFrom(undefined, "image", "video"),
  size: fc.constantFrom(0, 100, 1000),
  proof: mostly("content", "claim"),
  archived: mostly(undefined, "It lies in GLACIER."),
  physical: mostly(undefined, "1:7"),
  state: mostly("present", "rot", "missing"),
});

const facts = fc.record({
  /** Of a device, and of a root on it. */
  identity: mostly(undefined, "7:1", "7:2"),
  total: fc.constant(1e6),
  free: mostly(undefined, 3_000, 100_000),
  features: mostly({}, { foldsCase: true }, { maxNameBytes: 100 }, { maxKeyBytes: 60 }),
  folders: mostly<string[]>([], ["x"], ["x", "a"]),
  others: mostly<string[]>([], ["x"], ["b.jpg"]),
});

const world = fc.record({
  locations: fc.tuple(...NAMES.map(location)),
  facts: fc.tuple(facts, facts, facts, facts),
  rules: fc.array(
    fc.oneof({ weight: 3, arbitrary: copy }, { weight: 3, arbitrary: move }, { weight: 2, arbitrary: others }),
    { minLength: 1, maxLength: 3 },
  ),
  min_copies: mostly(1, 2),
  trash: mostly("30d", "0"),
  timezone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"),
  fallback: fc.option(fc.constantFrom(...NAMES)),
  need: fc.option(fc.record({ copies: fc.constantFrom(1, 2, 3), domains: fc.constantFrom(1, 2) })),
  files: fc.uniqueArray(file, {
    selector: (each) => `${each.location}:${each.key}`,
    minLength: 5,
    maxLength: 25,
    size: "max",
  }),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** One content has one size, and a tree can not have a file and a folder of one name. */
function possible(made: World["files"]): Given[] {
  const spread = made.flatMap(({ also, ...each }) => [each, ...also.map((location) => ({ ...each, location }))]);
  const files = [...new Map(spread.map((each) => [`${each.location}:${each.key}`, each])).values()];
  const sizes = new Map(files.map(({ content, size }) => [content, size]));
  const trees = files.filter(
    (each) => !files.some((other) => other.location === each.location && other.key.startsWith(`${each.key}/`)),
  );
  return trees.map((each) => ({ ...each, size: sizes.get(each.content) ?? 0 })) as Given[];
}

function build(given: World): { config: Config; files: Given[]; facts: Record<string, SiteFacts> } {
  const rules = [...given.rules, ...(given.fallback === null ? [] : [{ default: given.fallback }])];
  const need = given.need ? { require: [{ name: "need", match: { path: "x/**" }, ...given.need }] } : {};
  const { min_copies, trash, timezone } = given;
  const safety = { min_copies, trash, max_delete: { files: 1000, percent: 100 } };
  const settings = { timezone };
  const config = configOf(JSON.stringify({ version: 1, settings, safety, locations: given.locations, rules, ...need }));
  const known = Object.fromEntries(NAMES.map((name, index) => [name, given.facts[index] ?? {}]));
  return { config, files: possible(given.files), facts: known };
}

describe("contents that are alike", () => {
  it("get the very plan in SQL that they get when each is looked at", async () => {
    const made: Record<string, number> = { copy: 0, move: 0, delete: 0 };
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const { config, files, facts } = build(given);
        const catalog = await catalogOf(config, files, facts);
        try {
          const { one, inSql } = await bothWays(config, catalog);
          for (const [kind, count] of Object.entries(inSql.kinds)) made[kind] = made[kind]! + count;
          expect(inSql.said).toEqual(one.said);
        } finally {
          await catalog.close();
        }
      }),
      {
        numRuns: Number(process.env["RUNS"] ?? sized(30, 500)),
        ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
      },
    );
    expect(made["copy"]).toBeGreaterThan(0);
    expect(made["move"]).toBeGreaterThan(0);
  }, 240_000);
});
