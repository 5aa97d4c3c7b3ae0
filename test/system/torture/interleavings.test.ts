import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Defect } from "../../interleave/defects.js";
import { type Bounds, type Exploration, explore } from "../../interleave/explore.js";
import { type LockScript, lockWorld } from "../../interleave/lock-world.js";
import { registerWorld } from "../../interleave/register-world.js";
import type { Kind, Script } from "../../interleave/script.js";
import { draw, every, patience, stage, stop, type Turn } from "../../interleave/stage.js";
import { prepare } from "../../interleave/world.js";
import type { ActionSpec } from "../../setup/apply.js";
import { FULL, figure, sized } from "../../support/figures.js";

/** The product's random numbers and pauses are those of the stage. */
const hooks = vi.hoisted(() => ({
  draw: (_size: number): Buffer => Buffer.alloc(0),
  sleep: async (_ms: number): Promise<void> => undefined,
}));
vi.mock("node:crypto", async (original) => ({
  ...(await original<typeof import("node:crypto")>()),
  randomBytes: (size: number) => hooks.draw(size),
  randomUUID: () => hooks.draw(16).toString("hex"),
}));
vi.mock("node:timers/promises", () => ({ setTimeout: (ms: number) => hooks.sleep(ms) }));

/** How often a holder renews its lease by itself. */
let beats = 0;
beforeAll(() => {
  Object.assign(hooks, { draw, sleep: (ms: number) => patience(stage.current, ms) });
  vi.stubGlobal("setImmediate", (body: () => void) => queueMicrotask(body));
  vi.stubGlobal("setInterval", (body: () => void, ms: number) => {
    const turn = beats > 0 ? every(stage.current, body, ms, beats) : undefined;
    return { turn, unref: () => undefined };
  });
  vi.stubGlobal("clearInterval", ({ turn }: { turn?: Turn }) => stop(turn));
});
afterAll(() => vi.unstubAllGlobals());

const tried: Exploration[] = [];
afterEach(() => {
  figure(
    "states of interleavings",
    tried.reduce((sum, { states }) => sum + states, 0),
  );
  figure("interleavings", Number(tried.splice(0).reduce((sum, { interleavings }) => sum + interleavings, 0n)));
});

vi.setConfig({ testTimeout: sized(300_000, 2 * 3600_000) });

/** To the end of all orders: what is more than the limit is an error, not cut off. */
async function all(script: Script, bounds: Partial<Bounds> = {}): Promise<Exploration> {
  const found = await explore(await prepare(script), { limit: 300_000, ...bounds });
  tried.push(found);
  return found;
}

async function allOfLock(script: LockScript, bounds: Partial<Bounds> & { beats?: number }): Promise<Exploration> {
  beats = bounds.beats ?? 0;
  const found = await explore(lockWorld(script), { limit: 1_000_000, ...bounds });
  beats = 0;
  tried.push(found);
  return found;
}

const holds = ({ violation, ends }: Exploration): void => {
  expect(violation).toBeUndefined();
  expect(ends).toBeGreaterThan(0);
};

const drop = (from: string, witnesses: string[], required = 1): ActionSpec => ({
  ...{ kind: "delete", content: "x" },
  ...{ from: `${from}:x`, witnesses: witnesses.map((place) => `${place}:x`), required },
});
const NAMES = ["a", "b", "c", "d", "e"];
const copies = (places: string[]) => Object.fromEntries(places.map((place) => [`${place}:x`, "x"]));

/** Keepers first: so many machines each drop the copy of the next place; those before it vouch. */
function eachItsOwn(kind: Kind, machines: number, { floor = 1, missing = "" } = {}): Script {
  const names = NAMES.slice(0, floor + machines);
  const dropped = names.slice(floor);
  return {
    places: Object.fromEntries(names.map((name) => [name, kind])),
    tree: copies(names.filter((name) => name !== missing)),
    machines: Object.fromEntries(
      dropped.map((name, n) => [`m${n + 1}`, [drop(name, names.slice(0, floor + n).reverse(), floor)]]),
    ),
    floor,
    // With one keeper gone the first of the others has to stay.
    end: copies(names.slice(0, floor + (missing === "" ? 0 : 1)).filter((name) => name !== missing)),
  };
}

const moves = (kind: Kind, machines: string[]): Script => ({
  places: { a: kind, b: kind },
  tree: { "b:x": "x" },
  machines: Object.fromEntries(
    machines.map((name) => [name, [{ kind: "move", from: "b:x", to: "a:x", content: "x" }]]),
  ),
  floor: 1,
  end: { "a:x": "x" },
  restarts: true,
});

/** Plans that contradict each other in what vouches for what, as no two of one configuration do. */
const contradicting = (kind: Kind, names: string[]): Script => ({
  places: Object.fromEntries(names.map((name) => [name, kind])),
  tree: copies(names),
  machines: Object.fromEntries(names.map((name, n) => [`m${n}`, [drop(name, [names[(n + 1) % names.length]!])]])),
  floor: 1,
});

