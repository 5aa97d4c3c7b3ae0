import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WriteSource } from "../src/backend/backend.js";
import { type LocalOptions, localBackend } from "../src/backend/local.js";
import { localVersion } from "../src/backend/local-version.js";
import { StowageError } from "../src/lib/error.js";
import { RUN } from "../src/testing/subject.js";
import {
  type ActionSpec,
  cleanup,
  harvest,
  localWorld,
  planOf,
  run,
  scratch,
  told,
  trashed,
  type World,
  withBackend,
} from "./setup/apply.js";

afterEach(cleanup);

const MOVE = { kind: "move", from: "a:x", to: "b:x", content: "1" } as const;
describe("a source that is to go may get the new name itself", () => {
  let [from, to] = ["", ""];
  beforeEach(() => {
    [from, to] = [scratch(), scratch()];
    writeFileSync(join(from, "x"), "1");
  });

  const temporaries = () => readdirSync(join(to, ".stowage-tmp"));
  const inode = (path: string) => statSync(path).ino;
  const names = (path: string) => statSync(path).nlink;

  /** What apply says of the source as it is now. */
  function source(more: Partial<WriteSource> = {}): WriteSource {
    const path = join(from, "x");
    const stat = statSync(path, { bigint: true });
    return {
      sha256: createHash("sha256").update("1").digest("hex"),
      size: 1,
      mtime: stat.mtimeNs,
      async *bytes() {
        yield Buffer.from("1");
      },
      path,
      file: { location: "from", root: from, key: "x", version: localVersion(stat), moved: true },
      run: RUN,
      ...more,
    };
  }
  const write = (given = source(), options: LocalOptions = {}) => localBackend("to", to, options).write("d/x", given);

  it("as its second one: the very file, with its time and mode, under both names", async () => {
    chmodSync(join(from, "x"), 0o751);
    utimesSync(join(from, "x"), 1_000_000_000, 1_000_000_000);
    const bytes: number[] = [];
    const entry = await write(source({ onBytes: (count) => void bytes.push(count) }));
    expect(entry).toMatchObject({ key: "d/x", size: 1, mtime: 10n ** 18n, second: true });
    expect(inode(join(to, "d/x"))).toBe(inode(join(from, "x")));
    expect(entry.version).toBe(localVersion(statSync(join(to, "d/x"), { bigint: true })));
    expect(statSync(join(to, "d/x")).mode & 0o777).toBe(0o751);
    expect([names(join(from, "x")), temporaries(), bytes]).toEqual([2, [], [1]]);
  });

  const file = () => source().file!;
  it.each<{ why: string; given?: () => Partial<WriteSource>; options?: LocalOptions; before?: () => void }>([
    { why: "stays", given: () => ({ file: { ...file(), moved: false } }) },
    {
      why: "has another name, under which somebody may write to it",
      before: () => linkSync(join(from, "x"), join(from, "y")),
    },
    { why: "is to get another time", given: () => ({ mtime: 5n }) },
    { why: "would be looked at before it gets its name", given: () => ({ confirm: async () => undefined }) },
    { why: "is on a disk without hard links", options: { features: { hardLinks: false } } },
    { why: "can not be linked", options: { step: refusing("link source", "EPERM") } },
    { why: "may have been linked (I6)", options: { step: refusing("source linked", "EIO") } },
  ])("is copied when it $why", async ({ given, options, before }) => {
    before?.();
    const entry = await write(source(given?.()), options);
    expect(entry.second).toBeUndefined();
    expect(inode(join(to, "d/x"))).not.toBe(inode(join(from, "x")));
    expect(harvest(to)).toMatchObject({ "d:x": "1" });
    expect(temporaries()).toEqual([]);
  });

  it.each<{ why: string; change: () => void; step?: string }>([
    { why: "changed since it was looked at", change: () => writeFileSync(join(from, "x"), "2") },
    {
      why: "is a symbolic link by now",
      change: () => replaceBy(() => symlinkSync(join(from, "kept"), join(from, "x"))),
    },
    {
      why: "became another file before it was linked",
      step: "link source",
      change: () => replaceBy(() => writeFileSync(join(from, "x"), "2")),
    },
    {
      why: "was written to after it was linked",
      step: "source linked",
      change: () => writeFileSync(join(from, "x"), "2"),
    },
    {
      why: "got another name after it was linked",
      step: "source linked",
      change: () => linkSync(join(from, "x"), join(from, "z")),
    },
  ])("is not published by that name when it $why (I4)", async ({ change, step }) => {
    const given = source();
    if (!step) change();
    const entry = await write(given, { step: (name) => void (name === step && change()) });
    // What the caller gives as its bytes is what the copy holds.
    expect(entry.second).toBeUndefined();
    expect(harvest(to)).toMatchObject({ "d:x": "1" });
    expect(temporaries()).toEqual([]);
  });

  function replaceBy(put: () => void): void {
    renameSync(join(from, "x"), join(from, "kept"));
    put();
  }

  it("is not published when it is written to after it was read (I4)", async () => {
    const late = { step: (name: string) => void (name === "filled" && writeFileSync(join(from, "x"), "22")) };
    await expect(write(source(), late)).rejects.toMatchObject({ code: "READ_BACK" });
    expect(harvest(to)).toEqual({});
    expect(temporaries()).toEqual([]);
  });

  it("never takes a name that is taken (I3), and keeps its own", async () => {
    const late = { step: (name: string) => void (name === "link" && writeFileSync(join(to, "d/x"), "theirs")) };
    await expect(write(source(), late)).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(harvest(to)).toMatchObject({ "d:x": "theirs" });
    expect([names(join(from, "x")), temporaries()]).toEqual([1, []]);
  });

  it("is copied from another file system", async ({ skip }) => {
    if (!existsSync("/dev/shm") || statSync("/dev/shm").dev === statSync(from).dev) return skip("one file system here");
    const other = scratch("/dev/shm");
    const entry = await localBackend("to", other).write("d/x", source());
    expect(entry.second).toBeUndefined();
    expect(harvest(other)).toMatchObject({ "d:x": "1" });
  });
});

