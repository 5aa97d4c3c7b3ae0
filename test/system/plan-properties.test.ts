import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.js";
import { sha256Hex } from "../../src/lib/json.js";
import { address } from "../../src/lib/key.js";
import type { Action, Plan } from "../../src/plan/plan.js";
import { plan } from "../../src/plan/planner.js";
import { planText } from "../../src/plan/seal.js";
import { localFolder } from "../support/arbitrary.js";
import { sized } from "../support/figures.js";
import { catalogOf, configOf, type Given, NOW } from "../support/world.js";

const NAMES = ["alpha", "beta", "gamma", "delta"];
const KEYS = ["a", "b", "x/a", "x/b", "y/a.jpg", "x/y/a.jpg", "B", "x"];

const location = (name: string) =>
  fc.record({
    ...localFolder(name),
    purpose: fc.subarray(["inbox", "organized", "backup", "archive"], { minLength: 1, maxLength: 2 }),
    domain: fc.constant(name < "c" ? "one" : "two"),
    read_only: fc.boolean().map((value) => value && name === "delta"),
  });

const matcher = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...NAMES.slice(0, 2)).map((name) => ({ location: name })),
  fc.constantFrom("/x/**", "a", "*.jpg", "b").map((path) => ({ path })),
  fc.constantFrom(">5", "<=5").map((size) => ({ size })),
  fc.constantFrom(">50d", "<50d").map((age) => ({ age })),
  fc.constantFrom(">=2", "1").map((copies) => ({ copies })),
);

