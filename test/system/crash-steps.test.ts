import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { gc } from "../../src/apply/gc.js";
import { unlock } from "../../src/apply/lock.js";
import type { Backend } from "../../src/backend/backend.js";
import { localBackend } from "../../src/backend/local.js";
import type { Plan } from "../../src/plan/plan.js";
import { cleanup, harvest, NOW, planOf, run, trashed, type World } from "../setup/apply.js";
import { NAMES, scenarios, worldOf } from "../setup/crash.js";
import { bucketOf, bucketWorld, held, inTrash, ownOf } from "../setup/store.js";

afterEach(cleanup);

/** What frozen applies wait for: kept, or else they and the files that they hold open would be collected. */
const frozen: Promise<unknown>[] = [];

type Locations = { state: string; backends: ReadonlyMap<string, Backend> };

/**
 * Applies up to step `n` and then freezes for good: no handler, no `finally` runs, as after kill -9. crash.test.ts
 * does the same with real processes, at fewer steps.
 * @returns false when the apply has fewer steps
 */
async function applyUntil(
  state: string,
  plan: Plan,
  n: number,
  open: (name: string, step: () => void | Promise<void>) => Backend,
): Promise<boolean> {
  let steps = 0;
  let freeze: (value: "frozen") => void = () => undefined;
  const stopped = new Promise<"frozen">((resolve) => {
    freeze = resolve;
  });
  const step = (): void | Promise<void> => {
    if (++steps !== n) return undefined;
    freeze("frozen");
    const never = new Promise<void>(() => undefined);
    frozen.push(never);
    return never;
  };
  const world: Locations = { state, backends: new Map(NAMES.map((name) => [name, open(name, step)])) };
  const applying = run(world, plan, { concurrency: 1 });
  const end = await Promise.race([applying, stopped]);
  if (end === "frozen") return true;
  expect(end.exit).toBe(0);
  return false;
}

const onDisk =
  ({ root }: World) =>
  (name: string, step: () => void | Promise<void>): Backend =>
    localBackend(name, join(root, name), { step });

describe("stopped dead at every step", () => {
  it.each(scenarios)("loses nothing, and applying again ends in the same tree: $name", async (scenario) => {
    const mayGo = new Set(scenario.mayGo);
    for (let n = 1; ; n++) {
      const { world, plan } = await worldOf(scenario);
      if (!(await applyUntil(world.state, plan, n, onDisk(world)))) {
        expect(n).toBeGreaterThan(8);
        break;
      }
      const left = Object.values(harvest(world.root));
      for (const text of Object.values(scenario.before)) {
        expect(mayGo.has(text) ? [...left, ...trashed(world.root)] : left, `stopped at ${n}`).toContain(text);
      }
      await unlock(world.state, { force: true });
      const again = await run(world, plan);
      expect({ exit: again.exit, outcomes: again.exit === 0 ? [] : again.outcomes }, `stopped at ${n}`).toEqual({
        exit: 0,
        outcomes: [],
      });
      expect(harvest(world.root), `stopped at ${n}`).toEqual(scenario.after);
      expect(trashed(world.root), `stopped at ${n}`).toEqual(expect.arrayContaining(scenario.trash));
      await gc(world.backends, { state: world.state, trash: 0, now: NOW });
      const own = Object.keys(harvest(world.root, { own: true })).filter((key) => key.includes(":.stowage-t"));
      expect(own, `stopped at ${n}`).toEqual([]);
    }
  });
});

const inBuckets = scenarios.filter(({ links }) => !links);

/** So large that it goes in parts. */
const BIG = "12345678".repeat((9 << 20) / 8);

describe("stopped dead in the middle of an upload in parts", () => {
  it("loses nothing, applying again ends the same, and gc ends the upload", async () => {
    let begun = 0;
    for (let n = 1; ; n++) {
      const world = await bucketWorld(NAMES, { "a:big": BIG }, { copies: false, partsAbove: 1 << 20 });
      const plan = await planOf(world.backends, [{ kind: "move", from: "a:big", to: "b:big", content: BIG }]);
      const only = (step: () => void | Promise<void>) => (what: string) =>
        /big|\.upload/.test(what) ? step() : undefined;
      const open = (name: string, step: () => void | Promise<void>) =>
        bucketOf(name, world.stores.get(name)!, only(step));
      if (!(await applyUntil(world.state, plan, n, open))) break;
      begun += world.stores.get("b")?.uploads.size ?? 0;
      expect([held(world)["a:big"], held(world)["b:big"]], `stopped at ${n}`).toContain(BIG);
      await unlock(world.state, { force: true });
      expect((await run(world, plan)).exit, `stopped at ${n}`).toBe(0);
      expect(Object.keys(held(world)), `stopped at ${n}`).toEqual(["b:big"]);
      await gc(world.backends, { state: world.state, trash: 0, now: Date.now() + LATER });
      expect(ownOf(world), `stopped at ${n}`).toEqual({});
      expect([...world.stores.get("b")!.uploads], `stopped at ${n}`).toEqual([]);
    }
    expect(begun).toBeGreaterThan(0);
  });
});

/** Nothing of a run is younger than this when it is cleaned up. */
const LATER = 8 * 86_400_000;

describe.each([
  { kind: "that copy by themselves", traits: {} },
  {
    kind: "with versions, where every byte goes through stowage",
    traits: { versioned: true, copies: false },
  },
])("stopped dead at every request to buckets $kind", ({ traits }) => {
  it.each(inBuckets)("loses nothing, and applying again ends the same: $name", async (scenario) => {
    const mayGo = new Set(scenario.mayGo);
    for (let n = 1; ; n++) {
      const world = await bucketWorld(NAMES, scenario.before, traits);
      const plan = await planOf(world.backends, scenario.actions);
      const frozenAt = await applyUntil(world.state, plan, n, (name, step) =>
        bucketOf(name, world.stores.get(name)!, step),
      );
      if (!frozenAt) {
        expect(n).toBeGreaterThan(8);
        break;
      }
      const left = Object.values(held(world));
      for (const text of Object.values(scenario.before)) {
        expect(mayGo.has(text) ? [...left, ...inTrash(world)] : left, `stopped at ${n}`).toContain(text);
      }
      await unlock(world.state, { force: true });
      const again = await run(world, plan);
      expect({ exit: again.exit, outcomes: again.exit === 0 ? [] : again.outcomes }, `stopped at ${n}`).toEqual({
        exit: 0,
        outcomes: [],
      });
      expect(held(world), `stopped at ${n}`).toEqual(scenario.after);
      expect(inTrash(world), `stopped at ${n}`).toEqual(expect.arrayContaining(scenario.trash));
      const swept = await gc(world.backends, { state: world.state, trash: 0, now: Date.now() + LATER });
      expect(swept.problems).toEqual([]);
      expect(ownOf(world), `stopped at ${n}`).toEqual({});
      for (const { uploads } of world.stores.values()) expect([...uploads], `stopped at ${n}`).toEqual([]);
    }
  });
});
