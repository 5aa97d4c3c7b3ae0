import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { ApplyEvent } from "../src/apply/events.js";
import type { Backend, WriteSource } from "../src/backend/backend.js";
import { localBackend } from "../src/backend/local.js";
import { StowageError } from "../src/lib/error.js";
import { type Fault, failing } from "../src/testing/index.js";
import {
  type ActionSpec,
  cleanup,
  harvest,
  localWorld,
  memoryWorld,
  mtimeOf,
  NOW,
  planOf,
  run,
  told,
  trashed,
  uuidOf,
  type World,
  withBackend,
} from "./setup/apply.js";

afterEach(cleanup);

const MOVE = { kind: "move", from: "a:x", to: "b:x", content: "1" } as const;
/** From so many actions on, small files are sent to a free name without a look at it before. */
const MANY = 32;

/** Other copies of a plan, from a to c. */
function among(others: number): { tree: Record<string, string>; copies: ActionSpec[] } {
  const names = Array.from({ length: others }, (_, index) => `others/${index}`);
  return {
    tree: Object.fromEntries(names.map((name) => [`a:${name}`, name])),
    copies: names.map((name) => ({ kind: "copy", from: `a:${name}`, to: `c:${name}`, content: name })),
  };
}

describe("S14: a location that is not what the plan was made for is not touched", () => {
  const spoil: Record<string, (world: World) => void | Promise<void>> = {
    "its marker is missing (an empty mount point)": ({ root }) => rmSync(join(root, "b/.stowage-location")),
    "it is emptied": ({ root }) => {
      rmSync(join(root, "b"), { recursive: true });
      mkdirSync(join(root, "b"));
    },
    "its root is gone": ({ root }) => rmSync(join(root, "b"), { recursive: true }),
    "another disk is mounted there": async ({ root }) =>
      await localBackend("b", join(root, "b")).writeMarker(uuidOf("other"), { replace: true }),
    "its marker is garbage": ({ root }) => writeFileSync(join(root, "b/.stowage-location"), "\u0000\u0001garbage"),
  };
  it.each(Object.keys(spoil))("when %s; the other locations go on", async (name) => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "a:y": "2" });
    const plan = await planOf(world.backends, [MOVE, { kind: "move", from: "a:y", to: "c:y", content: "2" }]);
    await spoil[name]?.(world);
    const report = await run(world, plan);
    expect(told(report)).toEqual(["skipped LOCATION_SUSPECT", "moved"]);
    expect(report.exit).toBe(4);
    expect(harvest(world.root)).toEqual({ "a:x": "1", "c:y": "2" });
  });

  it("a location that was never adopted is not touched", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    plan.header.scans[1]!.uuid = null;
    expect(told(await run(world, plan))).toEqual(["skipped LOCATION_SUSPECT"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it("a witness in a suspect location does not count (I5)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "1" });
    const plan = await planOf(world.backends, [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }]);
    rmSync(join(world.root, "b/.stowage-location"));
    expect(told(await run(world, plan))).toEqual(["skipped TOO_FEW_COPIES"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "1" });
  });

  it("a mount that goes away between copy and removal keeps the source (the marker is looked at last)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const gone = withBackend(world, "b", (backend) => ({
      ...backend,
      async write(key, source) {
        const entry = await backend.write(key, source);
        renameSync(join(world.root, "b"), join(world.root, "b-away"));
        mkdirSync(join(world.root, "b"));
        return entry;
      },
    }));
    expect((await run(gone, plan)).exit).toBe(4);
    expect(harvest(world.root)).toMatchObject({ "a:x": "1" });
  });

  it("two locations that are one directory never vouch for each other", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const twin = { ...world, backends: new Map([...world.backends, ["b", localBackend("b", join(world.root, "a"))]]) };
    const plan = await planOf(twin.backends, [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }]);
    plan.header.scans[1]!.uuid = uuidOf("a");
    expect(told(await run(twin, plan))).toEqual(["skipped LOCATION_SUSPECT"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it("a location below another never vouches for the very same file", async () => {
    const world = await localWorld(["a", "b"], { "a:in/x": "1" });
    await localBackend("b", join(world.root, "a/in")).writeMarker(uuidOf("b"));
    const nested = {
      ...world,
      backends: new Map([...world.backends, ["b", localBackend("b", join(world.root, "a/in"))]]),
    };
    const plan = await planOf(nested.backends, [{ kind: "delete", from: "a:in/x", content: "1", witnesses: ["b:x"] }]);
    expect(told(await run(nested, plan))).toEqual(["skipped TOO_FEW_COPIES"]);
    expect(harvest(world.root)).toMatchObject({ "a:in/x": "1" });
  });

  it("roots are never created", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    rmSync(join(world.root, "b"), { recursive: true });
    await run(world, plan);
    expect(existsSync(join(world.root, "b"))).toBe(false);
  });
});