const names = (min: number) => fc.subarray(NAMES.slice(0, 3), { minLength: min });
const rule = fc.oneof(
  { weight: 1, arbitrary: fc.record({ match: matcher, action: fc.constant("keep") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      match: matcher,
      action: fc.constant("copy"),
      destination: names(1),
      continue: fc.boolean(),
      place: fc.constantFrom("key", "content"),
      on_conflict: fc.constantFrom("manual", "newest", "largest", "primary", "skip", "rename"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record(
      {
        match: matcher,
        action: fc.constant("move"),
        destination: names(1),
        from: names(1),
        place: fc.constantFrom("key", "content"),
        key: fc.constantFrom("{path}", "{filename}", "z/{filename}", "{sha256:2}/{filename}"),
        on_conflict: fc.constantFrom("manual", "newest", "largest", "primary", "skip", "rename"),
      },
      { requiredKeys: ["match", "action", "destination"] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { match: matcher, action: fc.constant("delete"), allow_last_copy: fc.boolean() },
      { requiredKeys: ["match", "action"] },
    ),
  },
);

const file = fc.record({
  location: fc.constantFrom(...NAMES),
  key: fc.constantFrom(...KEYS),
  content: fc.constantFrom("A", "B", "C", "D"),
  age: fc.constantFrom(1, 40, 60, 100),
  proof: fc.constantFrom("content", "content", "content", "checksum", "claim"),
  archived: fc.constantFrom(undefined, undefined, undefined, undefined, "It lies in GLACIER."),
});

const world = fc.record({
  locations: fc.tuple(...NAMES.map(location)),
  rules: fc.array(rule, { maxLength: 4 }),
  fallback: fc.option(fc.constantFrom(...NAMES.slice(0, 3))),
  minCopies: fc.constantFrom(1, 1, 2),
  verify: fc.constantFrom("content", "checksum"),
  need: fc.option(fc.record({ copies: fc.constantFrom(1, 2, 3), domains: fc.constantFrom(1, 2) })),
  files: fc.uniqueArray(file, { selector: (each) => `${each.location}:${each.key}`, maxLength: 14 }),
});

/** A tree can not have a file and a folder of one name. */
const possible = (files: readonly Given[]): Given[] =>
  files.filter(
    (each) => !files.some((other) => other.location === each.location && other.key.startsWith(`${each.key}/`)),
  );

function build(given: typeof world extends fc.Arbitrary<infer T> ? T : never): { config: Config; files: Given[] } {
  const rules = [...given.rules, ...(given.fallback === null ? [] : [{ default: given.fallback }])];
  const yaml = {
    version: 1,
    safety: { min_copies: given.minCopies, verify: given.verify, max_delete: { files: 1000, percent: 100 } },
    locations: given.locations,
    rules,
    ...(given.need ? { require: [{ name: "need", match: { path: "a" }, ...given.need }] } : {}),
  };
  const files = possible(given.files).map((each) => ({ ...each, size: each.content === "A" ? 3 : 9 }));
  return { config: configOf(JSON.stringify(yaml)), files };
}

/** What is there while a plan runs, and what is known of it. */
interface World {
  config: Config;
  /** Address → content. */
  tree: Map<string, string>;
  known: Map<string, Given>;
  /** What an action has read, and so proven. */
  read: Set<string>;
  /** Contents whose last copy may go, by the owner's word. */
  word: Set<string>;
}

const copies = ({ tree, known }: World, content: string): number =>
  new Set(
    [...tree]
      .filter(([where, held]) => held === content && known.get(where)?.proof !== "claim")
      .map(([where]) => where.split(":")[0] ?? ""),
  ).size;

function vouches({ config, known }: World, where: string): boolean {
  const { proof, archived } = known.get(where) ?? {};
  if (archived !== undefined) return config.safety.verify === "checksum" && proof === "checksum";
  return proof !== "claim";
}

/** Takes the actions one by one and checks I1, I3 and that each finds what it expects. */
function simulate(config: Config, result: Plan, files: readonly Given[]): Map<string, string> {
  const tree = new Map(files.map((each) => [address(each.location, each.key), each.content ?? ""]));
  const known = new Map(files.map((each) => [address(each.location, each.key), each]));
  const world: World = { config, tree, known, read: new Set(), word: new Set() };
  const floors = new Map(
    [...tree.values()].map((content) => [
      content,
      Math.max(1, Math.min(config.safety.minCopies, copies(world, content))),
    ]),
  );
  for (const action of result.actions) {
    const content = tree.get(address(action.from.location, action.from.key));
    expect(content === undefined ? undefined : `sha256:${sha256Hex(content)}`, `${action.id} finds its source`).toBe(
      action.content,
    );
    if (content === undefined) continue;
    arrive(action, content, world);
    if (action.kind === "move" || action.kind === "delete") go(action, content, floors.get(content) ?? 1, world);
  }
  for (const content of new Set(files.map((each) => each.content ?? ""))) {
    if (!world.word.has(content)) expect([...tree.values()], `${content} is not lost`).toContain(content);
  }
  return tree;
}

function arrive(action: Action, content: string, { tree, known, read }: World): void {
  if (!action.to) return;
  const from = address(action.from.location, action.from.key);
  const to = address(action.to.location, action.to.key);
  if (action.bytes > 0) {
    expect(tree.get(to), `${action.id} never replaces (I3)`).toBeUndefined();
    expect(known.get(from)?.archived, `${action.id} reads what can be read`).toBeUndefined();
    known.delete(to);
    read.add(from);
  } else if (action.kind === "move") expect(tree.get(to), `${action.id} transfers nothing`).toBe(content);
  tree.set(to, content);
}

function go(action: Action, content: string, floor: number, world: World): void {
  const { config, tree, read, word } = world;
  const from = address(action.from.location, action.from.key);
  expect(config.locations.find((each) => each.name === action.from.location)?.readOnly).toBe(false);
  const rule = config.rules.find(({ name }) => name === action.rule.name);
  const bidden = action.kind === "delete" && action.reason !== "conflict" && rule?.allowLastCopy === true;
  expect(bidden || read.has(from) || vouches(world, from), `${action.id} removes what is known (S1)`).toBe(true);
  tree.delete(from);
  if (action.required === 0) word.add(content);
  if (!word.has(content))
    expect(copies(world, content), `${action.id} keeps the floor (I1)`).toBeGreaterThanOrEqual(floor);
  if (action.reason === "rule" && action.kind === "move") expect(action.required).toBeGreaterThan(0);
  for (const witness of action.witnesses.slice(0, action.required)) {
    const where = address(witness.location, witness.key);
    expect(tree.get(where), `${action.id}'s witness is there`).toBe(content);
    expect(vouches(world, where), `${action.id}'s witness is more than a claim (S1)`).toBe(true);
  }
  expect(new Set(action.witnesses.map((witness) => witness.location)).size).toBeGreaterThanOrEqual(action.required);
}

describe("planner properties", () => {
  it("every plan keeps I1 and I3 at each step, is repeatable, and is empty when made again (S2 S6 S9 S12)", async () => {
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const { config, files } = build(given);
        const catalog = await catalogOf(config, files);
        try {
          const result = await plan(config, catalog, { now: NOW, version: "0" });
          const again = await plan(config, catalog, { now: NOW, version: "0" });
          expect([...planText(again)].join("")).toBe([...planText(result)].join(""));
          const tree = simulate(config, result, files);
          const failed = result.footer.checks.filter((check) => check.status === "fail").map((check) => check.name);
          expect(failed.filter((name) => name !== "converges")).toEqual([]);
          if (result.footer.proof.converges && result.actions.length > 0) await stillEmpty(config, tree, files);
        } finally {
          await catalog.close();
        }
      }),
      {
        numRuns: Number(process.env["RUNS"] ?? sized(20, 1_000)),
        ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
      },
    );
  }, 240_000);

  it("plans the same for a copy by name, whether DuckDB compares the names or a template makes them", async () => {
    await fc.assert(
      fc.asyncProperty(world, async (given) => {
        const spelled = given.rules.map((each) =>
          "place" in each && each.action === "copy" && each.place === "key"
            ? { ...each, key: "{dir}/{filename}" }
            : each,
        );
        const [compared, made] = [await told(given), await told({ ...given, rules: spelled as typeof given.rules })];
        expect(compared).toEqual(made);
      }),
      {
        numRuns: Number(process.env["RUNS"] ?? sized(30, 500)),
        ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
      },
    );
  }, 240_000);
});

/** All that a plan says but for what names the configuration. */
async function told(given: Parameters<typeof build>[0]): Promise<unknown> {
  const { config, files } = build(given);
  const catalog = await catalogOf(config, files);
  try {
    const { actions, footer } = await plan(config, catalog, { now: NOW, version: "0" });
    const { digest: _, ...said } = footer;
    return { actions, ...said };
  } finally {
    await catalog.close();
  }
}

/** Plans once more from the tree that the actions left behind. */
async function stillEmpty(config: Config, tree: ReadonlyMap<string, string>, files: readonly Given[]): Promise<void> {
  const ages = new Map<string, number>();
  for (const each of files) ages.set(each.content ?? "", Math.max(ages.get(each.content ?? "") ?? 0, each.age ?? 0));
  const left = [...tree].map(([where, content]): Given => {
    const known = files.find((each) => address(each.location, each.key) === where && each.content === content);
    const [location = "", key = ""] = where.split(":");
    return known ?? { location, key, content, size: content === "A" ? 3 : 9, age: ages.get(content) ?? 0 };
  });
  const catalog = await catalogOf(config, left);
  try {
    const next = await plan(config, catalog, { now: NOW, version: "0" });
    expect(next.actions).toEqual([]);
  } finally {
    await catalog.close();
  }
}
