import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { acquireLock, lockHolder, unlock } from "../src/apply/lock.js";
import { myself, type Process } from "../src/backend/process.js";
import { cleanup, harvest, localWorld, NOW, planOf, run, scratch } from "./setup/apply.js";

afterEach(cleanup);

/** A process that was alive and is not any more. */
async function deadProcess(): Promise<Process> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  return { ...myself(), pid: child.pid ?? 0, start: "1", nonce: "dead" };
}

function plantLock(state: string, holder: object, name = "lock"): void {
  mkdirSync(state, { recursive: true });
  writeFileSync(join(state, name), JSON.stringify({ since: NOW, ...holder }));
}

const files = (state: string) => readdirSync(state).filter((name) => name.startsWith("lock"));

describe("the lock of a state directory", () => {
  it("is held by one at a time, and free after", async () => {
    const state = scratch();
    const lock = await acquireLock(state, NOW);
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({ code: "LOCKED", exit: 7 });
    await expect(acquireLock(state, NOW)).rejects.toThrow(
      `pid ${process.pid} on ${hostname()} since 2025-06-01T00:00:00.000Z`,
    );
    await lock.release();
    expect(files(state)).toEqual([]);
    await (await acquireLock(state, NOW)).release();
  });

  it("of many that want it at once exactly one gets it", async () => {
    const state = scratch();
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => acquireLock(state, NOW)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("is taken over from a process that died, by exactly one", async () => {
    const state = scratch();
    plantLock(state, await deadProcess());
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => acquireLock(state, NOW)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(files(state)).toEqual(["lock"]);
  });

  it("is taken over from one that died while taking over from one that died", async () => {
    const state = scratch();
    const dead = await deadProcess();
    plantLock(state, dead);
    plantLock(state, { ...dead, nonce: "dead2" }, "lock.takeover.dead");
    plantLock(state, { ...dead, nonce: "dead3" }, "lock.takeover.dead2");
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => acquireLock(state, NOW)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(files(state)).toEqual(["lock"]);
  });

  it("a number that another process has by now is no sign of life", async () => {
    const state = scratch();
    plantLock(state, { ...myself(), pid: process.pid, start: "1", nonce: "old" });
    expect((await lockHolder(state))?.alive).toBe(false);
    await (await acquireLock(state, NOW)).release();
  });

  it.each([
    { name: "another machine", change: { host: "elsewhere" } },
    { name: "another container", change: { boot: `${myself().boot.split(" ")[0]} pid:[1]` } },
  ])("one of $name is left alone, with the way out", async ({ change }) => {
    const state = scratch();
    plantLock(state, { ...(await deadProcess()), ...change });
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({
      code: "LOCKED",
      hint: expect.stringContaining("unlock --force"),
    });
  });

  it("one of an earlier boot is taken over", async () => {
    const state = scratch();
    plantLock(state, { ...myself(), boot: "earlier pid:[1]", nonce: "old" });
    await (await acquireLock(state, NOW)).release();
  });

  it("releasing never removes the lock of another", async () => {
    const state = scratch();
    const lock = await acquireLock(state, NOW);
    plantLock(state, { ...myself(), nonce: "another" });
    await lock.release();
    expect(JSON.parse(readFileSync(join(state, "lock"), "utf8"))).toMatchObject({ nonce: "another" });
  });
});

describe("unlock", () => {
  it("removes the lock of a process that died, and says whose it was", async () => {
    const state = scratch();
    const dead = await deadProcess();
    plantLock(state, dead);
    expect(await unlock(state)).toMatchObject({ pid: dead.pid, alive: false });
    expect(files(state)).toEqual([]);
  });

  it("refuses while the holder is alive, unless it is forced", async () => {
    const state = scratch();
    await acquireLock(state, NOW);
    await expect(unlock(state)).rejects.toMatchObject({ code: "LOCKED", exit: 7 });
    expect(await unlock(state, { force: true })).toMatchObject({ pid: process.pid, alive: true });
    expect(files(state)).toEqual([]);
  });

  it("a lock that can not be read is removed by force only", async () => {
    const state = scratch();
    writeFileSync(join(state, "lock"), "");
    await expect(unlock(state)).rejects.toMatchObject({ code: "LOCKED" });
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({ code: "LOCKED" });
    await unlock(state, { force: true });
    await (await acquireLock(state, NOW)).release();
  });

  it("without a lock there is nothing to do", async () => {
    expect(await unlock(scratch())).toBeUndefined();
  });
});

it("a second apply is refused while one runs, and its files stay", async () => {
  const world = await localWorld(["a", "b"], { "a:x": "1" });
  const plan = await planOf(world.backends, [{ kind: "move", from: "a:x", to: "b:x", content: "1" }]);
  const lock = await acquireLock(world.state, NOW);
  await expect(run(world, plan)).rejects.toMatchObject({ code: "LOCKED", exit: 7 });
  expect(harvest(world.root)).toEqual({ "a:x": "1" });
  await lock.release();
  expect((await run(world, plan)).exit).toBe(0);
});