describe("files as they are on disks", () => {
  it("a copy keeps the time of modification to the nanosecond", async () => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "1" });
    const made = await localBackend("c", join(world.root, "c")).write("seed", {
      sha256: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
      size: 1,
      mtime: 1_600_000_000_123_456_789n,
      async *bytes() {
        yield Buffer.from("1");
      },
    });
    renameSync(join(world.root, "c/seed"), join(world.root, "a/x"));
    await run(world, await planOf(world.backends, [MOVE]));
    expect(mtimeOf(join(world.root, "b/x"))).toBe(made.mtime);
    expect(made.mtime).toBe(1_600_000_000_123_456_789n);
  });

  it("S16: both names of a hard-linked file are moved in one run", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    linkSync(join(world.root, "a/x"), join(world.root, "a/y"));
    linkSync(join(world.root, "a/x"), join(world.root, "a/z"));
    const plan = await planOf(
      world.backends,
      ["x", "y", "z"].map((key) => ({ kind: "move", from: `a:${key}`, to: `b:${key}`, content: "1" })),
    );
    expect(told(await run(world, plan))).toEqual(["moved", "moved", "moved"]);
    expect(harvest(world.root)).toEqual({ "b:x": "1", "b:y": "1", "b:z": "1" });
  });

  it("S16: a name that is being read while another name of its file is removed is read again", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    linkSync(join(world.root, "a/x"), join(world.root, "a/y"));
    const plan = await planOf(world.backends, [MOVE, { kind: "move", from: "a:y", to: "b:y", content: "1" }]);
    const slow = withBackend(world, "a", ({ root: _, ...backend }) => ({
      ...backend,
      async *read(key, options) {
        for await (const piece of backend.read(key, options)) {
          yield piece;
          while (key === "y" && existsSync(join(world.root, "a/x")))
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    }));
    expect(told(await run(slow, plan))).toEqual(["moved", "moved"]);
    expect(harvest(world.root)).toEqual({ "b:x": "1", "b:y": "1" });
  });

  it("S16: a hard link elsewhere in the location is another name, and the content stays under it", async () => {
    const world = await localWorld(["a"], { "a:x": "1" });
    linkSync(join(world.root, "a/x"), join(world.root, "a/y"));
    const plan = await planOf(world.backends, [{ kind: "move", from: "a:x", to: "a:y", content: "1" }]);
    expect(told(await run(world, plan))).toEqual(["moved"]);
    expect(harvest(world.root)).toEqual({ "a:y": "1" });
  });

  it("S15: a name that is the same directory entry never vouches for itself (a file system that folds case)", async () => {
    const world = await localWorld(["a"], { "a:name": "1" });
    const folding = withBackend(world, "a", (backend) => ({
      ...backend,
      stat: async (key) => await backend.stat(key.toLowerCase()).then((entry) => entry && { ...entry, key }),
      read: (key, options) => backend.read(key.toLowerCase(), options),
    }));
    const plan = await planOf(folding.backends, [{ kind: "move", from: "a:name", to: "a:NAME", content: "1" }]);
    expect(told(await run(folding, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:name": "1" });
  });

  it("S16: a symbolic link at the destination is not written through", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:d/y": "2" });
    const plan = await planOf(world.backends, [MOVE, { kind: "move", from: "a:d/y", to: "b:d/y", content: "2" }]);
    mkdirSync(join(world.root, "elsewhere"));
    symlinkSync(join(world.root, "elsewhere/x"), join(world.root, "b/x"));
    symlinkSync(join(world.root, "elsewhere"), join(world.root, "b/d"));
    expect(told(await run(world, plan))).toEqual(["skipped PRECONDITION", "skipped PRECONDITION"]);
    expect(existsSync(join(world.root, "elsewhere/x"))).toBe(false);
    expect(harvest(join(world.root))).toMatchObject({ "a:x": "1", "a:d/y": "2" });
  });

  it("S16: a source that became a symbolic link is not followed", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    renameSync(join(world.root, "a/x"), join(world.root, "x"));
    symlinkSync(join(world.root, "x"), join(world.root, "a/x"));
    expect(told(await run(world, plan))).toEqual(["skipped PRECONDITION"]);
  });

  it("S16: a source that is written while it is copied fails its action and stays", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1".repeat(3 << 20) });
    const plan = await planOf(world.backends, [{ ...MOVE, content: "1".repeat(3 << 20) }]);
    let appended = false;
    const onEvent = (event: ApplyEvent) => {
      if (event.type !== "bytes" || appended) return;
      appended = true;
      appendFileSync(join(world.root, "a/x"), "more");
    };
    expect(told(await run(world, plan, { onEvent }))).toEqual(["skipped PRECONDITION"]);
    expect(Object.keys(harvest(world.root))).toEqual(["a:x"]);
  });

  it("a source that vanishes before it is copied is skipped", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [{ ...MOVE, kind: "copy" }]);
    rmSync(join(world.root, "a/x"));
    expect(told(await run(world, plan))).toEqual(["skipped NOT_FOUND"]);
  });

  it("I4: same size and same time, other bytes: the change shows in the version and nothing is removed", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "1" });
    const plan = await planOf(world.backends, [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }]);
    const { mtime } = (await world.backends.get("a")?.stat("x"))!;
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(world.root, "a/x"), "2");
    utimesSync(join(world.root, "a/x"), Number(mtime) / 1e9, Number(mtime) / 1e9);
    expect(told(await run(world, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:x": "2", "b:x": "1" });
  });

  it("two names of one content arrive as two files, one of them while the other's target directory is pruned", async () => {
    const before = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`a:d/${index}`, `${index % 5}`]));
    const world = await localWorld(["a", "b"], before);
    const plan = await planOf(
      world.backends,
      Object.entries(before).map(([from, content]) => ({ kind: "move", from, to: from.replace("a:", "b:"), content })),
    );
    expect((await run(world, plan, { concurrency: 16 })).exit).toBe(0);
    expect(harvest(world.root)).toEqual(
      Object.fromEntries(Object.entries(before).map(([from, content]) => [from.replace("a:", "b:"), content])),
    );
  });
});