function refusing(step: string, code: string): (name: string) => void {
  return (name) => {
    if (name === step) throw Object.assign(new Error(`${code}: planted`), { code, syscall: "link" });
  };
}

/** A run that was stopped before it did anything: the plan is applied again. */
const begun = (world: World, plan: Parameters<typeof run>[1]) => run(world, plan, { signal: AbortSignal.abort() });

describe("a move within one file system", () => {
  it("makes no copy, and ends with one name", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const before = statSync(join(world.root, "a/x"));
    const report = await run(world, await planOf(world.backends, [MOVE]));
    expect(told(report)).toEqual(["moved"]);
    const after = statSync(join(world.root, "b/x"), { bigint: true });
    expect([Number(after.ino), Number(after.nlink), Number(after.mtimeNs / 1_000_000n)]).toEqual([
      before.ino,
      1,
      Math.floor(before.mtimeMs),
    ]);
    // The next scan takes it for the file that this run has read.
    expect(report.present).toMatchObject([{ location: "b", key: "x", version: localVersion(after), by: "content" }]);
    expect(harvest(world.root)).toEqual({ "b:x": "1" });
  });

  it("within one location is a rename", async () => {
    const world = await localWorld(["a"], { "a:x": "1" });
    const { ino } = statSync(join(world.root, "a/x"));
    expect(told(await run(world, await planOf(world.backends, [{ ...MOVE, to: "a:d/y" }])))).toEqual(["moved"]);
    expect(statSync(join(world.root, "a/d/y")).ino).toBe(ino);
    expect(harvest(world.root)).toEqual({ "a:d/y": "1" });
  });

  it("ends what was broken off when both names were there", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    await begun(world, plan);
    linkSync(join(world.root, "a/x"), join(world.root, "b/x"));
    expect(told(await run(world, plan))).toEqual(["moved"]);
    expect(harvest(world.root)).toEqual({ "b:x": "1" });
    expect(statSync(join(world.root, "b/x")).nlink).toBe(1);
  });

  it("goes on when it was broken off before the new name was there", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    await begun(world, plan);
    linkSync(join(world.root, "a/x"), join(world.root, "tmp"));
    rmSync(join(world.root, "tmp"));
    expect(told(await run(world, plan))).toEqual(["moved"]);
    expect(harvest(world.root)).toEqual({ "b:x": "1" });
  });

  it("leaves what was touched since the plan was made, where nobody has begun to apply it (S17)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    chmodSync(join(world.root, "a/x"), 0o600);
    expect(told(await run(world, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it.each([1, 40])("moves all of %i where the answer to one link is lost (I6)", async (count) => {
    let lost = 0;
    const names = Array.from({ length: count }, (_, n) => `f${n}`);
    const files = Object.fromEntries(names.map((name) => [`a:${name}`, name]));
    const world = await localWorld(["a", "b"], files, (step) => {
      if (step === "source linked" && lost++ === 0) throw Object.assign(new Error("planted"), { code: "EIO" });
    });
    const moves = names.map((name) => ({ kind: "move", from: `a:${name}`, to: `b:${name}`, content: name }) as const);
    const outcomes = told(await run(world, await planOf(world.backends, moves)));
    expect(outcomes.filter((outcome) => outcome !== "moved")).toEqual([]);
  });

  it("leaves it among many, too (S17)", async () => {
    const names = Array.from({ length: 40 }, (_, n) => `f${n}`);
    const world = await localWorld(["a", "b"], Object.fromEntries(names.map((name) => [`a:${name}`, name])));
    const moves = names.map((name) => ({ kind: "move", from: `a:${name}`, to: `b:${name}`, content: name }) as const);
    const plan = await planOf(world.backends, moves);
    chmodSync(join(world.root, "a/f7"), 0o600);
    const outcomes = told(await run(world, plan));
    expect(outcomes.filter((outcome) => outcome !== "moved")).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toMatchObject({ "a:f7": "f7", "b:f8": "f8" });
  });

  it("leaves what has other bytes behind its time (S17)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    await begun(world, plan);
    const { atime, mtime } = statSync(join(world.root, "a/x"));
    writeFileSync(join(world.root, "a/x"), "2");
    utimesSync(join(world.root, "a/x"), atime, mtime);
    expect(told(await run(world, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual({ "a:x": "2" });
  });

  it.each([
    { how: "went", change: (path: string) => rmSync(path), left: { "a:x": "1" } },
    {
      how: "was replaced",
      change(path: string) {
        writeFileSync(`${path}.new`, "2");
        renameSync(`${path}.new`, path);
      },
      left: { "a:x": "1", "b:x": "2" },
    },
    // The one file has both names: what is written to it is in both.
    { how: "was cut", change: (path: string) => truncateSync(path), left: { "a:x": "", "b:x": "" } },
  ])("takes the first name back when the second one $how meanwhile (I2)", async ({ change, left }) => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const late = withBackend(world, "a", (backend) => ({
      ...backend,
      remove: (key, options) =>
        backend.remove(key, {
          ...options,
          confirm() {
            change(join(world.root, "b/x"));
            return options.confirm();
          },
        }),
    }));
    expect(told(await run(late, plan))).toEqual(["skipped PRECONDITION"]);
    expect(harvest(world.root)).toEqual(left);
    expect(trashed(world.root)).toEqual([]);
  });

  it.each([
    false,
    true,
  ])("keeps the only name when the two are one, seen in two ways, be what is seen old: %s", async (old) => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const here = world.backends.get("a")!;
    const known = await here.stat("x");
    // As where a folder of one location is mounted in the other one.
    const twice = withBackend(world, "b", (backend) => ({
      ...backend,
      stat: (key) => (old ? Promise.resolve(known) : here.stat(key)),
      read: here.read,
      settle: here.settle!,
    }));
    const plan = await planOf(twice.backends, [MOVE]);
    const { outcomes } = await run(twice, plan);
    expect(outcomes[0]).toMatchObject({ outcome: "skipped", code: "SAME_STORAGE" });
    expect(outcomes[0]?.message).toBe("a:x stays: what is at its target is this very file, seen in two ways");
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it("finds damage before the file has another version by which it would be told from a change (S13)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "2" });
    const before = statSync(join(world.root, "a/x"), { bigint: true });
    expect(told(await run(world, await planOf(world.backends, [MOVE])))).toEqual(["failed ROT"]);
    expect(localVersion(statSync(join(world.root, "a/x"), { bigint: true }))).toBe(localVersion(before));
    expect(harvest(world.root)).toEqual({ "a:x": "2" });
  });

  it("takes a copy of another source where its own is damaged, and never the file of that one", async () => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "2", "c:x": "1" });
    const report = await run(world, await planOf(world.backends, [{ ...MOVE, witnesses: ["b:x", "c:x"] }]));
    expect(report.outcomes[0]?.rot).toEqual([{ location: "a", key: "x" }]);
    expect(harvest(world.root)).toEqual({ "a:x": "2", "b:x": "1", "c:x": "1" });
    expect([statSync(join(world.root, "b/x")).nlink, statSync(join(world.root, "c/x")).nlink]).toEqual([1, 1]);
  });

  it("makes a copy where the source can not be made durable, and does not ask again (I1)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const { ino } = statSync(join(world.root, "a/x"));
    const plan = await planOf(world.backends, [MOVE]);
    const handle = await open(join(world.root, "a/x"));
    const handles = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const { sync } = handles;
    let asked = 0;
    handles.sync = async function (this: FileHandle) {
      if ((await this.stat()).ino !== ino) return await sync.call(this);
      asked += 1;
      throw Object.assign(new Error("EIO: planted"), { code: "EIO", syscall: "fsync" });
    };
    try {
      expect(told(await run(world, plan))).toEqual(["moved"]);
    } finally {
      handles.sync = sync;
    }
    expect(asked).toBe(1);
    expect(statSync(join(world.root, "b/x")).ino).not.toBe(ino);
    expect(harvest(world.root)).toEqual({ "b:x": "1" });
  });

  it.each([
    "filled",
    "link",
    "linked",
    "discarded",
  ])("sees what is written to it and given its old time at %s, and lets nothing go for it (I2)", async (at) => {
    let path = "";
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "c:x": "1" }, (name) => {
      if (name !== at || path === "") return;
      const { atime, mtime } = statSync(path);
      writeFileSync(path, "2");
      utimesSync(path, atime, mtime);
      path = "";
    });
    path = join(world.root, "a/x");
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    const goes: ActionSpec = { kind: "delete", from: "c:x", content: "1", witnesses: ["b:x"], depends_on: ["a1"] };
    await run(world, await planOf(world.backends, [MOVE, goes]));
    expect(harvest(world.root)).toMatchObject({ "c:x": "1" });
  });

  it("is done when somebody else has taken the first name away", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const late = withBackend(world, "b", (backend) => ({
      ...backend,
      async write(key, source) {
        const entry = await backend.write(key, source);
        rmSync(join(world.root, "a/x"));
        return entry;
      },
    }));
    const report = await run(late, plan);
    expect(told(report)).toEqual(["moved"]);
    expect(report.present.map(({ location }) => location)).toEqual(["b"]);
  });

  it("leaves one copy, under two names, where the first can not go (S6)", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const stuck = withBackend(world, "a", (backend) => ({
      ...backend,
      remove: () => Promise.reject(new StowageError("ACCESS_DENIED", "not for you")),
    }));
    const report = await run(stuck, plan);
    expect(told(report)).toEqual(["failed ACCESS_DENIED"]);
    const [physical] = report.present.map((present) => present.physical);
    expect(physical).toMatch(/^\d+:\d+$/);
    expect(report.present).toMatchObject([
      { location: "b", physical },
      { location: "a", physical },
    ]);
  });

  it("asks for other copies beside the second name where two must stay (S6)", async () => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "c:x": "1" });
    const two = { ...MOVE, witnesses: ["b:x", "c:x"], required: 2 };
    expect(told(await run(world, await planOf(world.backends, [two])))).toEqual(["moved"]);
    const less = await localWorld(["a", "b", "c"], { "a:x": "1" });
    const plan = await planOf(less.backends, [{ ...two, witnesses: ["b:x"] }]);
    linkSync(join(less.root, "a/x"), join(less.root, "c/x"));
    expect(told(await run(less, plan))).not.toEqual(["moved"]);
    expect(harvest(less.root)).toMatchObject({ "a:x": "1" });
  });
});
