import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ApplyEvent, RunReport } from "../src/apply/events.js";
import { openGate } from "../src/apply/gate.js";
import { type Ended, schedule } from "../src/apply/schedule.js";
import type { Backend } from "../src/backend/backend.js";
import type { Window } from "../src/config/config.js";
import { StowageError } from "../src/lib/error.js";
import type { Action, Plan } from "../src/plan/plan.js";
import { type ActionSpec, cleanup, memoryWorld, NOW, planOf, run, type Tree } from "./setup/apply.js";
import { contentsOf, storeOf } from "./setup/store.js";

afterEach(cleanup);

const HOUR = 3_600_000;
const MOVE: ActionSpec = { kind: "move", from: "a:x", to: "b:x", content: "1" };
const COPY: ActionSpec = { ...MOVE, kind: "copy" };
const told = (report: RunReport): string[] =>
  report.outcomes
    .toSorted((p, q) => p.action.localeCompare(q.action, "en", { numeric: true }))
    .map(({ action, outcome, code }) => (code ? `${action} ${outcome} ${code}` : `${action} ${outcome}`));

/** Memory locations that behave like buckets, and a clock that a test can move on. */
async function worldOf(before: Tree, specs: ActionSpec[]) {
  const { state, backends: memories } = memoryWorld(["a", "b", "c"], before);
  const log: string[] = [];
  const rest = new Map<string, number>();
  const backends = new Map<string, Backend>(
    [...memories].map(([name, memory]) => [
      name,
      storeOf(memory, { pausedFor: () => Math.max(0, (rest.get(name) ?? 0) - performance.now()) }, log),
    ]),
  );
  const plan = await planOf(backends, specs);
  return { state, backends, memories, log, plan, rest };
}

/** An outage of a store: until it is over every question is answered with an error, and from the first one on it rests. */
function outage(world: { backends: Map<string, Backend>; rest: Map<string, number> }, name: string, ms: number): void {
  const backend = world.backends.get(name)!;
  let over: number | undefined;
  const ask = (): void => {
    over ??= performance.now() + ms;
    if (performance.now() >= over) return;
    world.rest.set(name, Math.min(over, performance.now() + 30));
    throw new StowageError("UNAVAILABLE", `${name} does not answer`);
  };
  world.backends.set(name, {
    ...backend,
    async stat(key) {
      ask();
      return await backend.stat(key);
    },
    async marker() {
      ask();
      return await backend.marker();
    },
    async *read(key, options) {
      ask();
      yield* backend.read(key, options);
    },
    async write(key, source) {
      ask();
      return await backend.write(key, source);
    },
    async remove(key, options) {
      ask();
      await backend.remove(key, options);
    },
  });
}

const two: Tree = { "a:x": "1", "a:y": "2", "a:z": "3" };

