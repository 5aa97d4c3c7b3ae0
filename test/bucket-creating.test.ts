import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bucketBackend } from "../src/backend/bucket.js";
import { sha256Hex } from "../src/lib/json.js";
import { memoryStore, type StoreDefect, straight } from "../src/testing/memory-store.js";
import { put } from "../src/testing/subject.js";
import { type ActionSpec, cleanup, planOf, run } from "./setup/apply.js";
import { bucketOf, bucketWorld, held } from "./setup/store.js";
import { type FakeS3, fakeS3 } from "./support/s3/fake.js";
import { openWorld, type World } from "./support/s3/subject.js";

const fake: FakeS3 = await fakeS3();
const worlds: World[] = [];
afterEach(async () => {
  cleanup();
  for (const each of worlds.splice(0)) await each.dispose();
});
afterAll(() => fake.close());

const MANY = 40;

describe("S1, I4: what was signed for", () => {
  /** Hashes that are taken for proven, of many objects that were written. */
  async function proven(defects: { echoes: boolean; unsigned: boolean }): Promise<(string | undefined)[]> {
    const world = await openWorld(fake);
    worlds.push(world);
    Object.assign(fake.buckets.get(world.bucket) ?? {}, defects);
    const backend = bucketBackend("there", "p/", world.store, world.requests, { allowUnconditionalDelete: false });
    expect((await backend.probe?.())?.store?.checksums).toBe(false);
    const hashes: (string | undefined)[] = [];
    for (let index = 0; index < MANY; index++) hashes.push((await put(backend, `${index}`, "1")).sha256);
    expect((await backend.stat("1"))?.sha256).toBeUndefined();
    return hashes;
  }

  it("is proven by a store that was seen to refuse other bytes, once there is enough to be gained", async () => {
    const hashes = await proven({ echoes: true, unsigned: false });
    expect(hashes[0]).toBeUndefined();
    expect(hashes.at(-1)).toBe(sha256Hex("1"));
  });

  it("is proven by nothing where the store takes any bytes", async () => {
    const hashes = await proven({ echoes: true, unsigned: true });
    expect(hashes.filter((hash) => hash !== undefined)).toEqual([]);
  });

  it("is not tried on a store that was never probed: what is tried has to be removed again", async () => {
    const world = await openWorld(fake);
    worlds.push(world);
    const backend = bucketBackend("there", "p/", world.store, world.requests, { allowUnconditionalDelete: false });
    for (let index = 0; index < MANY; index++) expect((await put(backend, `${index}`, "1")).sha256).toBeUndefined();
    expect(await backend.refusesTaken?.()).toBe(false);
  });
});

describe("I3: names that nobody has looked at", () => {
  const specs = Array.from(
    { length: MANY },
    (_, index): ActionSpec => ({ kind: "copy", from: `a:${index}`, to: `b:${index}`, content: "one" }),
  );
  const before = Object.fromEntries(specs.map(({ from }) => [from, "one"]));

  /** Copies many files to a bucket, where one name is taken since the plan was made. */
  async function copied(taken: string, defects: readonly StoreDefect[] = [], seen: readonly StoreDefect[] = defects) {
    const world = await bucketWorld(["a", "b"], before);
    const plan = await planOf(world.backends, specs);
    const worse = memoryStore({ defects });
    for (const [key, { bytes, metadata }] of world.stores.get("b")?.objects ?? [])
      worse.overwrite(key, bytes, metadata);
    worse.overwrite("7", Buffer.from(taken));
    world.stores.set("b", worse);
    const probed = await bucketOf("b", memoryStore({ defects: seen })).probe?.();
    const known = { allowUnconditionalDelete: false, ...(probed?.store && { verdicts: probed.store }) };
    world.backends.set("b", bucketBackend("b", "", worse, straight, known));
    const report = await run(world, plan);
    const heads = worse.log.filter((line) => /^head \d+/.test(line)).length;
    return { world, report, heads };
  }

  it("are not asked for where the store was seen to refuse taken ones, but for the one that is taken", async () => {
    const { world, report, heads } = await copied("another's");
    expect(report.outcomes.filter(({ outcome }) => outcome !== "copied")).toMatchObject([
      { outcome: "skipped", code: "PRECONDITION" },
    ]);
    expect(held(world)).toEqual({
      ...before,
      ...Object.fromEntries(specs.map(({ to }) => [to, "one"])),
      "b:7": "another's",
    });
    expect(heads).toBeLessThan(10);
  });

  it("hold the content already: nothing is transferred, and it counts (S2)", async () => {
    const { report } = await copied("one");
    expect(report.outcomes.map(({ outcome }) => outcome)).toEqual(specs.map(() => "copied"));
    expect(report.outcomes.find(({ present }) => present.some(({ key }) => key === "7"))?.bytes).toBe(0);
  });

  it.each([
    { whatever: "as was seen", seen: ["ignores create-only"] as const },
    { whatever: "though an earlier probe has seen another store", seen: [] },
  ])("are looked at before where the store ignores create-only, $whatever", async ({ seen }) => {
    const { world, heads } = await copied("another's", ["ignores create-only"], seen);
    expect(held(world)["b:7"]).toBe("another's");
    expect(heads).toBeGreaterThanOrEqual(MANY);
  });
});
