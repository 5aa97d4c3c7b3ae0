import { afterEach, describe, expect, it } from "vitest";
import type { RunReport } from "../src/apply/events.js";
import { gc } from "../src/apply/gc.js";
import type { Backend, Leftover } from "../src/backend/backend.js";
import { bucketBackend } from "../src/backend/bucket.js";
import { unavailable } from "../src/backend/requests.js";
import type { ObjectStore } from "../src/backend/store.js";
import { StowageError } from "../src/lib/error.js";
import { memoryStore, STORE_DEFECTS, straight } from "../src/testing/memory-store.js";
import { type ActionSpec, cleanup, memoryWorld, NOW, planOf, run, scratch, uuidOf } from "./setup/apply.js";
import { bucketOf, bucketWorld, held, inTrash } from "./setup/store.js";

afterEach(cleanup);

const MOVE: ActionSpec = { kind: "move", from: "a:x", to: "b:x", content: "one" };
const DELETE: ActionSpec = { kind: "delete", from: "a:y", content: "two", witnesses: ["b:y"] };
const BEFORE = { "a:x": "one", "a:y": "two", "b:y": "two" };
const told = (report: RunReport): string[] =>
  report.outcomes
    .toSorted((p, q) => p.action.localeCompare(q.action))
    .map(({ outcome, code }) => (code ? `${outcome} ${code}` : outcome));

/** Buckets, some of which have become what they are after the plan was made. */
async function spoiled(defects: Record<string, readonly (typeof STORE_DEFECTS)[number][]>, specs: ActionSpec[]) {
  const world = await bucketWorld(["a", "b"], BEFORE);
  const plan = await planOf(world.backends, specs);
  for (const [name, each] of Object.entries(defects)) {
    const worse = memoryStore({ defects: each });
    const store = world.stores.get(name)!;
    for (const [key, { bytes, metadata }] of store.objects) worse.overwrite(key, bytes, metadata);
    world.stores.set(name, worse);
    world.backends.set(name, bucketOf(name, worse));
  }
  return { world, plan };
}

