import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { RunReport } from "../src/apply/events.js";
import { readJournal } from "../src/apply/journal-read.js";
import { recordRun } from "../src/apply/record.js";
import type { Backend } from "../src/backend/backend.js";
import type { MemoryBackend } from "../src/backend/memory.js";
import { type Catalog, openCatalog } from "../src/catalog/catalog.js";
import { sql } from "../src/catalog/sql.js";
import { StowageError } from "../src/lib/error.js";
import { failing } from "../src/testing/index.js";
import { type ActionSpec, cleanup, memoryWorld, planOf, run, scratch, type Tree } from "./setup/apply.js";
import { contentsOf, type StoreTraits, storeOf } from "./setup/store.js";

afterEach(cleanup);

const MOVE: ActionSpec = { kind: "move", from: "a:x", to: "b:x", content: "1" };
const COPY: ActionSpec = { ...MOVE, kind: "copy" };
const told = (report: RunReport): string[] =>
  report.outcomes
    .toSorted((p, q) => p.action.localeCompare(q.action, "en", { numeric: true }))
    .map(({ outcome, code }) => (code ? `${outcome} ${code}` : outcome));

interface Setting {
  before: Tree;
  traits?: Record<string, StoreTraits>;
  verify?: "content" | "checksum";
  actions: ActionSpec[];
  /** Changes backends after the plan was made. */
  change?: (backends: Map<string, Backend>, memories: Map<string, MemoryBackend>) => void;
}

/** One apply over memory locations, of which those with traits behave like buckets. */
async function applied({ before, traits = {}, verify = "content", actions, change }: Setting) {
  const { state, backends: memories } = memoryWorld(["a", "b", "c"], before);
  const log: string[] = [];
  const backends = new Map<string, Backend>(
    [...memories].map(([name, memory]) => [name, traits[name] ? storeOf(memory, traits[name], log) : memory]),
  );
  const plan = await planOf(backends, actions, { safety: { min_copies: 1, verify, trash: 0 }, trash: 0 });
  change?.(backends, memories);
  log.length = 0;
  const report = await run({ state, backends }, plan);
  return { report, outcomes: told(report), log, after: contentsOf(memories), state, memories, backends };
}

const presence = (report: RunReport) => report.present.map(({ location, key, by }) => `${location}:${key} ${by}`);

describe("a copy in a store that does not read back counts only when it is proven", () => {
  it("reads it back where the store computes no hash, and then it is proven by content", async () => {
    const { report, log } = await applied({ before: { "a:x": "1" }, traits: { b: {} }, actions: [COPY] });
    expect(log).toEqual(["read b:x"]);
    expect(presence(report)).toEqual(["b:x content", "a:x content"]);
  });

  it("takes the hash that the store has computed, and reads nothing", async () => {
    const { report, log } = await applied({
      before: { "a:x": "1" },
      traits: { b: { computes: true } },
      actions: [COPY],
    });
    expect(log).toEqual([]);
    expect(presence(report)).toEqual(["b:x checksum", "a:x content"]);
  });

  it("never takes what is only noted on an object for a proof", async () => {
    const { log } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: { b: {} },
      verify: "checksum",
      actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }],
      change: (backends) => {
        const b = backends.get("b")!;
        const claim = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
        backends.set("b", {
          ...b,
          stat: async (key) => await b.stat(key).then((entry) => entry && { ...entry, claim }),
        });
      },
    });
    expect(log).toEqual(["read b:x"]);
  });

  it("I4: what does not read back the same is taken away again, its source stays, and the journal says so", async () => {
    const { report, outcomes, after, state } = await applied({
      before: { "a:x": "1" },
      traits: { b: { garbles: new Set(["x"]) } },
      actions: [MOVE],
    });
    expect([outcomes, report.exit, report.bytes]).toEqual([["failed READ_BACK"], 4, 0]);
    expect(after).toEqual({ "a:x": "1" });
    expect(report.present).toEqual([]);
    const lines = (await readJournal(state, report.run)).lines.filter(
      ({ type }) => type === "remove" || type === "removed",
    );
    expect(lines).toMatchObject([
      { type: "remove", location: "b", key: "x", trash: false },
      { type: "removed", location: "b", key: "x" },
    ]);
  });

  it("I4: what was damaged on its way to a store that removes nothing stays, is said so, and does not count", async () => {
    const { report, outcomes, after } = await applied({
      before: { "a:x": "1" },
      traits: { b: { garbles: new Set(["x"]) } },
      actions: [MOVE],
      change: (backends) => void backends.set("b", appendOnly(backends.get("b")!)),
    });
    expect(outcomes).toEqual(["failed READ_BACK"]);
    expect(report.outcomes[0]?.message).toContain("still there");
    expect(after).toEqual({ "a:x": "1", "b:x": "?" });
    expect(report.present).toEqual([]);
  });

  it("I4: what the store itself finds damaged when it is read back is taken away again", async () => {
    const { outcomes, after } = await applied({
      before: { "a:x": "1" },
      traits: { b: {} },
      actions: [MOVE],
      change: (backends) => {
        const fault = { operation: "read", lasting: true, code: "CORRUPT" } as const;
        backends.set("b", failing(backends.get("b")!, fault));
      },
    });
    expect(outcomes).toEqual(["failed READ_BACK"]);
    expect(after).toEqual({ "a:x": "1" });
  });

  it("a copy that can not be read back now is left for the next run, and its source stays", async () => {
    const { outcomes, after } = await applied({
      before: { "a:x": "1" },
      traits: { b: {} },
      actions: [MOVE],
      change: (backends) => backends.set("b", failing(backends.get("b")!, { operation: "read", lasting: true })),
    });
    expect(outcomes).toEqual(["failed UNAVAILABLE"]);
    expect(after).toEqual({ "a:x": "1", "b:x": "1" });
  });

  it("the catalog keeps how each copy was proven", async () => {
    const catalog: Catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
    const { report } = await applied({
      before: { "a:x": "1" },
      traits: { b: { computes: true } },
      actions: [COPY, { kind: "copy", from: "a:x", to: "c:x", content: "1" }],
    });
    await recordRun(catalog, report);
    const rows = await catalog.rows(sql<{ location: string; proof: string }>`
      SELECT location, proof FROM file_locations ORDER BY location`);
    expect(rows).toEqual([
      { location: "a", proof: "content" },
      { location: "b", proof: "checksum" },
      { location: "c", proof: "content" },
    ]);
    await catalog.close();
  });
});

