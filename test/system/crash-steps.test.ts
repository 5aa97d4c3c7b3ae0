import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { gc } from "../../src/apply/gc.js";
import { unlock } from "../../src/apply/lock.js";
import type { Backend } from "../../src/backend/backend.js";
import { localBackend } from "../../src/backend/local.js";
import type { Plan } from "../../src/plan/plan.js";
import { cleanup, harvest, NOW, run, trashed, type World } from "../setup/apply.js";
import { NAMES, scenarios, worldOf } from "../setup/crash.js";

afterEach(cleanup);

/** What frozen applies wait for: kept, or else they and the files that they hold open would be collected. */
const frozen: Promise<unknown>[] = [];

/**
 * Applies up to step `n` and then freezes for good: no handler, no `finally` runs, as after kill -9. crash.test.ts
 * does the same with real processes, at fewer steps.
 * @returns false when the apply has fewer steps
 */
async function applyUntil(world: World, plan: Plan, n: number): Promise<boolean> {
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
  const backends = new Map<string, Backend>(
    NAMES.map((name) => [name, localBackend(name, join(world.root, name), { step })]),
  );
  const applying = run({ ...world, backends }, plan, { concurrency: 1 });
  const end = await Promise.race([applying, stopped]);
  if (end === "frozen") return true;
  expect(end.exit).toBe(0);
  return false;
}

describe("stopped dead at every step", () => {
  it.each(scenarios)("loses nothing, and applying again ends in the same tree: $name", async (scenario) => {
    const mayGo = new Set(scenario.mayGo);
    for (let n = 1; ; n++) {
      const { world, plan } = await worldOf(scenario);
      if (!(await applyUntil(world, plan, n))) {
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
