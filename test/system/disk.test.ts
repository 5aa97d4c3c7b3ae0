import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { localBackend } from "../../src/backend/local.js";
import { requireWritable } from "../../src/scan/probe.js";
import { cleanup, harvest, localWorld, planOf, run, scratch, uuidOf } from "../setup/apply.js";

const mounts: string[] = [];
afterEach(() => {
  for (const mount of mounts.splice(0)) execFileSync("umount", ["-l", mount]);
  cleanup();
});

/** Mounts a small file system, or says why this machine does not let us. */
function mount(directory: string, options: string[]): string | undefined {
  mkdirSync(directory, { recursive: true });
  try {
    execFileSync("mount", [...options, directory], { stdio: "pipe" });
  } catch (error) {
    return `mounting is not permitted here: ${String(error).split("\n")[0]}`;
  }
  mounts.push(directory);
  return undefined;
}

/** An ext4 image of 4 MiB that root may fill to the last block. */
function mountExt4(directory: string): string | undefined {
  const image = join(scratch(), "disk.img");
  try {
    execFileSync("truncate", ["-s", "4M", image]);
    execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { stdio: "pipe" });
  } catch (error) {
    return `no ext4 can be made here: ${String(error).split("\n")[0]}`;
  }
  return mount(directory, ["-o", "loop", image]);
}

const MOVE = { kind: "move", from: "a:x", to: "b:x", content: "1" } as const;

describe.each([
  { name: "tmpfs", attach: (directory: string) => mount(directory, ["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) },
  { name: "ext4", attach: mountExt4 },
])("a full disk ($name)", ({ attach }) => {
  it("as the destination: the copy fails clearly, the source and what was there stay, no temporary is left", async ({
    skip,
  }) => {
    const big = "1".repeat(5_000_000);
    const world = await localWorld(["a", "b"], { "a:big": big, "a:x": "1" });
    const problem = attach(join(world.root, "b"));
    if (problem) return skip(problem);
    await localBackend("b", join(world.root, "b")).writeMarker(uuidOf("b"));
    writeFileSync(join(world.root, "b/there"), "before");
    const plan = await planOf(world.backends, [{ kind: "move", from: "a:big", to: "b:big", content: big }, MOVE]);
    const report = await run(world, plan, { concurrency: 1 });
    expect(report.outcomes.map(({ outcome, code }) => [outcome, code])).toEqual([
      ["failed", "OUT_OF_SPACE"],
      ["moved", undefined],
    ]);
    expect(report.exit).toBe(4);
    rmSync(join(world.root, "b/lost+found"), { recursive: true, force: true });
    expect(harvest(world.root)).toEqual({ "a:big": big, "b:there": "before", "b:x": "1" });
    expect(Object.keys(harvest(world.root, { own: true })).filter((key) => key.includes(".stowage-tmp"))).toEqual([]);
  });

  it("as the source: files can still be moved away from it", async ({ skip }) => {
    const world = await localWorld(["a", "b"], {});
    const problem = attach(join(world.root, "a"));
    if (problem) return skip(problem);
    await localBackend("a", join(world.root, "a")).writeMarker(uuidOf("a"));
    writeFileSync(join(world.root, "a/x"), "1");
    rmSync(join(world.root, "a/lost+found"), { recursive: true, force: true });
    const plan = await planOf(world.backends, [MOVE]);
    try {
      writeFileSync(join(world.root, "a/filler"), Buffer.alloc(8 << 20));
    } catch {
      // That is what it is for.
    }
    expect((await run(world, plan)).exit).toBe(0);
    expect(Object.keys(harvest(world.root)).sort()).toEqual(["a:filler", "b:x"]);
  });
});

it("a read-only disk: as the destination and as the source of a move it fails clearly, and nothing is lost", async ({
  skip,
}) => {
  const world = await localWorld(["a", "b"], { "a:x": "1", "b:y": "2" });
  const plan = await planOf(world.backends, [MOVE, { kind: "move", from: "b:y", to: "a:y", content: "2" }]);
  const problem = mount(join(world.root, "b"), ["--bind", join(world.root, "b")]);
  if (problem) return skip(problem);
  execFileSync("mount", ["-o", "remount,ro,bind", join(world.root, "b")]);
  const report = await run(world, plan);
  const told = ["failed", "READ_ONLY", "b: the file system is mounted read-only"];
  expect(report.outcomes.map(({ outcome, code, message }) => [outcome, code, message])).toEqual([told, told]);
  await expect(requireWritable("b", join(world.root, "b"))).rejects.toMatchObject({
    code: "READ_ONLY",
    message: told[2],
  });
  expect(harvest(world.root)).toEqual({ "a:x": "1", "a:y": "2", "b:y": "2" });
});

it("another file system below the root is refused, not half used", async ({ skip }) => {
  const world = await localWorld(["a", "b"], { "a:x": "1" });
  const problem = mount(join(world.root, "b/inner"), ["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
  if (problem) return skip(problem);
  const plan = await planOf(world.backends, [{ ...MOVE, to: "b:inner/x" }]);
  const report = await run(world, plan);
  expect(report.outcomes.map(({ outcome, code }) => [outcome, code])).toEqual([["failed", "UNSUPPORTED_NAME"]]);
  expect(harvest(world.root)).toEqual({ "a:x": "1" });
});

it("a full state directory stops the run before anything is removed", async ({ skip }) => {
  const world = await localWorld(["a", "b"], { "a:x": "1" });
  const problem = mount(world.state, ["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
  if (problem) return skip(problem);
  const plan = await planOf(world.backends, [MOVE]);
  try {
    writeFileSync(join(world.state, "filler"), Buffer.alloc(1 << 20));
  } catch {
    // That is what it is for.
  }
  await expect(run(world, plan)).rejects.toMatchObject({
    code: expect.stringMatching(/^(STATE_UNUSABLE|JOURNAL_FAILED)$/),
  });
  expect(harvest(world.root)).toEqual({ "a:x": "1" });
});