const appendOnly = (backend: Backend): Backend => ({
  ...backend,
  async remove(key) {
    throw new StowageError("APPEND_ONLY", `${backend.location}:${key} is not removed`);
  },
});

describe("I2: what is removed, what arrived and what vouches are proven as safety.verify asks", () => {
  const stores = { a: { computes: true }, b: { computes: true }, c: { computes: true } };
  const DELETE: ActionSpec = { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] };

  it("content: all of them are read in this run, whatever the store has computed", async () => {
    const { outcomes, log } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: stores,
      actions: [DELETE],
    });
    expect(outcomes).toEqual(["deleted"]);
    expect(log).toEqual(["read a:x", "read b:x", "removed a:x"]);
  });

  it("content: the copy of a move is read back even when the store has computed its hash", async () => {
    const { outcomes, log } = await applied({ before: { "a:x": "1" }, traits: stores, actions: [MOVE] });
    expect(outcomes).toEqual(["moved"]);
    expect(log).toEqual(["read a:x", "read b:x", "removed a:x"]);
  });

  it("checksum: what the store has computed is enough", async () => {
    const { outcomes, log } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: stores,
      verify: "checksum",
      actions: [DELETE],
    });
    expect(outcomes).toEqual(["deleted"]);
    expect(log).toEqual(["removed a:x"]);
  });

  it("checksum: where the store has computed none it is read", async () => {
    const { outcomes, log } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: { a: {}, b: {} },
      verify: "checksum",
      actions: [DELETE],
    });
    expect(outcomes).toEqual(["deleted"]);
    expect(log).toEqual(["read a:x", "read b:x", "removed a:x"]);
  });

  it("content: damage that the store's own hash does not show is found, and nothing is removed", async () => {
    for (const damaged of ["a", "b"]) {
      const { outcomes, log, report } = await applied({
        before: { "a:x": "1", "b:x": "1" },
        traits: stores,
        actions: [DELETE],
        change: (_, memories) => memories.get(damaged)?.rot("x", "2"),
      });
      expect(outcomes).toEqual([damaged === "a" ? "failed ROT" : "skipped TOO_FEW_COPIES"]);
      expect(log).not.toContain("removed a:x");
      expect(report.exit).toBe(6);
    }
  });

  it("a verify reads the bytes, whatever the store has computed", async () => {
    const { log } = await applied({
      before: { "b:x": "1" },
      traits: stores,
      verify: "checksum",
      actions: [{ kind: "verify", from: "b:x", content: "1" }],
    });
    expect(log).toEqual(["read b:x"]);
  });

  it("the last look finds a witness that was replaced after it was proven by its hash alone", async () => {
    const { outcomes, after } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: stores,
      verify: "checksum",
      actions: [DELETE],
      change: (backends, memories) => {
        const a = backends.get("a")!;
        backends.set("a", {
          ...a,
          async remove(key, options) {
            memories.get("b")?.put("x", "2");
            await a.remove(key, options);
          },
        });
      },
    });
    expect(outcomes).toEqual(["skipped PRECONDITION"]);
    expect(after).toEqual({ "a:x": "1", "b:x": "2" });
  });

  it("a store that can not remove safely keeps the source, and the copy is made all the same", async () => {
    const { outcomes, after, report } = await applied({
      before: { "a:x": "1" },
      traits: stores,
      actions: [MOVE],
      change: (backends) => void backends.set("a", appendOnly(backends.get("a")!)),
    });
    expect([outcomes, report.exit]).toEqual([["skipped APPEND_ONLY"], 4]);
    expect(after).toEqual({ "a:x": "1", "b:x": "1" });
  });
});

