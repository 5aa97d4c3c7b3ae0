import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gc } from "../src/apply/gc.js";
import { journalDirectory, journalFile } from "../src/apply/journal.js";
import { unlock } from "../src/apply/lock.js";
import { type LocalOptions, localBackend } from "../src/backend/local.js";
import { agree, keysOf, leftoversOf, put, RUN, textOf } from "../src/testing/subject.js";
import { cleanup, localWorld, planOf, run, scratch } from "./setup/apply.js";

let root = "";
beforeEach(() => {
  root = scratch();
});
afterEach(cleanup);

const open = (options: LocalOptions = {}) => localBackend("here", root, options);
/** Frozen promises are held, or what waits for them would be collected. */
const frozen: Promise<unknown>[] = [];

/** Removes a file up to a step and then freezes, as after kill -9. */
async function killedAt(
  step: string,
  key: string,
  { trash = false, hardLinks = true, full = false } = {},
): Promise<void> {
  const { version } = await put(open(), key, "1");
  await new Promise<void>((reached) => {
    const freeze = (name: string) => {
      if (full && name === "mkdir") throw Object.assign(new Error("planted"), { code: "ENOSPC", syscall: "mkdir" });
      if (name !== step) return undefined;
      reached();
      const never = new Promise<void>(() => undefined);
      frozen.push(never);
      return never;
    };
    const backend = open({ step: freeze, features: { hardLinks } });
    frozen.push(backend.remove(key, { version, run: RUN, trash, confirm: agree }));
  });
}

/** The run is known to the state directory: it is over. */
function openJournalOf(state: string): void {
  mkdirSync(journalDirectory(state), { recursive: true });
  writeFileSync(journalFile(state, RUN), "");
}

const sweep = (trash = 0) =>
  gc(new Map([["here", open()]]), { state: scratch(), trash, now: Date.now() + 100 * 86_400_000 });

it("a clock that was set by hand for the run and for gc tells the age of trash; one that is only wrong does not", async () => {
  const { version } = await put(open(), "x", "1");
  await open().remove("x", { version, run: RUN, trash: true, confirm: agree });
  const [state, trash] = [scratch(), 30 * 86_400_000];
  openJournalOf(state);
  const later = { state, trash, now: Date.UTC(2025, 0, 31) + 40 * 86_400_000 };
  expect((await gc(new Map([["here", open()]]), later)).purged).toEqual([]);
  const soon = { state, trash, now: Date.UTC(2025, 0, 31) + 20 * 86_400_000, standing: true };
  expect((await gc(new Map([["here", open()]]), soon)).purged).toEqual([]);
  const { purged } = await gc(new Map([["here", open()]]), { ...later, standing: true });
  expect(purged.map(({ key }) => key)).toEqual(["x"]);
});