const KINDS: Kind[] = ["directory", "bucket", ...(FULL ? (["versioned bucket"] as const) : [])];

describe.each(KINDS)("appliers that each remove their copy in a %s, in every order of their calls", (kind) => {
  it.each([
    ["two", eachItsOwn(kind, 2)],
    ["two, of which one has seen a keeper that is gone", eachItsOwn(kind, 2, { missing: "a" })],
    ["two, where two copies are required", eachItsOwn(kind, 2, { floor: 2 })],
    ...(FULL || kind === "bucket" ? ([["three", eachItsOwn(kind, 3)]] as [string, Script][]) : []),
    ...(FULL ? ([["three, a keeper gone", eachItsOwn(kind, 3, { missing: "a" })]] as [string, Script][]) : []),
    ...(FULL ? ([["three, two copies required", eachItsOwn(kind, 3, { floor: 2 })]] as [string, Script][]) : []),
  ])("I1, I7: %s never remove the last one, and nothing is left to do in the end", async (_name, script) => {
    holds(await all(script));
  });

  it("I1: one may be killed anywhere and started again", async () => {
    holds(await all({ ...eachItsOwn(kind, 2), restarts: true }, { crashes: FULL ? 2 : 1 }));
  });

  it("I1, I3: two that apply the same move at once move it, though one is killed anywhere", async () => {
    holds(await all(moves(kind, ["m1", "m2"]), { crashes: FULL ? 1 : 0 }));
  });

  it("I2: what a user writes meanwhile is not removed, and does not vouch", async () => {
    const { end: _, ...open } = eachItsOwn(kind, 1);
    holds(await all({ ...open, user: [["a:x", "other"]] }));
    holds(await all({ ...open, user: [["b:x", "other"]] }));
    if (FULL)
      holds(
        await all({
          ...open,
          user: [
            ["a:x", null],
            ["b:x", "other"],
          ],
        }),
      );
  });
});

describe("plans that contradict each other", () => {
  it("lose nothing in directories, where a file is put aside before the last look", async () => {
    holds(await all(contradicting("directory", ["a", "b"])));
    if (FULL) holds(await all(contradicting("directory", ["a", "b", "c"])));
  });

  it("I2: lose the last copy in buckets: that is what the one fixed order of the keepers is for", async () => {
    const { violation } = await all(contradicting("bucket", ["a", "b"]));
    expect(String(violation?.error)).toContain('I1: "x" is left in no place');
    const three = await all(contradicting("bucket", ["a", "b", "c"]));
    expect(String(three.violation?.error)).toContain("I1");
  });
});

describe("the register of a bucket, in every order of its requests", () => {
  it.each(
    FULL ? [2, 3] : [2],
  )("I6: of %i who write over one token exactly one succeeds, and what is read was written so", async (writers) => {
    const found = await explore(registerWorld(writers, writers === 2 ? 2 : 1), { limit: 300_000 });
    tried.push(found);
    holds(found);
  });
});

describe("the lock, in every order of the calls of all machines and however late each of them is", () => {
  it("numbers its holders, and one whose lease is over removes nothing that it had not let go of before", async () => {
    holds(await allOfLock({ removals: [1, 0], looks: 1 }, { timed: { step: 2.5 } }));
  });

  it("the same with finer time", async ({ skip }) => {
    skip(!FULL, "tried at full size only: npm run torture");
    holds(await allOfLock({ removals: [1, 0], looks: 1 }, { timed: { step: 1 } }));
  });

  it("the same with heartbeats", async ({ skip }) => {
    skip(!FULL, "tried at full size only: npm run torture");
    holds(await allOfLock({ removals: [1, 0], looks: 1 }, { timed: { step: 2.5 }, beats: 1 }));
  });

  it("the same where both remove", async ({ skip }) => {
    skip(!FULL, "tried at full size only: npm run torture");
    holds(await allOfLock({ removals: [1, 1], looks: 1 }, { timed: { step: 5 } }));
  });

  it("the same with three machines", async ({ skip }) => {
    skip(!FULL, "tried at full size only: npm run torture");
    holds(await allOfLock({ removals: [0, 0, 0], looks: 1 }, { timed: { step: 5 } }));
  });
});

describe("each planted defect is found", () => {
  const user = (kind: Kind, address: string, defect: Defect): Script => {
    const { end: _, ...script } = eachItsOwn(kind, 1);
    return { ...script, user: [[address, "other"]], defect };
  };
  it.each<[Defect, Script]>([
    ["no last look", user("directory", "a:x", "no last look")],
    ["no last look", user("bucket", "a:x", "no last look")],
    ["unconditional removal", user("bucket", "b:x", "unconditional removal")],
  ])("%s", async (_defect, script) => {
    expect((await all(script)).violation).toBeDefined();
  });

  it.each<Defect>(["takeover without standstill", "lease trusted"])("%s", async (defect) => {
    const { violation } = await allOfLock({ removals: [1, 0], looks: 1, defect }, { timed: { step: 2.5 } });
    expect(violation).toBeDefined();
  });
});