describe("what is archived can not be read", () => {
  const archived = new Set(["x"]);
  const DELETE: ActionSpec = { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] };

  it.each([
    { what: "the witness", traits: { a: {}, b: { archived } }, actions: [DELETE] },
    { what: "what is to be removed", traits: { a: { archived }, b: {} }, actions: [DELETE] },
    { what: "what arrived", traits: { a: {}, b: { archived, computes: true } }, actions: [MOVE] },
  ])("I2: $what: nothing is removed, and the reason is told", async ({ traits, actions }) => {
    const before = { "a:x": "1", ...(actions[0] === DELETE && { "b:x": "1" }) };
    const { outcomes, after, report } = await applied({ before, traits, actions });
    expect(outcomes).toEqual(["skipped TOO_FEW_COPIES"]);
    expect(report.outcomes[0]?.message).toContain("restore it first");
    expect(after).toMatchObject(before);
  });

  it("under checksum the hash that the store has computed is enough", async () => {
    const { outcomes } = await applied({
      before: { "a:x": "1", "b:x": "1" },
      traits: { a: {}, b: { archived, computes: true } },
      verify: "checksum",
      actions: [DELETE],
    });
    expect(outcomes).toEqual(["deleted"]);
  });

  it("a copy takes another source instead", async () => {
    const { outcomes, log } = await applied({
      before: { "a:x": "1", "c:x": "1" },
      traits: { a: { archived }, c: {} },
      actions: [{ ...COPY, witnesses: ["c:x"] }],
    });
    expect(outcomes).toEqual(["copied"]);
    expect(log).toEqual(["read c:x"]);
  });

  it("a copy without another source is not made", async () => {
    const { outcomes } = await applied({ before: { "a:x": "1" }, traits: { a: { archived } }, actions: [COPY] });
    expect(outcomes).toEqual(["skipped ARCHIVED"]);
  });
});

describe("copies within one provider", () => {
  const one = { provider: "memory" };

  it("are made by the store, read back, and counted", async () => {
    const { outcomes, log, report } = await applied({
      before: { "a:x": "12345" },
      traits: { a: one, b: one },
      actions: [{ ...COPY, content: "12345" }],
    });
    expect(outcomes).toEqual(["copied"]);
    expect(log).toEqual(["copied b:x inside", "read b:x"]);
    expect(report.bytes).toBe(5);
    expect(presence(report)).toEqual(["b:x content"]);
  });

  it("I2: the source of a move was not read by that, so it is read before it goes", async () => {
    const { outcomes, log } = await applied({
      before: { "a:x": "1" },
      traits: { a: one, b: one },
      actions: [MOVE],
    });
    expect(outcomes).toEqual(["moved"]);
    expect(log).toEqual(["copied b:x inside", "read b:x", "read a:x", "removed a:x"]);
  });

  it("I4: of damaged bytes are taken away again; the source is found damaged, and another one is read", async () => {
    const { outcomes, log, after, report } = await applied({
      before: { "a:x": "1", "c:x": "1" },
      traits: { a: one, b: one, c: {} },
      actions: [{ ...COPY, witnesses: ["c:x"] }],
      change: (_, memories) => memories.get("a")?.rot("x", "2"),
    });
    expect(outcomes).toEqual(["copied"]);
    expect(log).toEqual([
      "copied b:x inside",
      "read b:x",
      "removed b:x",
      "read a:x",
      "read a:x",
      "read c:x",
      "read b:x",
    ]);
    expect(after).toEqual({ "a:x": "2", "b:x": "1", "c:x": "1" });
    expect(report.outcomes[0]?.rot).toEqual([{ location: "a", key: "x" }]);
  });

  it("are not made between different providers, nor from another source than the planned one", async () => {
    const apart = await applied({
      before: { "a:x": "1" },
      traits: { a: one, b: { provider: "other" } },
      actions: [COPY],
    });
    expect(apart.log).toEqual(["read a:x", "read b:x"]);
    const other = await applied({
      before: { "a:x": "1", "c:x": "1" },
      traits: { b: one, c: one },
      actions: [{ ...COPY, witnesses: ["c:x"] }],
      change: (backends) => backends.set("a", failing(backends.get("a")!, { operation: "read", lasting: true })),
    });
    expect(other.outcomes).toEqual(["copied"]);
    expect(other.log).toEqual(["read c:x", "read b:x"]);
  });
});

