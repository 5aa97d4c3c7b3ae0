import { expect, it } from "vitest";
import type { Catalog } from "../../src/catalog/catalog.js";
import type { Config } from "../../src/config/config.js";
import type { Plan } from "../../src/plan/plan.js";
import { plan } from "../../src/plan/planner.js";
import { catalogOf, configOf, type Given, given, lines, NOW, type SiteFacts } from "./world.js";

export const LOCATIONS = `
version: 1
locations:
  - { name: primary, type: local, path: /a, priority: 100, purpose: [inbox] }
  - { name: nas, type: local, path: /b, priority: 50, purpose: [backup], domain: home }
  - { name: archive, type: local, path: /c, priority: 25, purpose: [archive] }
  - { name: old, type: local, path: /d, priority: 10, purpose: [overflow] }
`;

export interface World {
  /** The whole configuration, instead of `LOCATIONS` with what follows. */
  yaml?: string;
  safety?: string;
  extra?: string;
  rules?: string;
  files: (string | Given)[];
  facts?: Record<string, SiteFacts>;
}

export interface Case extends World {
  name: string;
  plan: string[];
  applyable?: boolean;
}

export async function inWorld<T>(world: World, body: (config: Config, catalog: Catalog) => Promise<T>): Promise<T> {
  const rules = world.rules ? `rules:\n${world.rules}` : "";
  const config = configOf(world.yaml ?? `${LOCATIONS}${world.safety ?? ""}${world.extra ?? ""}${rules}`);
  const entries = world.files.map((file) => (typeof file === "string" ? given(file) : file));
  const catalog = await catalogOf(config, entries, world.facts);
  try {
    return await body(config, catalog);
  } finally {
    await catalog.close();
  }
}

export const planned = (world: World): Promise<Plan> =>
  inWorld(world, (config, catalog) => plan(config, catalog, { now: NOW, version: "0" }));

export const run = (cases: Case[]) =>
  it.each(cases)("$name", async (test) => {
    const result = await planned(test);
    expect(lines(result)).toEqual(test.plan);
    const fails = result.footer.checks.filter((check) => check.status === "fail").flatMap((check) => check.problems);
    expect({ applyable: result.header.applyable, fails: result.header.applyable ? fails : [] }).toEqual({
      applyable: test.applyable ?? true,
      fails: [],
    });
  });
