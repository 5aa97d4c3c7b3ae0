import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Backend } from "../src/backend/backend.js";
import { localBackend } from "../src/backend/local.js";
import { memoryBackend } from "../src/backend/memory.js";
import { collect } from "../src/lib/iter.js";
import { memoryStore, STORE_DEFECTS } from "../src/testing/memory-store.js";
import { cleanup, scratch, uuidOf } from "./setup/apply.js";
import { bucketOf } from "./setup/store.js";

afterEach(cleanup);

const PLACES: [string, () => Backend][] = [
  ["memory", () => memoryBackend("a", uuidOf("a"))],
  ["a directory", () => localBackend("a", scratch())],
  ["a directory without hard links", () => localBackend("a", scratch(), { features: { hardLinks: false } })],
  ["a bucket", () => bucketOf("a", memoryStore())],
  ["a versioned bucket", () => bucketOf("a", memoryStore({ versioned: true }))],
  ["a bucket that loses answers", () => bucketOf("a", memoryStore({ defects: ["loses the answer after the effect"] }))],
];

describe.each(PLACES)("the register of %s", (_name, open) => {
  it("holds what was written last, by whom has seen what was there", async () => {
    const register = open().register!;
    expect(await register.read()).toBeUndefined();
    const first = await register.write("1", undefined);
    expect(await register.read()).toEqual({ text: "1", token: first });
    expect(await register.write("other", undefined)).toBeUndefined();
    const second = await register.write("2", first);
    expect(await register.write("late", first)).toBeUndefined();
    expect(await register.read()).toEqual({ text: "2", token: second });
  });

  it("of many who write at once exactly one succeeds, again and again", async () => {
    const register = open().register!;
    let token: string | undefined;
    for (let round = 0; round < 5; round++) {
      const tokens = await Promise.all(
        Array.from({ length: 8 }, (_, index) => register.write(`${round}.${index}`, token)),
      );
      const won = tokens.filter((each) => each !== undefined);
      expect(won).toHaveLength(1);
      token = won[0];
      expect((await register.read())?.token).toBe(token);
    }
  });

  it("and its shelf are no objects of the location", async () => {
    const backend = open();
    await backend.register?.write("1", undefined);
    await backend.journals?.add("run/000.ndjson", Buffer.from("x"));
    expect(await collect(backend.list())).toEqual([]);
    expect(await collect(backend.leftovers())).toEqual([]);
  });

  it("a shelf keeps what was added first, and lists it", async () => {
    const shelf = open().journals!;
    expect(await shelf.add("run-1/000.ndjson", Buffer.from("first"))).toBe(true);
    expect(await shelf.add("run-1/000.ndjson", Buffer.from("again"))).toBe(false);
    await shelf.add("run-2/000.ndjson", Buffer.from("other"));
    expect(String(await shelf.read("run-1/000.ndjson"))).toBe("first");
    expect(await shelf.read("run-3/000.ndjson")).toBeUndefined();
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    expect((await collect(shelf.list())).sort(byName)).toEqual([
      { name: "run-1/000.ndjson", size: 5 },
      { name: "run-2/000.ndjson", size: 5 },
    ]);
    expect(await collect(shelf.list("run-2"))).toEqual([{ name: "run-2/000.ndjson", size: 5 }]);
  });
});

it.each(["../x", "a/../b", "/x", "a/b/c", "", ".x"])("%j is no name on a shelf", async (name) => {
  for (const open of [PLACES[1]![1], PLACES[3]![1]]) {
    await expect(open().journals!.add(name, Buffer.from("x"))).rejects.toMatchObject({ code: "INVARIANT" });
  }
});

describe("a directory's register", () => {
  it("one who was late for a long time changes nothing", async () => {
    const root = scratch();
    const register = localBackend("a", root).register!;
    let resume = (): void => undefined;
    const paused = new Promise<void>((resolve) => {
      resume = resolve;
    });
    const slow = localBackend("a", root, { step: (name) => (name === "link" ? paused : undefined) }).register!;
    let token = await register.write("0", undefined);
    const late = slow.write("late", token);
    for (let round = 1; round <= 20; round++) token = await register.write(String(round), token);
    resume();
    expect(await late).toBeUndefined();
    expect(await register.read()).toEqual({ text: "20", token });
    expect(await register.write("21", token)).toBeDefined();
    expect(readdirSync(join(root, ".stowage-lock")).length).toBeLessThan(12);
  });

  it("goes on above any number that somebody has planted", async () => {
    const root = scratch();
    mkdirSync(join(root, ".stowage-lock"));
    writeFileSync(join(root, ".stowage-lock/999999999999"), "junk");
    const register = localBackend("a", root).register!;
    const found = await register.read();
    expect(found?.text).toBe("junk");
    expect(await register.write("free", found?.token)).toBeDefined();
    expect((await register.read())?.text).toBe("free");
  });

  it("never makes the root, and says so when its name is taken", async () => {
    const root = join(scratch(), "away");
    await expect(localBackend("a", root).register?.write("1", undefined)).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    mkdirSync(root);
    writeFileSync(join(root, ".stowage-lock"), "");
    await expect(localBackend("a", root).register?.read()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("a bucket's register", () => {
  it.each(
    STORE_DEFECTS.filter((defect) => defect !== "loses the answer after the effect").map((defect) => ({
      defect,
      honoured: ![
        "ignores create-only",
        "two winners",
        "ignores the condition of a replacement",
        "stores other bytes",
      ].includes(defect),
    })),
  )("is found to be honoured or not by a store that: $defect", async ({ defect, honoured }) => {
    const store = memoryStore({ defects: [defect] });
    // What shows in listings does not matter to it.
    expect(await bucketOf("a", store).register?.honoured()).toBe(honoured);
    expect([...store.objects.keys()]).toEqual([]);
  });
});
