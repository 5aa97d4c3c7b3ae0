import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { gc } from "../../src/apply/gc.js";
import type { Plan } from "../../src/plan/plan.js";
// dist is what runs in the child: the build before the tests makes it.
import {
  type ActionSpec,
  cleanup,
  harvest,
  localWorld,
  NOW,
  planOf,
  scratch,
  type Tree,
  trashed,
  type World,
} from "../setup/apply.js";
import { NAMES, scenarios, smallest, worldOf } from "../setup/crash.js";
import { sized } from "../support/figures.js";

afterEach(cleanup);

const CHILD = join(import.meta.dirname, "crash-child.js");

interface Order {
  killAt?: number;
  hardLinks?: boolean;
  concurrency?: number;
  state?: string;
}

function start(
  world: World,
  plan: Plan,
  order: Order,
): { child: ChildProcess; end: Promise<{ code: number | null; out: string }> } {
  const file = join(scratch(), "plan.json");
  writeFileSync(file, JSON.stringify(plan));
  const spec = { plan: file, root: world.root, names: NAMES, state: world.state, ...order };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(spec)], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout?.on("data", (data) => {
    out += String(data);
  });
  const end = once(child, "close").then(([code]) => ({ code: code as number | null, out }));
  return { child, end };
}

const applied = (world: World, plan: Plan, order: Order) => start(world, plan, order).end;

/** crash-steps.test.ts stops at every step inside one process; these are the same with a real kill. */
describe.each([
  { hardLinks: true, scenario: scenarios[1]!, stride: 4 },
  { hardLinks: false, scenario: smallest, stride: sized(3, 1) },
])("kill -9 at step after step (hard links: $hardLinks)", ({ hardLinks, scenario, stride }) => {
  it(`loses nothing, and applying again ends in the same tree: ${scenario.name}`, async () => {
    let killed = 0;
    for (let killAt = 1; ; killAt += stride) {
      const { world, plan } = await worldOf(scenario);
      const { code, out } = await applied(world, plan, { killAt, hardLinks });
      if (code !== null) {
        expect({ code, out: code === 0 ? "" : out }).toEqual({ code: 0, out: "" });
        break;
      }
      killed += 1;
      const left = [...Object.values(harvest(world.root)), ...(scenario.mayGo ? trashed(world.root) : [])];
      for (const text of Object.values(scenario.before)) expect(left, `killed at ${killAt}`).toContain(text);
      const again = await applied(world, plan, { hardLinks });
      expect({ ...again, out: again.code === 0 ? "" : again.out }, `killed at ${killAt}`).toEqual({ code: 0, out: "" });
      expect(harvest(world.root), `killed at ${killAt}`).toEqual(scenario.after);
      expect(trashed(world.root), `killed at ${killAt}`).toEqual(expect.arrayContaining(scenario.trash));
      const swept = await gc(world.backends, { state: world.state, trash: 0, now: NOW });
      expect(swept.problems).toEqual([]);
      const own = Object.keys(harvest(world.root, { own: true })).filter((key) => key.includes(":.stowage-t"));
      expect(own, `killed at ${killAt}`).toEqual([]);
    }
    expect(killed).toBeGreaterThan(5);
  });
});

/** Many files with few contents, all of which go from a to b. */
function exodus(count: number): { before: Tree; actions: ActionSpec[]; after: Tree } {
  const before: Tree = {};
  for (let index = 0; index < count; index++) before[`a:${index % 9}/${index}`] = `content ${index % 70} `.repeat(200);
  const actions = Object.entries(before).map(
    ([from, content]): ActionSpec => ({ kind: "move", from, to: from.replace("a:", "b:"), content }),
  );
  const after = Object.fromEntries(
    Object.entries(before).map(([from, content]) => [from.replace("a:", "b:"), content]),
  );
  return { before, actions, after };
}

describe("many files", () => {
  it("kill -9 at random moments, again and again: no file is lost, and in the end all is done", async () => {
    const { before, actions, after } = exodus(150);
    const world = await localWorld(NAMES, before);
    const plan = await planOf(world.backends, actions);
    let kills = 0;
    for (let round = 0; ; round++) {
      expect(round).toBeLessThan(60);
      const { child, end } = start(world, plan, { concurrency: 8 });
      // Later and later, so that however slow the machine is, some are killed at work and one comes to its end.
      const killer = sleep(60 * 1.08 ** round * (1 + Math.random())).then(() => child.kill("SIGKILL"));
      const { code } = await end;
      await killer;
      const tree = Object.values(harvest(world.root));
      for (const text of Object.values(before)) expect(tree).toContain(text);
      if (code !== null) {
        // One that was killed after its last step has applied the plan: that is said then (5).
        expect(kills > 0 ? [0, 5] : [0]).toContain(code);
        break;
      }
      kills += 1;
    }
    expect(harvest(world.root)).toEqual(after);
    expect(kills).toBeGreaterThan(0);
  });

  it("two applies of one plan at once, one state directory: one waits outside (7), the tree comes out right", async () => {
    const { before, actions, after } = exodus(60);
    const world = await localWorld(NAMES, before);
    const plan = await planOf(world.backends, actions);
    const codes = await Promise.all([1, 2].map(async () => (await applied(world, plan, { concurrency: 4 })).code));
    // The slower one may also come when the first has finished: then the plan was applied before (5).
    expect(codes.toSorted()).toEqual([0, expect.toSatisfy((code: number) => code === 5 || code === 7)]);
    expect(harvest(world.root)).toEqual(after);
  });

  it("I7: two applies of one plan at once with two state directories lose nothing", async () => {
    for (let round = 0; round < 3; round++) {
      const { before, actions } = exodus(60);
      const world = await localWorld(NAMES, before);
      const plan = await planOf(world.backends, actions);
      const runs = [scratch(), scratch()].map((state) => applied(world, plan, { concurrency: 4, state }));
      await Promise.all(runs);
      const tree = harvest(world.root);
      const texts = Object.values(tree);
      for (const text of Object.values(before)) expect(texts).toContain(text);
      for (const [key, text] of Object.entries(tree)) expect(before[key.replace("b:", "a:")]).toBe(text);
      expect(trashed(world.root)).toEqual([]);
    }
  });

  it("I2: two applies that each drop another copy of the same contents, at once, keep the highest one", async () => {
    for (let round = 0; round < 3; round++) {
      const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
      const before = Object.fromEntries(
        keys.flatMap((key) => NAMES.map((name) => [`${name}:${key}`, `content of ${key}`])),
      );
      const world = await localWorld(NAMES, before);
      const drop = (from: string, witnesses: string[]) =>
        planOf(
          world.backends,
          keys.map((key) => ({
            kind: "delete",
            from: `${from}:${key}`,
            content: `content of ${key}`,
            witnesses: witnesses.map((name) => `${name}:${key}`),
          })),
          { trash: 0 },
        );
      const plans = [await drop("c", ["a", "b"]), await drop("b", ["a"])];
      await Promise.all(plans.map((plan) => applied(world, plan, { concurrency: 4, state: scratch() })));
      expect(harvest(world.root)).toEqual(Object.fromEntries(keys.map((key) => [`a:${key}`, `content of ${key}`])));
    }
  });
});
