import { describe, expect, it } from "vitest";
import type { Catalog } from "../src/catalog/catalog.js";
import type { Config } from "../src/config/config.js";
import { explain } from "../src/plan/explain.js";
import { plan } from "../src/plan/planner.js";
import { repairPlan } from "../src/plan/repair.js";
import { catalogOf, configOf, type Given, lines, NOW, type SiteFacts } from "./support/world.js";

const SAFE: SiteFacts = { features: { store: { createOnly: true, conditionalRemove: true, listAfterWrite: true } } };
const LOCATIONS = `
version: 1
locations:
  - { name: primary, type: local, path: /a, priority: 50, purpose: [inbox] }
  - { name: nas, type: local, path: /b, priority: 25, purpose: [inbox] }
  - { name: s3, type: s3, bucket: media, region: us-west-2, priority: 100, purpose: [archive], verify: { every: 30d } }
`;
const COLD = "It lies in GLACIER.";

interface World {
  rules: string;
  files: Given[];
  s3?: SiteFacts;
}

async function inWorld<T>(world: World, body: (config: Config, catalog: Catalog) => Promise<T>): Promise<T> {
  const config = configOf(`${LOCATIONS}${world.rules}`);
  const catalog = await catalogOf(config, world.files, { s3: world.s3 ?? SAFE });
  try {
    return await body(config, catalog);
  } finally {
    await catalog.close();
  }
}

const planned = (world: World) =>
  inWorld(world, async (config, catalog) => lines(await plan(config, catalog, { now: NOW, version: "0" })));

const at = (address: string, rest: Partial<Given> = {}): Given => {
  const [location = "", key = ""] = address.split(":");
  return { location, key, content: "A", ...rest };
};

describe("planning with buckets", () => {
  it.each<{ name: string; plan: string[] } & World>([
    {
      name: "S8 what an archive claims to hold is not fetched by the default",
      rules: "rules:\n  - default: primary",
      files: [at("s3:x", { proof: "claim" })],
      plan: ["? s3:x"],
    },
    {
      name: "S1 S10 a claim keeps the last copy that somebody has looked at",
      rules: `rules:\n  - { name: d, match: { path: "/x" }, action: delete }`,
      files: [at("primary:x"), at("s3:y", { proof: "claim" })],
      plan: ["? s3:y", "= primary:x claimed"],
    },
    {
      name: "S6 a rename keeps the old name where the other copies can not be proven",
      rules: `safety: { min_copies: 2 }\nrules:\n  - { name: m, match: { path: "/x" }, action: move, destination: primary, from: [primary], key: "y" }`,
      files: [at("primary:x"), at("s3:z", { archived: COLD })],
      plan: ["+ primary:x -> primary:y", "= primary:x archived"],
    },
    {
      name: "S6 two names of one location stay where the other copies can not be proven",
      rules: `safety: { min_copies: 2 }\nrules:\n  - { name: d, match: { path: "/x*" }, action: delete }`,
      files: [at("primary:x1"), at("primary:x2"), at("s3:z", { archived: COLD })],
      plan: ["= primary:x1 archived", "= primary:x2 archived"],
    },
    {
      name: "S1 a claim does not make up the copies that a requirement counts",
      rules: "require:\n  - { name: two, match: {}, copies: 2 }",
      files: [at("primary:x"), at("s3:x", { proof: "claim" })],
      plan: ["+ primary:x -> nas:x [require]", "? s3:x"],
    },
    {
      name: "S5 S6 a checksum of the store counts as a copy, and lets another go",
      rules: `rules:\n  - { name: d, match: { path: "/x", location: primary }, action: delete }`,
      files: [at("primary:x"), at("s3:x", { proof: "checksum" })],
      plan: ["- primary:x"],
    },
    {
      name: "reads from the location of the highest priority, but not from what is archived",
      rules: `rules:\n  - { name: c, match: { location: primary }, action: copy, destination: nas }`,
      files: [at("primary:x"), at("s3:x", { archived: COLD })],
      plan: ["+ primary:x -> nas:x"],
    },
    {
      name: "does not read what is archived when it is due",
      rules: "",
      files: [at("s3:cold", { archived: COLD, verified: 90 }), at("s3:warm", { content: "B", verified: 90 })],
      plan: ["? s3:warm"],
    },
    {
      name: "S9 does not send to the trash what is only claimed, archived, or in a store that lets nothing go",
      rules: `rules:\n  - { name: p, match: { location: primary }, action: copy, destination: s3, place: key, on_conflict: newest }`,
      files: [
        at("primary:claimed", { content: "A1", age: 1 }),
        at("s3:claimed", { content: "A2", age: 9, proof: "claim" }),
        at("primary:cold", { content: "B1", age: 1 }),
        at("s3:cold", { content: "B2", age: 9, archived: COLD }),
        at("primary:known", { content: "C1", age: 1 }),
        at("s3:known", { content: "C2", age: 9 }),
      ],
      plan: [
        "- s3:known [conflict]",
        "+ primary:known -> s3:known",
        "? s3:claimed",
        "! primary:claimed conflict",
        "! primary:cold conflict",
      ],
    },
    {
      name: "I5 a bucket that nobody has probed lets nothing go",
      rules: `rules:\n  - { name: d, match: { path: "/x" }, from: [s3], action: delete }`,
      files: [at("primary:x"), at("s3:x")],
      s3: {},
      plan: ["! s3: append-only"],
    },
  ])("$name", async ({ plan: expected, ...world }) => {
    expect(await planned(world)).toEqual(expected);
  });

  it("repairs from what can be read, rather from what is proven than from a claim", async () => {
    const rotten = (key: string, content: string): Given => at(`nas:${key}`, { content, state: "rot" });
    const files = [
      rotten("one", "A"),
      at("primary:one"),
      at("s3:one", { archived: COLD }),
      rotten("two", "B"),
      at("primary:two", { content: "B" }),
      at("s3:two", { content: "B", proof: "claim" }),
      rotten("three", "C"),
      at("s3:three", { content: "C", archived: COLD }),
    ];
    const result = await inWorld({ rules: "", files }, (config, catalog) =>
      repairPlan(config, catalog, { now: NOW, version: "0" }),
    );
    expect(lines(result)).toEqual([
      "+ primary:one -> nas:one [repair]",
      "+ primary:two -> nas:two [repair]",
      "! nas:three archived",
    ]);
  });

  it("explains what is known of an object, and how", async () => {
    const files = [
      at("s3:x", { proof: "claim", archived: COLD, tags: "hero|b", stars: 4 }),
      at("primary:y", { content: "B" }),
    ];
    const rules = `rules:\n  - { name: c, match: { location: s3 }, action: copy, destination: nas }`;
    await inWorld({ rules, files }, async (config, catalog) => {
      const explained = await explain(config, catalog, { location: "s3", key: "x" }, { now: NOW });
      expect(explained.values).toMatchObject({ proof: "claim", archived: COLD, tags: "hero, b", stars: 4, copies: 0 });
      expect(explained.blocked).toMatchObject([{ code: "archived", reason: expect.stringContaining(COLD) }]);
      const local = await explain(config, catalog, { location: "primary", key: "y" }, { now: NOW });
      expect(Object.keys(local.values)).not.toContain("proof");
    });
  });
});