describe("apply on buckets", () => {
  it("moves, deletes into the trash, and keeps what the plan says", async () => {
    const { world, plan } = await spoiled({}, [MOVE, DELETE]);
    const report = await run(world, plan);
    expect([told(report), report.exit]).toEqual([["moved", "deleted"], 0]);
    expect(held(world)).toEqual({ "b:x": "one", "b:y": "two" });
    expect(inTrash(world)).toEqual(["two"]);
  });

  it.each([
    { lost: "put x", at: "b" },
    { lost: "copy x", at: "b" },
    { lost: "remove x", at: "a" },
    { lost: "remove y", at: "a" },
    { lost: ".stowage-trash", at: "a" },
  ])("I6: the answer to `$lost` is lost, and what became of it is found out by looking", async ({ lost, at }) => {
    const world = await bucketWorld(["a", "b"], BEFORE);
    const plan = await planOf(world.backends, [MOVE, DELETE]);
    let count = 0;
    const step = (what: string): void => {
      if (!what.startsWith("after") || !what.includes(lost)) return;
      count += 1;
      throw unavailable("the answer was lost");
    };
    world.backends.set(at, bucketOf(at, world.stores.get(at)!, step));
    if (lost.startsWith("copy")) for (const backend of world.backends.values()) await backend.probe?.();
    const report = await run(world, plan);
    expect([told(report), count > 0]).toEqual([["moved", "deleted"], true]);
    expect(held(world)).toEqual({ "b:x": "one", "b:y": "two" });
    expect(inTrash(world)).toEqual(["two"]);
  });

  it("S1: a source that does not hold what its metadata claims is no rot, and another one is read", async () => {
    const world = await bucketWorld(["a", "b", "c"], { "a:x": "one", "c:z": "one" });
    const plan = await planOf(world.backends, [
      { kind: "copy", from: "a:x", to: "b:x", content: "one", witnesses: ["c:z"] },
    ]);
    for (const { from } of plan.actions) from.claimed = true;
    world.stores.get("a")!.objects.get("x")!.bytes = Buffer.from("two");
    const report = await run(world, plan);
    expect([told(report), report.exit]).toEqual([["copied"], 0]);
    expect(report.outcomes).toMatchObject([{ rot: [], disproved: [{ location: "a", key: "x" }] }]);
    expect(held(world)["b:x"]).toBe("one");
  });

  it("I6: a removal that is done long after it was given up leaves the copy in the trash", async () => {
    const world = await bucketWorld(["a", "b"], BEFORE);
    const plan = await planOf(world.backends, [DELETE]);
    const store = world.stores.get("a")!;
    const late: (() => void)[] = [];
    const step = (what: string): void => {
      if (what !== "before remove y") return;
      late.push(() => void store.objects.delete("y"));
      throw unavailable("it gave no sign of life");
    };
    world.backends.set("a", bucketOf("a", store, step));
    expect(told(await run(world, plan))).toEqual(["failed UNAVAILABLE"]);
    for (const effect of late) effect();
    expect(late).toHaveLength(1);
    expect(held(world)["a:y"]).toBeUndefined();
    expect(inTrash(world)).toEqual(["two"]);
  });

  it.each([
    "ignores the condition of a removal",
    "ignores create-only",
    "lists late",
  ] as const)("I5: removes nothing from a store that %s; copies are made (exit 4)", async (defect) => {
    const { world, plan } = await spoiled({ a: [defect] }, [MOVE, DELETE]);
    const report = await run(world, plan);
    expect([told(report), report.exit]).toEqual([["skipped APPEND_ONLY", "skipped APPEND_ONLY"], 4]);
    expect(held(world)).toEqual({ ...BEFORE, "b:x": "one" });
    expect(inTrash(world)).toEqual([]);
  });

  it("I4: what a store keeps otherwise than it was sent never lets a source go", async () => {
    const { world, plan } = await spoiled({ b: ["stores other bytes", "does not check checksums"] }, [MOVE]);
    const report = await run(world, plan);
    expect(told(report)).toEqual(["failed READ_BACK"]);
    expect(report.present).toEqual([]);
    expect(held(world)["a:x"]).toBe("one");
  });

  it.each(STORE_DEFECTS)("I1: loses no content where the store %s", async (defect) => {
    for (const where of ["a", "b"]) {
      const { world, plan } = await spoiled({ [where]: [defect] }, [MOVE, DELETE]);
      for (let round = 0; round < 2; round++) {
        await run({ ...world, state: `${world.state}${round}` }, plan);
        const left = Object.values(held(world));
        for (const text of Object.values(BEFORE)) expect(left).toContain(text);
      }
    }
  });

  it("S14: two prefixes of one bucket, one inside the other, never vouch for each other", async () => {
    const store = memoryStore({ address: "memory://one" });
    const open = (name: string, prefix: string): Backend =>
      bucketBackend(name, prefix, store, straight, { allowUnconditionalDelete: false });
    const backends = new Map([
      ["a", open("a", "p/")],
      ["b", open("b", "p/in/")],
      ["c", open("c", "p/inner/")],
    ]);
    for (const [name, backend] of backends) await backend.writeMarker(uuidOf(name));
    for (const name of ["p/in/x", "p/inner/z"]) store.overwrite(name, Buffer.from("one"));
    const plan = await planOf(backends, [
      { kind: "delete", from: "a:in/x", content: "one", witnesses: ["b:x"] },
      { kind: "verify", from: "c:z", content: "one" },
    ]);
    const report = await run({ state: scratch(), backends }, plan);
    expect(told(report)).toEqual(["skipped LOCATION_SUSPECT", "skipped LOCATION_SUSPECT"]);
    expect(report.outcomes[0]?.message).toContain("one inside the other");
    expect(store.objects.has("p/in/x")).toBe(true);
  });

  it.each([
    { name: "by two addresses", late: false },
    { name: "by two addresses, one of which answers late", late: true },
  ])("S14: prefixes of one bucket that is reached $name never vouch for each other", async ({ late }) => {
    const store = memoryStore();
    const alias = { ...store, address: "memory://another-name" };
    let down = false;
    const slow: typeof store.head = async (name, signal) => {
      if (down) throw unavailable("it does not answer yet");
      return await store.head(name, signal);
    };
    const open = (name: string, prefix: string, of: ObjectStore): Backend =>
      bucketBackend(name, prefix, of, straight, { allowUnconditionalDelete: false });
    const backends = new Map([
      ["a", open("a", "p/", { ...store, head: slow })],
      ["b", open("b", "p/in/", alias)],
      ["c", open("c", "", memoryStore())],
    ]);
    for (const [name, backend] of backends) await backend.writeMarker(uuidOf(name));
    store.overwrite("p/in/x", Buffer.from("one"));
    const plan = await planOf(backends, [
      { kind: "delete", from: "b:x", content: "one", witnesses: ["a:in/x"] },
      { kind: "delete", from: "a:in/x", content: "one", witnesses: ["b:x"] },
    ]);
    down = late;
    const onEvent = ({ type }: { type: string }): void => {
      if (type === "run-start") down = false;
    };
    const report = await run({ state: scratch(), backends }, plan, { onEvent });
    expect(report.outcomes.map(({ outcome }) => outcome)).toEqual(["skipped", "skipped"]);
    for (const { message } of report.outcomes) expect(message).toContain("one inside the other");
    expect(store.objects.has("p/in/x")).toBe(true);
  });

  it("S14: neighbouring prefixes of one bucket are two locations", async () => {
    const store = memoryStore();
    const open = (name: string, prefix: string): Backend =>
      bucketBackend(name, prefix, store, straight, { allowUnconditionalDelete: false });
    const backends = new Map([
      ["a", open("a", "in/")],
      ["b", open("b", "inner/")],
    ]);
    for (const [name, backend] of backends) await backend.writeMarker(uuidOf(name));
    store.overwrite("in/x", Buffer.from("one"));
    const plan = await planOf(backends, [MOVE]);
    expect(told(await run({ state: scratch(), backends }, plan))).toEqual(["moved"]);
  });
});