describe("a removal that was cut short before it was confirmed", () => {
  it.each([
    { key: "d/e/x", trash: false, hardLinks: true },
    { key: "d/e/x", trash: true, hardLinks: true },
    { key: "d/x", trash: false, hardLinks: false },
    { key: "100%2F /50%.removing", trash: false, hardLinks: true },
    { key: `${"long".repeat(60)}/x`, trash: false, hardLinks: true },
  ])("I1: gives the file its name back, and nothing of it is purged: $key (trash: $trash)", async (each) => {
    await killedAt("confirmed", each.key, each);
    expect(await keysOf(open())).toEqual([]);
    expect(await leftoversOf(open())).toMatchObject([{ kind: "trash", key: each.key, run: RUN, unfinished: true }]);
    const { restored, purged, problems } = await sweep();
    expect([restored.map(({ key }) => key), purged, problems]).toEqual([[each.key], [], []]);
    expect([await keysOf(open()), await textOf(open(), each.key)]).toEqual([[each.key], "1"]);
    expect(await leftoversOf(open())).toEqual([]);
    expect(existsSync(join(root, ".stowage-trash"))).toBe(false);
  });

  it("tells every file that it gives back, of one run and of several", async () => {
    for (const key of ["x", "y", "d/z"]) await killedAt("confirmed", key);
    const { restored } = await sweep();
    expect(restored.map(({ key }) => key).sort()).toEqual(["d/z", "x", "y"]);
    expect(await keysOf(open())).toEqual(["d/z", "x", "y"]);
  });

  it.each([true, false])("I3: stays where it is while another file has its name (trash: %s)", async (trash) => {
    await killedAt("secured", "x", { trash });
    writeFileSync(join(root, "x"), "new");
    for (let time = 0; time < 2; time++) {
      const { restored, purged, kept, problems } = await sweep();
      expect([restored, purged, kept.map(({ files }) => files)]).toEqual([[], [], [1]]);
      expect(problems).toMatchObject([{ code: "PRECONDITION", message: expect.stringContaining("its bytes are in") }]);
    }
    const [left] = await leftoversOf(open());
    expect(readFileSync(join(root, left!.handle), "utf8")).toBe("1");
    rmSync(join(root, "x"));
    await sweep();
    expect(await textOf(open(), "x")).toBe("1");
  });

  it("I1: does not lose the only name of the file where a symbolic link makes the key lead to it", async () => {
    await killedAt("secured", "d/x", { trash: true });
    const [left] = await leftoversOf(open());
    rmSync(join(root, "d"), { recursive: true });
    symlinkSync(dirname(left!.handle), join(root, "d"));
    const { restored, purged, problems } = await sweep();
    expect([restored, purged]).toEqual([[], []]);
    expect(problems).toMatchObject([{ code: "PRECONDITION", message: expect.stringContaining("its bytes are in") }]);
    expect(readFileSync(join(root, left!.handle), "utf8")).toBe("1");
    rmSync(join(root, "d"));
    await sweep();
    expect([await textOf(open(), "d/x"), await leftoversOf(open())]).toEqual(["1", []]);
  });

  it("I6: that has its name back already only loses the other one", async () => {
    await killedAt("secured", "x");
    linkSync(join(root, (await leftoversOf(open()))[0]!.handle), join(root, "x"));
    expect(await open().restore?.(RUN)).toEqual([]);
    expect([await keysOf(open()), await leftoversOf(open())]).toEqual([["x"], []]);
  });

  it("is given back also where the disk was too full for the trash", async () => {
    mkdirSync(join(root, ".stowage-tmp"));
    writeFileSync(join(root, ".stowage-tmp", `${RUN}.0123456789ab.d%2Fx.removing`), "1");
    expect(await leftoversOf(open())).toMatchObject([{ kind: "trash", key: "d/x", run: RUN, unfinished: true }]);
    await sweep();
    expect([await textOf(open(), "d/x"), await leftoversOf(open())]).toEqual(["1", []]);
  });

  it.each([
    { note: '"d/x"', key: "d/x" },
    { note: '"d/x', key: undefined },
    { note: '"../x"', key: undefined },
    { note: "7", key: undefined },
    { note: undefined, key: undefined },
  ])("I1: and where its name did not fit, by the note $note; without one it is kept, and told", async ({
    note,
    key,
  }) => {
    const own = `.stowage-tmp/${RUN}.0123456789ab`;
    mkdirSync(join(root, ".stowage-tmp"));
    writeFileSync(join(root, `${own}.removing`), "1");
    if (note !== undefined) writeFileSync(join(root, `${own}.key`), note);
    expect(await leftoversOf(open())).toMatchObject([{ kind: "trash", run: RUN, unfinished: true }]);
    const { restored, purged, problems } = await sweep();
    expect([restored.map((each) => each.key), purged]).toEqual([key === undefined ? [] : [key], []]);
    expect(problems.length).toBe(key === undefined ? 1 : 0);
    expect(await keysOf(open())).toEqual(key === undefined ? [] : [key]);
    expect(existsSync(join(root, `${own}.removing`))).toBe(key === undefined);
    expect(readFileSync(join(root, key ?? `${own}.removing`), "utf8")).toBe("1");
    const notes = existsSync(join(root, `${own}.key`));
    expect(notes).toBe(key === undefined && note !== undefined);
  });

  it("I1: the note is there before the file has lost its name", async () => {
    const key = "l".repeat(250);
    await killedAt("renamed to trash", key, { full: true });
    expect(await leftoversOf(open())).toMatchObject([{ kind: "trash", key, run: RUN, unfinished: true }]);
    expect((await sweep()).restored.map((each) => each.key)).toEqual([key]);
    expect([await textOf(open(), key), await leftoversOf(open()), readdirSync(root)]).toEqual(["1", [], [key]]);
  });

  it.each([
    "..%2Fx",
    ".stowage-location",
    "%2Fetc%2Fx",
    "a%2F%2Fb",
  ])("S15: %s is no key, so it stays where it is, and that is told", async (name) => {
    const own = join(".stowage-trash", RUN, `0123456789ab.${name}.removing`);
    mkdirSync(join(root, ".stowage-trash", RUN), { recursive: true });
    writeFileSync(join(root, own), "1");
    expect(await open().restore?.(RUN)).toMatchObject([{ handle: own, unfinished: true, unnamed: true }]);
    const { restored, purged, problems } = await sweep();
    expect([restored, purged, problems.map(({ code }) => code)]).toEqual([[], [], ["PRECONDITION"]]);
    expect([await keysOf(open()), readFileSync(join(root, own), "utf8")]).toEqual([[], "1"]);
  });

  it.each([
    { at: `.stowage-trash/${RUN}/0123456789ab.d%2Fx.removing/users-new`, key: "d/x/users-new" },
    { at: `.stowage-trash/${RUN}/0123456789ab.removing/d/x/users.removing/new`, key: "d/x/users.removing/new" },
    { at: `.stowage-tmp/${RUN}.0123456789ab.d%2Fx.removing/users.removing/new`, key: "d/x/users.removing/new" },
  ])("I1: what is in a folder that took the name of the file in the last moment is no trash: $at", async (each) => {
    mkdirSync(join(root, dirname(each.at)), { recursive: true });
    writeFileSync(join(root, each.at), "1");
    expect(await leftoversOf(open())).toMatchObject([{ kind: "trash", key: each.key, run: RUN, unfinished: true }]);
    const { restored, purged, problems } = await sweep();
    expect([restored.map(({ key }) => key), purged, problems]).toEqual([[each.key], [], []]);
    expect([await keysOf(open()), await textOf(open(), each.key)]).toEqual([[each.key], "1"]);
    expect(await leftoversOf(open())).toEqual([]);
  });

  it.each([
    ".stowage-trash",
    ".stowage-tmp",
    `.stowage-trash/${RUN}`,
  ])("S16: nothing is given back through %s that is a symbolic link", async (own) => {
    const outside = scratch();
    const names = [`${RUN}/0123456789ab.x.removing`, `${RUN}.0123456789ab.x.removing`, "0123456789ab.x.removing"];
    mkdirSync(join(outside, RUN));
    for (const name of names) writeFileSync(join(outside, name), "1");
    if (own.includes("/")) mkdirSync(join(root, ".stowage-trash"));
    symlinkSync(outside, join(root, own));
    await expect(open().restore?.(RUN)).rejects.toMatchObject({ code: "PRECONDITION" });
    expect((await sweep()).purged).toEqual([]);
    expect([await keysOf(open()), names.filter((name) => !existsSync(join(outside, name)))]).toEqual([[], []]);
  });

  it("leaves alone what other runs left, and what was confirmed", async () => {
    await killedAt("removed", "x", { trash: true });
    await killedAt("secured", "y");
    expect(await open().restore?.("20250131T235959Z-00000000")).toEqual([]);
    expect(await keysOf(open())).toEqual([]);
    expect(await open().restore?.(RUN)).toEqual([]);
    expect(await keysOf(open())).toEqual(["y"]);
  });

  it("a dry gc only tells that it stays", async () => {
    await killedAt("secured", "x");
    const options = { state: scratch(), trash: 0, now: Date.now() + 100 * 86_400_000, dry: true };
    const { restored, purged, kept } = await gc(new Map([["here", open()]]), options);
    expect([restored, purged, kept.map(({ files }) => files)]).toEqual([[], [], [1]]);
  });
});