describe("I2: the last look", () => {
  it("puts the file back when its witness vanished after it was proven", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const hasty = withBackend(world, "a", (backend) => ({
      ...backend,
      async remove(key, options) {
        rmSync(join(world.root, "b/x"));
        await backend.remove(key, options);
      },
    }));
    const report = await run(hasty, plan);
    expect(told(report)).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
    expect(trashed(world.root)).toEqual([]);
  });

  it("puts the file back when its witness was overwritten after it was proven", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    // Of a file with another name a move makes a copy.
    linkSync(join(world.root, "a/x"), join(world.root, "elsewhere"));
    const plan = await planOf(world.backends, [MOVE]);
    const hasty = withBackend(world, "a", (backend) => ({
      ...backend,
      async remove(key, options) {
        writeFileSync(join(world.root, "b/x"), "2");
        await backend.remove(key, options);
      },
    }));
    expect(told(await run(hasty, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "2" });
  });

  it("S14: puts the file back when the disk of its witness was changed for another that has the file too", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const hasty = withBackend(world, "a", (backend) => ({
      ...backend,
      async remove(key, options) {
        await world.backends.get("b")?.writeMarker(uuidOf("other"), { replace: true });
        await backend.remove(key, options);
      },
    }));
    expect(told(await run(hasty, plan))).toEqual(["skipped LOCATION_SUSPECT"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "1" });
  });

  it.each([
    {
      name: "its target vanished",
      spoil: (world: World) => rmSync(join(world.root, "b/x")),
      told: "skipped PRECONDITION",
      after: { "a:x": "1", "c:x": "1" },
    },
    {
      name: "its target's disk went and left an empty mount point",
      spoil: (world: World) => {
        renameSync(join(world.root, "b"), join(world.root, "gone"));
        mkdirSync(join(world.root, "b"));
      },
      told: "skipped LOCATION_SUSPECT",
      after: { "a:x": "1", "c:x": "1", "gone:x": "1" },
    },
  ])("S7, S10, I2: a move puts its source back when $name, however many other copies are proven", async (each) => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "c:x": "1" });
    const plan = await planOf(world.backends, [
      { kind: "verify", from: "c:x", content: "1" },
      { ...MOVE, witnesses: ["c:x", "b:x"], depends_on: ["a1"] },
    ]);
    const hasty = withBackend(world, "a", (backend) => ({
      ...backend,
      async remove(key, options) {
        each.spoil(world);
        await backend.remove(key, options);
      },
    }));
    expect(told(await run(hasty, plan))).toEqual(["verified", each.told]);
    expect(harvest(world.root)).toEqual(each.after);
  });

  it.each([
    0,
    MANY,
  ])("S14: a copy that went into the mount point of a disk that had gone is no copy, among %d others", async (others) => {
    const { tree, copies } = among(others);
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", ...tree });
    const plan = await planOf(world.backends, [{ ...MOVE, kind: "copy" }, ...copies]);
    const late = withBackend(world, "b", (backend) => ({
      ...backend,
      async write(key, source) {
        renameSync(join(world.root, "b"), join(world.root, "gone"));
        mkdirSync(join(world.root, "b"));
        return await backend.write(key, source);
      },
    }));
    const report = await run(late, plan);
    expect(told(report)).toEqual(["skipped LOCATION_SUSPECT", ...copies.map(() => "copied")]);
    expect(report.present.filter(({ location }) => location === "b")).toEqual([]);
    expect(report.outcomes.filter(({ action }) => action === "a1").flatMap(({ present }) => present)).toEqual([]);
  });

  it.each([
    0,
    MANY,
  ])("S17: a move whose own file can not be read brings nothing from elsewhere, among %d others", async (others) => {
    const { tree, copies } = among(others);
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "c:x": "1", ...tree });
    // Of a file with another name a move makes a copy.
    linkSync(join(world.root, "a/x"), join(world.root, "elsewhere"));
    const plan = await planOf(world.backends, [{ ...MOVE, witnesses: ["c:x", "b:x"] }, ...copies]);
    const refuse = (key: string): void => {
      if (key === "x") throw new StowageError("ACCESS_DENIED", "not for you");
    };
    const closed = withBackend(world, "a", (backend) => ({
      ...backend,
      async stat(key) {
        refuse(key);
        return await backend.stat(key);
      },
      async *read(key, options) {
        refuse(key);
        yield* backend.read(key, options);
      },
    }));
    expect(told(await run(closed, plan))).toEqual(["failed ACCESS_DENIED", ...copies.map(() => "copied")]);
    expect(existsSync(join(world.root, "b/x"))).toBe(false);
  });

  it.each([
    0,
    MANY,
  ])("what changed since it was planned is not copied, and leaves nothing behind, among %d others", async (others) => {
    const { tree, copies } = among(others);
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", ...tree });
    const plan = await planOf(world.backends, [{ ...MOVE, kind: "copy", to: "b:new/x" }, ...copies]);
    writeFileSync(join(world.root, "a/x"), "2");
    const report = await run(world, plan);
    expect(told(report)).toEqual(["skipped PRECONDITION", ...copies.map(() => "copied")]);
    expect(report.outcomes.find(({ action }) => action === "a1")?.message).toMatch(/changed since it was scanned/);
    expect(readdirSync(join(world.root, "b"))).not.toContain("new");
    expect(
      existsSync(join(world.root, "b/.stowage-tmp")) ? readdirSync(join(world.root, "b/.stowage-tmp")) : [],
    ).toEqual([]);
  });

  it.each([0, MANY])("a copy has the very time of its source, also before 1970, among %d others", async (others) => {
    const { tree, copies } = among(others);
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", ...tree });
    utimesSync(join(world.root, "a/x"), "-86400.25", "-86400.25");
    const plan = await planOf(world.backends, [{ ...MOVE, kind: "copy" }, ...copies]);
    expect(told(await run(world, plan))).toEqual(["copied", ...copies.map(() => "copied")]);
    expect(mtimeOf(join(world.root, "b/x"))).toBe(-86_400_250_000_000n);
  });

  it("a file that was replaced under its name right before the removal stays", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const hasty = withBackend(world, "a", (backend) => ({
      ...backend,
      async remove(key, options) {
        renameSync(join(world.root, "a/x"), join(world.root, "a/kept"));
        writeFileSync(join(world.root, "a/x"), "new");
        await backend.remove(key, options);
      },
    }));
    expect(told(await run(hasty, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:kept": "1", "a:x": "new", "b:x": "1" });
  });
});