it("I6: an apply takes the name back that a killed run held for an upload in parts", async () => {
  const world = await bucketWorld(["a", "b"], BEFORE);
  const { run: killed } = await run(world, await planOf(world.backends, [DELETE]));
  const plan = await planOf(world.backends, [MOVE]);
  const store = world.stores.get("b")!;
  store.overwrite("x", Buffer.alloc(0), { "stowage-upload": "mark" });
  const record = { name: "x", id: "upload-1", upload: "mark", size: 3 };
  store.overwrite(`.stowage-tmp/${killed}/mark.0.upload`, Buffer.from(JSON.stringify(record)));
  expect(told(await run(world, plan))).toEqual(["moved"]);
  expect(held(world)["b:x"]).toBe("one");
  expect([...store.objects.keys()].filter((name) => name.startsWith(".stowage-tmp"))).toEqual([]);
});

describe("gc on buckets", () => {
  const DAY = 86_400_000;
  const leftover = (more: Partial<Leftover>): Leftover => ({
    kind: "temporary",
    key: "x",
    run: "theirs",
    size: 1,
    since: NOW,
    handle: `${more.kind}/${more.run}/${more.since}`,
    ...more,
  });
  /** A location with these leftovers, as a bucket has them. */
  const withLeftovers = (leftovers: Leftover[], purge: Backend["purge"] = async () => undefined) => {
    const { state, backends } = memoryWorld(["a"], {});
    const backend: Backend = {
      ...backends.get("a")!,
      async *leftovers() {
        yield* leftovers;
      },
      purge,
    };
    return { state, backends: new Map([["a", backend]]) };
  };

  it("leaves the uploads of other runs alone for a week: a large one can take days", async () => {
    const all = [leftover({ since: NOW - 8 * DAY }), leftover({ since: NOW - 6 * DAY })];
    const { state, backends } = withLeftovers(all);
    const report = await gc(backends, { state, trash: 30 * DAY, now: NOW });
    expect(report.purged.map(({ since }) => since)).toEqual([NOW - 8 * DAY]);
    expect(report.kept).toEqual([{ location: "a", files: 1, bytes: 1 }]);
  });

  it("ends the uploads of own runs at once: no run is live while it has the lock", async () => {
    const world = await bucketWorld(["a", "b"], BEFORE);
    const { run: id } = await run(world, await planOf(world.backends, [MOVE]));
    const { backends } = withLeftovers([leftover({ run: id, since: NOW })]);
    expect((await gc(backends, { state: world.state, trash: 30 * DAY, now: NOW })).purged).toHaveLength(1);
  });

  it("with no trash to keep, a store's clock that is ahead keeps nothing", async () => {
    const world = await bucketWorld(["a", "b"], BEFORE);
    const { run: id } = await run(world, await planOf(world.backends, [DELETE]));
    const { backends } = withLeftovers([leftover({ kind: "trash", run: id, since: NOW + 5_000 })]);
    expect((await gc(backends, { state: world.state, trash: 0, now: NOW })).purged).toHaveLength(1);
  });

  it("says once for a location that it lets nothing go, and goes on with the rest", async () => {
    const all = [1, 2, 3].map((n) => leftover({ kind: "trash", since: NOW - 40 * DAY - n }));
    const asked: string[] = [];
    const { state, backends } = withLeftovers([...all, leftover({ since: NOW - 30 * DAY })], async ({ kind }) => {
      asked.push(kind);
      if (kind === "trash") throw new StowageError("APPEND_ONLY", "a: nothing is removed here");
    });
    const report = await gc(backends, { state, trash: 30 * DAY, now: NOW });
    expect(report.problems).toEqual([{ location: "a", code: "APPEND_ONLY", message: "nothing is removed here" }]);
    expect(asked).toEqual(["trash", "temporary"]);
    expect(report.purged.map(({ kind }) => kind)).toEqual(["temporary"]);
    expect(report.kept).toEqual([{ location: "a", files: 3, bytes: 3 }]);
  });

  it.each([
    { code: "ACCESS_DENIED", purged: 2, asked: 3 },
    { code: "UNAVAILABLE", purged: 1, asked: 2 },
  ])("S10: says of what the store keeps ($code) why, and sweeps on where it answers", async ({ code, ...expected }) => {
    const all = [1, 2, 3].map((n) => leftover({ kind: "trash", key: `${n}`, since: NOW - 40 * DAY }));
    let asked = 0;
    const { state, backends } = withLeftovers(all, async ({ key }) => {
      asked++;
      if (key === "2") throw new StowageError(code, "a: 2 is under retention");
    });
    const report = await gc(backends, { state, trash: 30 * DAY, now: NOW });
    expect(report.problems).toEqual([{ location: "a", code, message: "2 is under retention" }]);
    expect({ purged: report.purged.length, asked }).toEqual(expected);
  });

  it("deletes trash past its time, by the age that the store gives it, and nothing younger", async () => {
    const world = await bucketWorld(["a", "b"], BEFORE);
    await run(world, await planOf(world.backends, [DELETE]));
    const options = { state: world.state, trash: 30 * DAY };
    expect((await gc(world.backends, { ...options, now: Date.now() + 29 * DAY })).purged).toEqual([]);
    expect(inTrash(world)).toEqual(["two"]);
    const report = await gc(world.backends, { ...options, now: Date.now() + 31 * DAY });
    expect(report.purged).toMatchObject([{ location: "a", kind: "trash", key: "y" }]);
    expect(inTrash(world)).toEqual([]);
    expect(held(world)).toEqual({ "a:x": "one", "b:y": "two" });
  });
});
