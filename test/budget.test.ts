import { afterEach, describe, expect, it } from "vitest";
import type { BudgetOptions } from "../src/apply/budget.js";
import type { ApplyEvent, RunReport } from "../src/apply/events.js";
import { runSummary } from "../src/report/run.js";
import { type ActionSpec, cleanup, memoryWorld, NOW, planOf, run, type Tree } from "./setup/apply.js";
import { contentsOf } from "./setup/store.js";

afterEach(cleanup);

/** Files of ten bytes each, and a copy of each. */
const before: Tree = Object.fromEntries(
  Array.from({ length: 6 }, (_, index) => [`a:${index}`, `content-${index}${"."}`]),
);
const copies: ActionSpec[] = Object.entries(before).map(([from, content]) => ({
  kind: "copy",
  from,
  to: from.replace("a:", "b:"),
  content,
}));
const moves = copies.map((copy): ActionSpec => ({ ...copy, kind: "move" }));

async function worldOf(specs: ActionSpec[]) {
  const world = memoryWorld(["a", "b"], before);
  const plan = await planOf(world.backends, specs);
  const arrived = () => Object.keys(contentsOf(world.backends)).filter((address) => address.startsWith("b:")).length;
  return { ...world, plan, arrived };
}

describe("a budget", () => {
  it.each<{ budget: BudgetOptions; done: number; concurrency?: number }>([
    { budget: { actions: 2 }, done: 2 },
    { budget: { actions: 2 }, done: 2, concurrency: 1 },
    { budget: { bytes: 30 }, done: 3 },
    { budget: { bytes: 39 }, done: 3, concurrency: 1 },
    { budget: { bytes: 29, actions: 5 }, done: 2 },
  ])("$budget lets $done of six be done, says what is left and leaves the plan open", async ({
    budget,
    done,
    ...more
  }) => {
    const world = await worldOf(copies);
    const events: ApplyEvent[] = [];
    const report = await run(world, world.plan, { budget, ...more, onEvent: (event) => void events.push(event) });
    expect(report).toMatchObject({
      status: "budget",
      exit: 8,
      copied: done,
      remaining: 6 - done,
      remaining_bytes: (6 - done) * 10,
    });
    expect(world.arrived()).toBe(done);
    const limit = budget.actions === done ? "actions" : "bytes";
    expect(report.budget).toEqual({ limit, next_bytes: 10, fits: true });
    expect(events.filter(({ type }) => type === "budget")).toEqual([{ type: "budget", limit }]);
    expect(runSummary(report)).toBe(
      `Apply stopped by --max-${limit}. ${done} copied, 0 moved, 0 deleted, 0 verified, 0 failed, ${6 - done} not started (${(6 - done) * 10} B). Run it again to go on.`,
    );
  });

  it.each([
    copies,
    moves,
  ])("is a piece of the way: run again and again it comes to the end, and then the plan is applied", async (...specs) => {
    const world = await worldOf(specs);
    const reports: RunReport[] = [];
    for (let round = 0; round < 10 && reports.at(-1)?.status !== "complete"; round++) {
      reports.push(await run(world, world.plan, { budget: { actions: 2 } }));
    }
    expect(reports.map(({ status }) => status)).toEqual(["budget", "budget", "complete"]);
    expect(world.arrived()).toBe(6);
    await expect(run(world, world.plan)).rejects.toMatchObject({ code: "PLAN_APPLIED" });
  });

  it("of time starts nothing more once it is over, finishes what runs, and gets on each time", async () => {
    const world = await worldOf(copies);
    const statuses: string[] = [];
    const arrived: number[] = [];
    for (let round = 0; round < 8 && statuses.at(-1) !== "complete"; round++) {
      let time = 0;
      const report = await run(world, world.plan, {
        concurrency: 1,
        budget: { duration: 20, elapsed: () => time },
        onEvent: (event) => {
          if (event.type === "action-done") time += 10;
        },
      });
      statuses.push(report.status);
      arrived.push(world.arrived());
    }
    // What was done is looked at again last of all, and not missed when there is no time for it.
    expect(statuses).toEqual(["budget", "budget", "complete"]);
    expect(arrived).toEqual([2, 4, 6]);
  });

  it("of time that is up while the last file is copied leaves nothing undone", async () => {
    const world = await worldOf(copies.slice(0, 1));
    let time = 0;
    const report = await run(world, world.plan, {
      budget: { duration: 20, elapsed: () => time },
      onEvent: (event) => {
        if (event.type === "action-start") time += 30;
      },
    });
    expect(report).toMatchObject({ status: "complete", exit: 0, copied: 1, remaining: 0 });
  });

  it("that the next file alone goes over says so, and does not ask to be run again", async () => {
    const world = await worldOf(copies);
    const report = await run(world, world.plan, { budget: { bytes: 9 } });
    expect(report).toMatchObject({ status: "budget", exit: 8, copied: 0, remaining: 6, budget: { fits: false } });
    expect(runSummary(report)).toMatch(/The next file takes 10 B: raise --max-bytes to go on\.$/);
  });

  it("is not taken by what is there already", async () => {
    const world = await worldOf(copies);
    for (const [address, content] of Object.entries(before)) {
      if (address < "a:4") world.backends.get("b")?.put(address.slice(2), content);
    }
    const plan = { ...world.plan, actions: world.plan.actions };
    expect(await run(world, plan, { budget: { bytes: 20 } })).toMatchObject({ status: "complete", bytes: 20 });
  });

  it("that is enough changes nothing", async () => {
    const world = await worldOf(moves);
    expect(await run(world, world.plan, { budget: { bytes: 60, actions: 6, duration: 60_000 } })).toMatchObject({
      status: "complete",
      exit: 0,
      moved: 6,
    });
  });

  it("counts a failure as an action, and tells damage before anything else", async () => {
    const world = await worldOf([{ kind: "verify", from: "a:0", content: "content-0." }, ...copies.slice(1)]);
    world.backends.get("a")?.rot("0", "content-X.");
    const report = await run(world, world.plan, { concurrency: 1, budget: { actions: 1 } });
    expect(report).toMatchObject({ status: "budget", exit: 6, failed: 1, remaining: 5 });
  });

  it("what depends on what was not started waits for the next run, not skipped", async () => {
    const specs = [copies[0]!, { ...moves[1]!, depends_on: ["a1"] }, { ...moves[2]!, depends_on: ["a2"] }];
    const world = await worldOf(specs);
    expect(await run(world, world.plan, { budget: { actions: 1 } })).toMatchObject({
      copied: 1,
      skipped: 0,
      remaining: 2,
    });
    expect(await run(world, world.plan, { budget: { actions: 1 } })).toMatchObject({
      moved: 1,
      skipped: 0,
      remaining: 1,
    });
    expect(await run(world, world.plan, { now: () => NOW + 1000 })).toMatchObject({ status: "complete", skipped: 0 });
  });
});