describe("storage that fails", () => {
  const faults: (Fault & { name: string; location: string; retries?: number; told: string; after: object })[] = [
    {
      name: "a write that fails once is tried again",
      location: "b",
      operation: "write",
      retries: 1,
      told: "moved",
      after: { "b:x": "1" },
    },
    {
      name: "I6: a write whose answer was lost is settled by looking",
      location: "b",
      operation: "write",
      when: "after",
      retries: 1,
      told: "moved",
      after: { "b:x": "1" },
    },
    {
      name: "a write that keeps failing leaves the source",
      location: "b",
      operation: "write",
      lasting: true,
      retries: 1,
      told: "failed UNAVAILABLE",
      after: { "a:x": "1" },
    },
    {
      name: "a source that fails half way is read again",
      location: "a",
      operation: "read",
      when: "after",
      retries: 1,
      told: "moved",
      after: { "b:x": "1" },
    },
    {
      name: "a removal that fails once is tried again",
      location: "a",
      operation: "remove",
      retries: 1,
      told: "moved",
      after: { "b:x": "1" },
    },
    {
      name: "I6: a removal whose answer was lost is settled by looking",
      location: "a",
      operation: "remove",
      when: "after",
      retries: 1,
      told: "moved",
      after: { "b:x": "1" },
    },
    {
      name: "without retries a removal whose answer was lost is told as failed",
      location: "a",
      operation: "remove",
      when: "after",
      told: "failed UNAVAILABLE",
      after: { "b:x": "1" },
    },
    {
      name: "out of space is no reason to try again",
      location: "b",
      operation: "write",
      code: "OUT_OF_SPACE",
      lasting: true,
      retries: 3,
      told: "failed OUT_OF_SPACE",
      after: { "a:x": "1" },
    },
    {
      name: "a stat that fails is not taken as nothing there",
      location: "b",
      operation: "stat",
      lasting: true,
      told: "failed UNAVAILABLE",
      after: { "a:x": "1" },
    },
    {
      name: "a marker that can not be read makes the location suspect",
      location: "a",
      operation: "marker",
      lasting: true,
      told: "skipped LOCATION_SUSPECT",
      after: { "a:x": "1" },
    },
  ];
  it.each(faults)("$name", async ({ name: _, location, retries = 0, told: expected, after, ...fault }) => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const report = await run(
      withBackend(world, location, (backend) => failing(backend, fault)),
      plan,
      { retries },
    );
    expect(told(report)).toEqual([expected]);
    expect(harvest(world.root)).toEqual(after);
  });

  it.each([
    { who: "stowage", reads: true, more: {} },
    { who: "the target itself", reads: false, more: { root: "/nowhere" } },
  ])("I4: what was found instead of written says nothing of the source that $who was to read", async ({
    reads,
    more,
  }) => {
    const world = memoryWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    world.backends.get("a")?.rot("x", "0");
    const written = async (key: string, source: WriteSource): Promise<never> => {
      if (reads) for await (const _ of source.bytes());
      // Another machine does the same, and its answer comes first.
      world.backends.get("b")?.put(key, "1", source.mtime);
      throw new StowageError("UNAVAILABLE", "the answer got lost");
    };
    const wrong = withBackend({ ...world, root: "" }, "a", (backend) => ({ ...backend, ...more }));
    const report = await run(
      withBackend(wrong, "b", (backend) => ({ ...backend, write: written })),
      plan,
      { retries: 1 },
    );
    expect(told(report)).toEqual(["failed ROT"]);
    expect(world.backends.get("a")?.objects.has("x")).toBe(true);
  });

  it("the source is the next by priority when the first can not be read", async () => {
    const { state, backends } = memoryWorld(["a", "b", "c", "d"], { "a:x": "1", "c:x": "1", "d:x": "1" });
    const plan = await planOf(backends, [{ ...MOVE, kind: "copy", witnesses: ["d:x", "c:x"] }]);
    const reads: string[] = [];
    const counted = new Map<string, Backend>(
      [...backends].map(([name, backend]) => [
        name,
        {
          ...(name === "a" ? failing(backend, { operation: "read", lasting: true }) : backend),
          stat: (key) => {
            reads.push(name);
            return backend.stat(key);
          },
        },
      ]),
    );
    expect(told(await run({ state, backends: counted }, plan))).toEqual(["copied"]);
    expect(reads.filter((name) => name === "c" || name === "d")[0]).toBe("c");
  });

  it("S11: whichever copy is read, the file keeps the time of the one that the plan names", async () => {
    const { state, backends } = memoryWorld(["a", "b", "c"], {});
    backends.get("a")?.put("x", "1", 1_000n);
    backends.get("c")?.put("x", "1", 2_000n);
    const plan = await planOf(backends, [{ ...MOVE, kind: "copy", witnesses: ["c:x"] }]);
    backends.get("a")?.rot("x", "2");
    expect(told(await run({ state, backends }, plan))).toEqual(["copied"]);
    expect((await backends.get("b")?.stat("x"))?.mtime).toBe(1_000n);
  });

  it("every file is tried, also after one that failed", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:y": "2" });
    const plan = await planOf(world.backends, [MOVE, { kind: "move", from: "a:y", to: "b:y", content: "2" }]);
    const broken = withBackend(world, "b", (backend) =>
      failing(backend, { operation: "write", key: "x", lasting: true }),
    );
    const report = await run(broken, plan);
    expect([told(report), report.exit]).toEqual([["failed UNAVAILABLE", "moved"], 4]);
  });
});

