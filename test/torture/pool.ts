import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Config } from "../../src/config/config.js";
import type { plan } from "../../src/plan/planner.js";
import type { catalogOf, configOf, Given } from "../support/world.js";
import type { Planned } from "./invent.js";
import { type Random, randomOf } from "./model/random.js";

const NAMES = ["a", "b", "c", "d"];
const KEYS = ["x", "y", "d/x", "d/y"];
const TEXTS = ["one", "two", "three three", "four"];
const AT = Date.parse("2026-06-01T00:00:00Z");

const LANES = 3;

/** The planner, from a tree that was compiled; a mutant's, where it is in the planner. */
interface Planner {
  plan: typeof plan;
  catalogOf: typeof catalogOf;
  configOf: typeof configOf;
}

/** Worlds, and the plans that the real planner makes of them for machines whose catalogs have not seen all of it. */
export async function planPool(directory: string, count: number, seed: number): Promise<Planned[]> {
  const load = async (file: string) => (await import(pathToFileURL(`${directory}/${file}`).href)) as Partial<Planner>;
  const planner = { ...(await load("src/plan/planner.js")), ...(await load("test/support/world.js")) } as Planner;
  const pool: Planned[] = [];
  // The planner mostly waits for its database.
  for (let index = 0; pool.length < count; index += LANES) {
    const lanes = Array.from({ length: LANES }, (_, lane) => planWorld(planner, randomOf(seed + index + lane)));
    pool.push(...(await Promise.all(lanes)).filter(({ plans }) => plans.some(({ actions }) => actions.length > 0)));
  }
  return pool.slice(0, count);
}

async function planWorld({ plan, catalogOf, configOf }: Planner, random: Random): Promise<Planned> {
  const names = NAMES.slice(0, random.pick([2, 3, 3, 4]));
  const config: Config = configOf(JSON.stringify(settingsOf(random, names)));
  const files = filesOf(random, names);
  const planned: Planned = { locations: names, files: [], plans: [] };
  planned.files = files.map(({ location, key, content }) => ({ place: location, key, text: content ?? "" }));
  for (let machine = 0; machine < random.pick([1, 2, 2, 3]); machine++) {
    const share = random.pick([0.85, 0.6]);
    const known = machine === 0 && random.chance(0.5) ? files : files.filter(() => random.chance(share));
    const catalog = await catalogOf(config, known);
    try {
      const made = await plan(config, catalog, { now: AT, version: "0" });
      if (made.header.applyable) planned.plans.push(made);
    } finally {
      await catalog.close();
      rmSync(dirname(catalog.file), { recursive: true, force: true });
    }
  }
  return planned;
}

function settingsOf(random: Random, names: readonly string[]) {
  const locations = names.map((name) => ({
    ...{ name, type: "local", path: `/tree/${name}`, priority: random.pick([10, 20, 30]) },
    purpose: [random.pick(["inbox", "organized", "archive", "backup"])],
  }));
  // All of a content is to go, and every machine must keep the same copy.
  const rules = random.chance(0.4)
    ? [{ match: {}, action: "delete" }]
    : Array.from({ length: random.pick([1, 2, 3]) }, () => ruleOf(random, names));
  const safety = { min_copies: random.pick([1, 1, 2]), max_delete: { files: 1000, percent: 100 } };
  return { version: 1, safety, locations, rules };
}

function ruleOf(random: Random, names: readonly string[]) {
  const match = random.pick([{}, {}, { path: "/d/**" }, { location: names[0] }, { size: ">3" }]);
  const on_conflict = random.pick(["manual", "newest", "largest", "primary", "rename"]);
  const destination = [random.pick(names)];
  return random.pick([
    { match, action: "copy", destination, on_conflict },
    { match, action: "move", destination, from: names.slice(0, 2), on_conflict },
    { match, action: "move", destination, on_conflict, key: "z/{filename}" },
    { match, action: "delete" },
    { match, action: "delete", allow_last_copy: random.chance(0.2) },
  ]);
}

function filesOf(random: Random, names: readonly string[]): Given[] {
  const texts = TEXTS.slice(0, random.pick([1, 2, 3]));
  return names.flatMap((location) =>
    KEYS.filter(() => random.chance(0.5)).map((key): Given => {
      const content = random.pick(texts);
      return { location, key, content, size: content.length, age: random.pick([10, 50, 100]) };
    }),
  );
}
