import { linkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Backend } from "../src/backend/backend.js";
import { localBackend } from "../src/backend/local.js";
import { sha256Hex } from "../src/lib/json.js";
import { failing } from "../src/testing/failing.js";
import { cleanup, harvest, localWorld, planOf, run } from "./setup/apply.js";

afterEach(cleanup);

/** The world with one location whose `settle` is heard of. */
function heard(backends: Map<string, Backend>, name: string, told: string[]): Map<string, Backend> {
  const backend = backends.get(name)!;
  const settle = async (key: string) => {
    await backend.settle?.(key);
    told.push(key);
  };
  return new Map([...backends, [name, { ...backend, settle }]]);
}

describe("what vouches outlasts a loss of power (I1)", () => {
  it("a copy that this run has not written itself is made durable before a source goes for it", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:d/x": "1" });
    const told: string[] = [];
    const backends = heard(world.backends, "b", told);
    const plan = await planOf(backends, [
      { kind: "move", from: "a:x", to: "b:d/x", content: "1", expect: "absent", witnesses: ["b:d/x"] },
    ]);
    expect((await run({ ...world, backends }, plan)).exit).toBe(0);
    expect(told).toEqual(["d/x"]);
    expect(harvest(world.root)).toEqual({ "b:d/x": "1" });
  });

  it("what it has written is durable already", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const told: string[] = [];
    const backends = heard(world.backends, "b", told);
    const plan = await planOf(backends, [{ kind: "move", from: "a:x", to: "b:d/x", content: "1" }]);
    expect((await run({ ...world, backends }, plan)).exit).toBe(0);
    expect(told).toEqual([]);
  });

  it("nor is a write durable whose answer was lost, before it is made so", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const told: string[] = [];
    const backends = heard(world.backends, "b", told);
    backends.set("b", failing(backends.get("b")!, { operation: "write", when: "after" }));
    const plan = await planOf(backends, [{ kind: "move", from: "a:x", to: "b:x", content: "1" }]);
    expect((await run({ ...world, backends }, plan, { retries: 1, pause: 1 })).exit).toBe(0);
    expect(told).toEqual(["x"]);
  });

  it("what can not be made durable vouches for nothing", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "1" });
    const settle = () => Promise.reject(Object.assign(new Error("no"), { code: "EIO" }));
    const backends = new Map([...world.backends, ["b", { ...world.backends.get("b")!, settle }]]);
    const plan = await planOf(backends, [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }]);
    expect((await run({ ...world, backends }, plan)).outcomes[0]?.code).toBe("TOO_FEW_COPIES");
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "1" });
  });
});

describe("what vouches is as many files as names (I2)", () => {
  it("two names of one file in two locations are one copy, also when they became so after the plan", async () => {
    const world = await localWorld(["a", "b", "c"], { "a:x": "1", "b:x": "1", "c:x": "1" });
    const plan = await planOf(world.backends, [
      { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x", "c:x"], required: 2 },
    ]);
    linkSync(join(world.root, "b/x"), join(world.root, "link"));
    renameSync(join(world.root, "link"), join(world.root, "c/x"));
    const { outcomes } = await run(world, plan);
    expect(outcomes[0]?.code).toBe("TOO_FEW_COPIES");
    expect(outcomes[0]?.message).toContain("c:x is the very same file as b:x");
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "1", "c:x": "1" });
  });
});

describe("what was published is what was written (I4)", () => {
  it.each([
    { what: "put in its place", text: "other" },
    { what: "put in its place, of the same size", text: "y" },
  ])("another file, $what right after it got its name, is not taken for it", async ({ text }) => {
    const world = await localWorld(["a"], {});
    const root = join(world.root, "a");
    const backend = localBackend("a", root, {
      step(name) {
        if (name !== "published") return;
        writeFileSync(join(root, "theirs"), text);
        renameSync(join(root, "theirs"), join(root, "x"));
      },
    });
    const bytes = async function* () {
      yield Buffer.from("x");
    };
    const writing = backend.write("x", { sha256: sha256Hex("x"), size: 1, mtime: 0n, bytes });
    await expect(writing).rejects.toMatchObject({ code: "PRECONDITION" });
    expect(harvest(world.root)).toEqual({ "a:x": text });
  });
});