describe("I1: a plan that ends a content", () => {
  const ends = async (reason: "rule" | "conflict", trash: number) => {
    const world = await localWorld(["a"], { "a:x": "1" });
    const plan = await planOf(world.backends, [{ kind: "delete", from: "a:x", content: "1", reason, required: 0 }], {
      trash,
    });
    const apply = (...rules: string[]) =>
      run(world, plan, { safety: plan.header.safety, mayEndContents: new Set(rules) });
    return { world, rule: plan.actions[0]?.rule.name ?? "", apply };
  };

  it("is refused, and nothing is touched, unless storage.yaml gives its rule allow_last_copy", async () => {
    const { world, rule, apply } = await ends("rule", 1000);
    await expect(apply("another")).rejects.toMatchObject({ code: "PLAN_EDITED", exit: 5 });
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
    expect(told(await apply(rule))).toEqual(["deleted"]);
  });

  it("as the loser of a conflict is refused where there is no trash for it", async () => {
    const { world, apply } = await ends("conflict", 0);
    await expect(apply()).rejects.toMatchObject({ code: "PLAN_EDITED", exit: 5 });
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
    expect(told(await (await ends("conflict", 1000)).apply())).toEqual(["deleted"]);
  });
});

describe("S17: a plan that is not to be applied", () => {
  it.each([
    {
      name: "made for another configuration",
      header: { config: { digest: "sha256:other", commit: null } },
      code: "PLAN_STALE",
      exit: 5,
    },
    {
      name: "older than its time",
      header: { created_at: new Date(NOW - 86_400_001).toISOString() },
      code: "PLAN_EXPIRED",
      exit: 5,
    },
    { name: "blocked", header: { applyable: false }, code: "PLAN_BLOCKED", exit: 3 },
  ])("is refused when it is $name, and nothing is touched", async ({ header, code, exit }) => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE], header);
    await expect(run(world, plan)).rejects.toMatchObject({ code, exit });
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it.each([
    { name: "complete", spoil: false },
    { name: "incomplete", spoil: true },
  ])("is refused when it was applied before, and that run is $name", async ({ spoil }) => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    if (spoil) writeFileSync(join(world.root, "a/x"), "other");
    await run(world, plan);
    await expect(run(world, plan)).rejects.toMatchObject({ code: "PLAN_APPLIED", exit: 5 });
  });
});