describe("a location that rests", () => {
  it("pauses its own actions while the others go on, and is come back to", async () => {
    const world = await worldOf(two, [
      MOVE,
      { kind: "move", from: "a:y", to: "c:y", content: "2" },
      { kind: "move", from: "a:z", to: "b:z", content: "3" },
    ]);
    outage(world, "b", 200);
    const done: string[] = [];
    const onEvent = (event: ApplyEvent) => {
      if (event.type === "action-done") done.push(event.action.id);
    };
    const report = await run(world, world.plan, { concurrency: 1, onEvent });
    expect(told(report)).toEqual(["a1 moved", "a2 moved", "a3 moved"]);
    expect([report.exit, done[0]]).toEqual([0, "a2"]);
    expect(contentsOf(world.memories)).toEqual({ "b:x": "1", "b:z": "3", "c:y": "2" });
  });

  it("is told to begin each action once, however often it is started", async () => {
    const world = await worldOf(two, [MOVE]);
    outage(world, "b", 100);
    const types: string[] = [];
    await run(world, world.plan, { onEvent: ({ type }) => types.push(type) });
    expect(types.filter((type) => type === "action-start")).toHaveLength(1);
    expect(types.filter((type) => type === "action-done")).toHaveLength(1);
  });

  it("and stays dead ends its actions as unavailable, the rest completes (exit 4)", async () => {
    const world = await worldOf(two, [
      MOVE,
      { kind: "move", from: "a:y", to: "c:y", content: "2" },
      { kind: "move", from: "a:z", to: "b:z", content: "3" },
    ]);
    outage(world, "b", 60_000);
    const report = await run(world, world.plan, { concurrency: 1, patience: 150 });
    expect(told(report)).toEqual(["a1 failed UNAVAILABLE", "a2 moved", "a3 failed UNAVAILABLE"]);
    expect([report.status, report.exit]).toEqual(["incomplete", 4]);
    expect(contentsOf(world.memories)).toEqual({ "a:x": "1", "a:z": "3", "c:y": "2" });
  });

  it("that was given up is not asked again for each of its actions", async () => {
    const world = await worldOf(two, [MOVE, { kind: "move", from: "a:z", to: "b:z", content: "3" }]);
    world.rest.set("b", performance.now() + 60_000);
    let asked = 0;
    const a = world.backends.get("a")!;
    world.backends.set("a", { ...a, stat: (key) => a.stat(key).finally(() => asked++) });
    const report = await run(world, world.plan, { patience: 50 });
    expect(told(report)).toEqual(["a1 failed UNAVAILABLE", "a2 failed UNAVAILABLE"]);
    expect(asked).toBe(0);
  });

  it("S14: is no other location for that: what it was asked in vain does not make it suspect", async () => {
    const world = await worldOf(two, [MOVE]);
    outage(world, "b", 50);
    expect(told(await run(world, world.plan))).toEqual(["a1 moved"]);
  });

  it("is not waited for by a copy that has another source", async () => {
    const world = await worldOf({ "a:x": "1", "c:x": "1" }, [{ ...COPY, witnesses: ["c:x"] }]);
    world.rest.set("a", performance.now() + 60_000);
    const report = await run(world, world.plan);
    expect(told(report)).toEqual(["a1 copied"]);
    expect(world.log).toEqual(["read c:x", "read b:x"]);
  });

  it("I2: is waited for by a removal that needs its copy", async () => {
    const world = await worldOf({ "a:x": "1", "b:x": "1" }, [
      { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] },
    ]);
    world.rest.set("b", performance.now() + 100);
    const report = await run(world, world.plan);
    expect(told(report)).toEqual(["a1 deleted"]);
  });

  it("that stops answering while a witness is read is waited for, too", async () => {
    const world = await worldOf({ "a:x": "1", "b:x": "1" }, [
      { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] },
    ]);
    outage(world, "b", 100);
    expect(told(await run(world, world.plan))).toEqual(["a1 deleted"]);
  });

  it("does not keep a stop waiting", async () => {
    const world = await worldOf(two, [MOVE]);
    world.rest.set("b", performance.now() + 60_000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const report = await run(world, world.plan, { signal: controller.signal });
    expect([report.status, report.remaining]).toEqual(["interrupted", 1]);
  });
});