it("a file whose removal was confirmed and that can not be unlinked is trash, and does not come back", async () => {
  const { version } = await put(open(), "x", "1");
  let once = true;
  const step = (name: string) => {
    if (name !== "unlink" || !once) return;
    once = false;
    throw Object.assign(new Error("EIO: planted"), { code: "EIO", syscall: "unlink" });
  };
  await open({ step }).remove("x", { version, run: RUN, trash: false, confirm: agree });
  const [left] = await leftoversOf(open());
  expect(left).toMatchObject({ kind: "trash", key: "x", run: RUN });
  expect(left?.unfinished).toBeUndefined();
  expect(await open().restore?.(RUN)).toEqual([]);
  expect((await sweep()).purged.length).toBe(1);
  expect([await keysOf(open()), await leftoversOf(open())]).toEqual([[], []]);
});

it("I1: a copy that a killed run was removing is back for the next one, which finds that nothing vouches for it any more", async () => {
  const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "1" });
  const plan = await planOf(world.backends, [{ kind: "delete", from: "b:x", content: "1", witnesses: ["a:x"] }], {
    trash: 0,
  });
  await new Promise<void>((reached) => {
    const step = (name: string) => {
      if (name !== "secured") return undefined;
      reached();
      const never = new Promise<void>(() => undefined);
      frozen.push(never);
      return never;
    };
    const backends = new Map(world.backends).set("b", localBackend("b", join(world.root, "b"), { step }));
    frozen.push(run({ ...world, backends }, plan));
  });
  rmSync(join(world.root, "a/x"));
  await unlock(world.state, { force: true });
  const again = await run(world, plan);
  expect(again.outcomes).toMatchObject([{ outcome: "skipped", code: "TOO_FEW_COPIES" }]);
  await gc(world.backends, { state: world.state, trash: 0, now: Date.now() + 100 * 86_400_000 });
  expect(readFileSync(join(world.root, "b/x"), "utf8")).toBe("1");
});