describe("stopping", () => {
  it("finishes the files that are being moved, starts nothing more, and goes on when applied again", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:y": "2", "a:z": "3" });
    const plan = await planOf(world.backends, [
      MOVE,
      { kind: "move", from: "a:y", to: "b:y", content: "2" },
      { kind: "move", from: "a:z", to: "b:z", content: "3" },
    ]);
    const controller = new AbortController();
    const onEvent = (event: ApplyEvent) => {
      if (event.type === "bytes") controller.abort();
    };
    const first = await run(world, plan, { signal: controller.signal, onEvent, concurrency: 1 });
    expect(first).toMatchObject({ status: "interrupted", exit: 130, moved: 1, remaining: 2 });
    expect(harvest(world.root)).toEqual({ "b:x": "1", "a:y": "2", "a:z": "3" });
    const second = await run(world, plan);
    expect(second).toMatchObject({ status: "complete", exit: 0, moved: 3 });
    expect(harvest(world.root)).toEqual({ "b:x": "1", "b:y": "2", "b:z": "3" });
  });

  it("breaks off what is being copied at the second request, and leaves no temporary", async () => {
    const content = "1".repeat(3 << 20);
    const world = await localWorld(["a", "b"], { "a:x": content });
    const plan = await planOf(world.backends, [{ ...MOVE, content }]);
    const controller = new AbortController();
    const onEvent = (event: ApplyEvent) => {
      if (event.type === "bytes") controller.abort();
    };
    const report = await run(world, plan, { abort: controller.signal, onEvent });
    expect(report).toMatchObject({ status: "interrupted", exit: 130 });
    expect(Object.keys(harvest(world.root, { own: true })).sort()).toEqual([
      "a:.stowage-location",
      "a:x",
      "b:.stowage-location",
    ]);
  });
});

it("events tell of the run, each action, each byte and the end, in this order", async () => {
  const world = await localWorld(["a", "b"], { "a:x": "12345" });
  const plan = await planOf(world.backends, [{ ...MOVE, content: "12345" }]);
  const events: ApplyEvent[] = [];
  const report = await run(world, plan, { onEvent: (event) => events.push(event) });
  const told = events.map((event) => (event.type === "bytes" ? `${event.phase} ${event.bytes}` : event.type));
  // Read before it gets its new name, and once more under that before it loses the old one.
  expect(told).toEqual(["run-start", "action-start", "copy 5", "verify 5", "action-done", "run-end"]);
  expect(report).toMatchObject({ moved: 1, bytes: 5, status: "complete" });
  expect(report.outcomes[0]).toMatchObject({
    present: [{ location: "b", key: "x", size: 5 }],
    removed: [{ location: "a", key: "x", trashed: false }],
  });
  expect(report.present.map(({ location }) => location)).toEqual(["b"]);
});