describe("windows", () => {
  /** NOW is midnight UTC. */
  const NIGHT: Window[] = [{ from: 22 * 60, to: 6 * 60 }];
  const DAY: Window[] = [{ from: 6 * 60, to: 22 * 60 }];

  it("nothing is started outside the window of any location it touches, and the rest is done (exit 4)", async () => {
    const world = await worldOf({ ...two, "b:w": "4", "b:v": "5", "a:v": "5" }, [
      MOVE,
      { kind: "move", from: "a:y", to: "c:y", content: "2" },
      { kind: "copy", from: "b:w", to: "c:w", content: "4" },
      { kind: "verify", from: "b:w", content: "4" },
      { kind: "delete", from: "a:v", content: "5", witnesses: ["b:v"] },
      { kind: "copy", from: "c:y", to: "a:new", content: "2", depends_on: ["a1"] },
    ]);
    const asked: string[] = [];
    const b = world.backends.get("b")!;
    const tidied: string[] = [];
    world.backends.set("b", {
      ...b,
      async tidy(id) {
        tidied.push(id);
      },
      stat: (key) => {
        asked.push(key);
        return b.stat(key);
      },
    });
    const report = await run(world, world.plan, { windows: new Map([["b", DAY]]) });
    expect(told(report)).toEqual(["a2 moved"]);
    expect(report).toMatchObject({
      status: "waiting",
      exit: 4,
      remaining: 5,
      opens: [{ location: "b", at: NOW + 6 * HOUR }],
    });
    expect([asked, tidied, world.log.filter((line) => line.includes("b:"))]).toEqual([[], [], []]);
  });

  it("does not wait for long for a location that does not let itself be tidied up", async () => {
    const world = await worldOf(two, [MOVE]);
    let told: AbortSignal | undefined;
    const tidy = (_: string, signal?: AbortSignal) => {
      told = signal;
      return new Promise<void>(() => undefined);
    };
    world.backends.set("b", { ...world.backends.get("b")!, tidy });
    const started = performance.now();
    expect((await run(world, world.plan)).status).toBe("complete");
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(told?.aborted).toBe(true);
  });

  it("the same plan goes on when it is applied again inside the window", async () => {
    const world = await worldOf(two, [MOVE, { kind: "move", from: "a:y", to: "c:y", content: "2" }]);
    const windows = new Map([["b", DAY]]);
    expect((await run(world, world.plan, { windows })).status).toBe("waiting");
    const report = await run(world, world.plan, { windows, now: () => NOW + 7 * HOUR });
    expect([report.status, told(report)]).toEqual(["complete", ["a1 moved", "a2 moved"]]);
    await expect(run(world, world.plan)).rejects.toMatchObject({ code: "PLAN_APPLIED" });
  });

  it("are in the time zone of the settings", async () => {
    const world = await worldOf(two, [MOVE]);
    const windows = new Map([["b", DAY]]);
    expect((await run(world, world.plan, { windows, timezone: "Asia/Tokyo" })).status).toBe("complete");
  });

  it("what runs when a window closes is finished, and nothing more is started there", async () => {
    const world = await worldOf(two, [
      MOVE,
      { kind: "move", from: "a:z", to: "b:z", content: "3" },
      { kind: "move", from: "a:y", to: "c:y", content: "2" },
    ]);
    let now = NOW;
    const b = world.backends.get("b")!;
    world.backends.set("b", {
      ...b,
      write(key, source) {
        now = NOW + 7 * HOUR;
        return b.write(key, source);
      },
    });
    const report = await run(world, world.plan, { windows: new Map([["b", NIGHT]]), now: () => now, concurrency: 1 });
    expect(told(report)).toEqual(["a1 moved", "a3 moved"]);
    expect(report).toMatchObject({ status: "waiting", remaining: 1, opens: [{ location: "b", at: NOW + 22 * HOUR }] });
    expect(contentsOf(world.memories)).toEqual({ "a:z": "3", "b:x": "1", "c:y": "2" });
  });

  it("what waits is started when a window opens while others run", async () => {
    const world = await worldOf(two, [MOVE, { kind: "move", from: "a:y", to: "c:y", content: "2" }]);
    let now = NOW;
    const c = world.backends.get("c")!;
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    world.backends.set("c", {
      ...c,
      async write(key, source) {
        now = NOW + 7 * HOUR;
        await opened;
        return await c.write(key, source);
      },
    });
    const onEvent = (event: ApplyEvent) => {
      if (event.type === "action-start" && event.action.id === "a1") open();
    };
    const report = await run(world, world.plan, { windows: new Map([["b", DAY]]), now: () => now, onEvent });
    expect([report.status, told(report)]).toEqual(["complete", ["a1 moved", "a2 moved"]]);
  });

  it("a copy reads from another location while the window of the planned one is closed", async () => {
    const world = await worldOf({ "a:x": "1", "c:x": "1" }, [{ ...COPY, witnesses: ["c:x"] }]);
    const report = await run(world, world.plan, { windows: new Map([["a", DAY]]) });
    expect(told(report)).toEqual(["a1 copied"]);
    expect(world.log).toEqual(["read c:x", "read b:x"]);
  });

  it("a location outside its window is not read even when all others fail", async () => {
    const world = await worldOf({ "a:x": "1", "c:x": "1" }, [{ ...COPY, witnesses: ["c:x"] }]);
    world.memories.get("c")?.rot("x", "2");
    const report = await run(world, world.plan, { windows: new Map([["a", DAY]]) });
    expect(told(report)).toEqual(["a1 failed ROT"]);
    expect(world.log).not.toContain("read a:x");
  });

  it("I2: a witness outside its window is not read, also when it is not needed", async () => {
    const tree = { "a:x": "1", "b:x": "1", "c:x": "1" };
    const world = await worldOf(tree, [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x", "c:x"] }]);
    const report = await run(world, world.plan, { windows: new Map([["b", DAY]]) });
    expect(told(report)).toEqual(["a1 deleted"]);
    expect(world.log).not.toContain("read b:x");
  });

  it("a run that is stopped is interrupted, and not waiting", async () => {
    const world = await worldOf(two, [MOVE]);
    const report = await run(world, world.plan, { windows: new Map([["b", DAY]]), signal: AbortSignal.abort() });
    expect([report.status, report.exit]).toEqual(["interrupted", 130]);
  });
});

describe("bandwidth", () => {
  const content = "1".repeat(40_000);
  const timed = async (plan: Plan, world: { state: string; backends: Map<string, Backend> }) => {
    const started = performance.now();
    const report = await run(world, plan, { bandwidth: [{ from: 0, rate: 100_000 }] });
    return { report, ms: performance.now() - started };
  };
  const remote = (plan: Plan, ...names: string[]) => {
    for (const scan of plan.header.scans) if (names.includes(scan.location)) scan.type = "s3";
  };

  it("all that is copied to a location that is not local keeps to one rate", async () => {
    const world = await worldOf({ "a:x": content, "a:y": content, "a:z": content }, [
      { ...COPY, content },
      { kind: "copy", from: "a:y", to: "b:y", content },
      { kind: "copy", from: "a:z", to: "c:z", content },
    ]);
    remote(world.plan, "b", "c");
    for (const name of ["b", "c"]) {
      const features = { ...world.backends.get(name)!.features, readsBack: true };
      world.backends.set(name, { ...world.backends.get(name)!, features });
    }
    const { report, ms } = await timed(world.plan, world);
    expect(report.exit).toBe(0);
    // 120 kB together, of which a quarter of a second's worth may go at once.
    expect(ms).toBeGreaterThan(650);
    expect(ms).toBeLessThan(3_000);
  });

  it("a clock that stands still does not make it ever slower", async () => {
    const big = "1".repeat(150_000);
    const world = await worldOf({ "a:x": big }, [{ ...COPY, content: big }]);
    remote(world.plan, "a");
    const b = world.backends.get("b")!;
    world.backends.set("b", { ...b, features: { ...b.features, readsBack: true } });
    const { ms } = await timed(world.plan, world);
    expect(ms).toBeGreaterThan(900);
    expect(ms).toBeLessThan(2_800);
  });

  it("a copy from one such location to another is counted once, and reading back again", async () => {
    const world = await worldOf({ "a:x": content }, [{ ...COPY, content }]);
    remote(world.plan, "a", "b");
    const { ms } = await timed(world.plan, world);
    expect(ms).toBeGreaterThan(300);
    expect(ms).toBeLessThan(1_000);
  });

  it("does not slow down what stays on local disks", async () => {
    const world = await worldOf({ "a:x": content.repeat(20) }, [{ ...COPY, content: content.repeat(20) }]);
    remote(world.plan, "c");
    expect((await timed(world.plan, world)).ms).toBeLessThan(1_000);
  });

  it("can be broken off", async () => {
    const big = content.repeat(50);
    const world = await worldOf({ "a:x": big }, [{ ...COPY, content: big }]);
    remote(world.plan, "b");
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const report = await run(world, world.plan, {
      bandwidth: [{ from: 0, rate: 10_000 }],
      abort: controller.signal,
    });
    expect(report.status).toBe("interrupted");
  });
});

describe("progress", () => {
  it("is told for copies, for reading back and for verifying, each with its location", async () => {
    const world = await worldOf({ "a:x": "12345", "c:y": "67" }, [
      { ...COPY, content: "12345" },
      { kind: "verify", from: "c:y", content: "67" },
    ]);
    const bytes: string[] = [];
    await run(world, world.plan, {
      concurrency: 1,
      onEvent: (event) => {
        if (event.type === "bytes") bytes.push(`${event.action} ${event.phase} ${event.location} ${event.bytes}`);
      },
    });
    expect(bytes).toEqual(["a1 copy b 5", "a1 verify b 5", "a2 verify c 2"]);
  });
});

describe("schedule", () => {
  const actionOf = (id: string, location: string, depends_on: string[] = []): Action =>
    ({ id, kind: "verify", from: { location, key: id, version: "" }, to: null, witnesses: [], depends_on }) as never;

  it("takes 30,000 actions of a location that rests out of the way of the others, and in order again after it", async () => {
    let resting = true;
    const backends = new Map([["slow", { pausedFor: () => (resting ? 20 : 0) } as Backend]]);
    const gate = openGate({ backends, windows: new Map(), timezone: "UTC", now: () => NOW, patience: 60_000 });
    const actions = Array.from({ length: 30_000 }, (_, index) => actionOf(`s${index}`, "slow"));
    actions.push(actionOf("quick", "fast"));
    const order: string[] = [];
    const started = performance.now();
    const left = await schedule(actions, { concurrency: 4, stopped: () => false, gate }, async ({ id }) => {
      order.push(id);
      if (id === "quick") setTimeout(() => (resting = false), 50);
      return true;
    });
    expect([left.length, order[0], order[1], order.at(-1)]).toEqual([0, "quick", "s0", "s29999"]);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it("actions that hang at a location that rests take no place from those of others", async () => {
    let state: "answers" | "rests" | "answers again" = "answers";
    const backends = new Map([["slow", { pausedFor: () => (state === "rests" ? 20 : 0) } as Backend]]);
    const gate = openGate({ backends, windows: new Map(), timezone: "UTC", now: () => NOW, patience: 60_000 });
    const actions = [actionOf("s1", "slow"), actionOf("s2", "slow"), actionOf("f1", "fast"), actionOf("f2", "fast")];
    const ended: string[] = [];
    await schedule(actions, { concurrency: 2, stopped: () => false, gate }, async ({ id, from }): Promise<Ended> => {
      if (from.location === "slow") {
        await sleep(5);
        if (state === "answers") state = "rests";
        while (state === "rests") await sleep(5);
      }
      ended.push(id);
      if (id === "f2") state = "answers again";
      return true;
    });
    expect(ended.slice(0, 2)).toEqual(["f1", "f2"]);
  });

  it.each([
    { runs: "slow", abandoned: true },
    { runs: "fast", abandoned: false },
  ])("stopped, it abandons what waits for a location that rests, and nothing else ($runs)", async (given) => {
    let stopped = false;
    let end = (): void => undefined;
    const backends = new Map([["slow", { pausedFor: () => 60_000 } as Backend]]);
    const gate = openGate({ backends, windows: new Map(), timezone: "UTC", now: () => NOW, patience: 60_000 });
    // It rests from when the action has begun.
    const heldBy = () => (stopped && given.runs === "slow" ? "slow" : undefined);
    const abandon = vi.fn(() => end());
    const seen = { awake: () => !stopped, heldBy, standing: gate.standing };
    const running = schedule(
      [actionOf("a", given.runs)],
      { concurrency: 2, stopped: () => stopped, abandon, gate: seen },
      () => {
        stopped = true;
        return new Promise((resolve) => {
          end = () => resolve(false);
          setTimeout(end, 1_000);
        });
      },
    );
    await running;
    expect(abandon.mock.calls.length > 0).toBe(given.abandoned);
  });
});