describe("bytes that come wrong", () => {
  it("are no damage of a source that reads well: the way to the target is to blame", async () => {
    const { outcomes, report } = await applied({
      before: { "a:x": "1" },
      traits: { b: {} },
      actions: [COPY],
      change: (backends) =>
        backends.set("b", failing(backends.get("b")!, { operation: "write", code: "CORRUPT", lasting: true })),
    });
    expect(outcomes).toEqual(["failed CORRUPT"]);
    expect([report.status, report.outcomes[0]?.rot]).toEqual(["incomplete", []]);
  });
});

describe("a backend that tries again by itself", () => {
  it("is asked once, and its attempts are told like others", async () => {
    let asked = 0;
    const { state, backends } = memoryWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(backends, [MOVE]);
    const store = storeOf(backends.get("b")!);
    const resilient: Backend = {
      ...store,
      onRetry: (told) => told({ location: "b", code: "UNAVAILABLE", message: "busy", attempt: 1, delay: 5 }),
      write: () => {
        asked += 1;
        return Promise.reject(new StowageError("UNAVAILABLE", "b does not answer"));
      },
    };
    const retries: string[] = [];
    const world = { state, backends: new Map<string, Backend>([...backends, ["b", resilient]]) };
    const report = await run(world, plan, {
      retries: 3,
      pause: 1,
      onEvent: (event) => {
        if (event.type === "retry") retries.push(`${event.location} ${event.message}`);
      },
    });
    expect([told(report), asked, retries]).toEqual([["failed UNAVAILABLE"], 1, ["b busy"]]);
  });

  it("is not read again and again as a source", async () => {
    let asked = 0;
    const { state, backends } = memoryWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(backends, [COPY]);
    const resilient: Backend = {
      ...storeOf(backends.get("a")!),
      // biome-ignore lint/correctness/useYield: it fails before.
      async *read() {
        asked += 1;
        throw new StowageError("UNAVAILABLE", "a does not answer");
      },
    };
    const world = { state, backends: new Map<string, Backend>([...backends, ["a", resilient]]) };
    expect(told(await run(world, plan, { retries: 3, pause: 1 }))).toEqual(["failed UNAVAILABLE"]);
    expect(asked).toBe(1);
  });
});

describe("memory", () => {
  it("an object of any size takes a few pieces of it: it is never collected", async () => {
    const { state, backends } = memoryWorld(["a", "b"], {});
    const size = 192 << 20;
    const piece = Buffer.alloc(1 << 20, 7);
    const hash = createHash("sha256");
    for (let sent = 0; sent < size; sent += piece.length) hash.update(piece);
    const sha256 = hash.digest("hex");
    const pieces = async function* () {
      for (let sent = 0; sent < size; sent += piece.length) yield Buffer.from(piece);
    };
    const entry = { key: "x", size, mtime: 0n, version: "v1" };
    let [there, peak] = [false, 0];
    const big: Backend = { ...storeOf(backends.get("a")!), stat: async () => entry, read: pieces };
    const sink: Backend = {
      ...storeOf(backends.get("b")!),
      stat: async () => (there ? entry : undefined),
      read: pieces,
      async write(_, source) {
        for await (const _piece of source.bytes()) peak = Math.max(peak, process.memoryUsage().arrayBuffers);
        there = true;
        return entry;
      },
    };
    const world = {
      state,
      backends: new Map<string, Backend>([
        ["a", big],
        ["b", sink],
      ]),
    };
    const plan = await planOf(world.backends, [{ ...COPY, content: "1", expect: "absent" }]);
    Object.assign(plan.actions[0]!, { size, content: `sha256:${sha256}`, bytes: size });
    const before = process.memoryUsage().arrayBuffers;
    expect(told(await run(world, plan))).toEqual(["copied"]);
    expect(peak - before).toBeLessThan(size / 2);
  });
});

describe("what is kept of a run", () => {
  it("holds no secrets: messages lose the user, the password and the query of URLs", async () => {
    const secret =
      "https://user:pa55@host/b/x?X-Amz-Signature=5ec2e7 and https://user:pa55@host/y and AccountKey=5ec2e7==;x";
    const { report, state } = await applied({
      before: { "a:x": "1" },
      traits: { b: {} },
      actions: [MOVE],
      change: (backends) => {
        const a = backends.get("a")!;
        backends.set("a", {
          ...a,
          remove: () => Promise.reject(new StowageError("UNAVAILABLE", `failed at ${secret}`)),
        });
      },
    });
    const kept = JSON.stringify([report, (await readJournal(state, report.run)).lines]);
    expect(kept).toContain("https://host/b/x?… and https://host/y");
    expect(kept).not.toMatch(/pa55|5ec2e7/);
  });
});
