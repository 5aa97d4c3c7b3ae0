import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { memoryBackend } from "../../src/backend/memory.js";
import { type Fault, kind, randomly, scripted } from "../support/faults.js";
import { bytesOf, each, keysOf, openWorld, outcomeOf, type Place, readAll, sourceOf, type World } from "./proxy-kit.js";

const server = inject("radosgw");
/** The shares hold for any number; a large one is for one's own patience. */
const OBJECTS = Number(process.env["STOWAGE_TEST_OBJECTS"] ?? 1_000);

describe.skipIf(!server)("many objects over a bad line, to radosgw", () => {
  let world: World;
  let place: Place;
  beforeEach(async () => {
    if (!server) return;
    world = await openWorld(server);
    place = await world.place();
  });
  afterEach(async () => {
    await place.close();
    await world.dispose();
  });

  it(`writes ${OBJECTS} at 30 % 503, 5 % resets and 1 % lost answers: all there, none wrong, at most 3 requests for 1`, async () => {
    const { proxy } = place;
    const keyOf = (n: number) => `folder ${n % 10}/${n}`;
    const contentOf = (n: number) => bytesOf(`${n}`, n % 3_000);
    // What is needed, as one object shows it.
    const needed = await (async () => {
      const calm = await place.through();
      await calm.write("one", sourceOf(bytesOf("one", 10)));
      const before = proxy.count();
      await calm.write("two", sourceOf(bytesOf("two", 10)));
      return proxy.count() - before;
    })();

    const backend = await place.through();
    proxy.faults = randomly(3, [
      { share: 0.3, fault: { kind: "status", status: 503 } },
      { share: 0.05, fault: { kind: "reset", when: "request" } },
      { share: 0.01, fault: { kind: "lost" } },
    ]);
    const before = proxy.count();
    const started = Date.now();
    const outcomes = new Map<string, number>();
    await each(OBJECTS, 16, async (n) => {
      const outcome = await outcomeOf(backend.write(keyOf(n), sourceOf(contentOf(n))));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });
    const requests = proxy.count() - before;
    const ratio = requests / (needed * OBJECTS);
    const seconds = (Date.now() - started) / 1000;
    process.stdout.write(
      `\n${OBJECTS} objects in ${seconds.toFixed(1)} s: ${requests} requests, ${ratio.toFixed(2)} for each of the ${needed} needed\n`,
    );
    proxy.faults = () => undefined;
    expect(Object.fromEntries(outcomes)).toEqual({ ok: OBJECTS });
    expect(await keysOf(place.direct)).toEqual(
      [...Array.from({ length: OBJECTS }, (_, n) => keyOf(n)), "one", "two"].sort(),
    );
    const wrong: string[] = [];
    await each(OBJECTS, 16, async (n) => {
      if (!contentOf(n).equals(await readAll(place.direct, keyOf(n)))) wrong.push(keyOf(n));
    });
    expect(wrong).toEqual([]);
    expect(ratio).toBeLessThan(3);
  }, 3_600_000);
});

describe.skipIf(!server)("what a store says, and what it is, to radosgw", () => {
  const BEFORE = bytesOf("before", 300_000);
  const AFTER = bytesOf("after", 300_000);
  const NAMES = Array.from({ length: 25 }, (_, n) => `k${String(n).padStart(2, "0")}`);
  let world: World;
  let place: Place;
  beforeAll(async () => {
    if (server) world = await openWorld(server, { limits: { page: 10 } });
  });
  afterAll(() => world?.dispose());
  beforeEach(async () => {
    place = await world.place();
  });
  afterEach(() => place.close());

  /** Another program replaces the object. */
  const replaced: Fault = {
    kind: "hook",
    run: async () => {
      const input = { Bucket: world.bucket, Key: `${place.prefix}key`, Body: AFTER };
      await world.client.send(new PutObjectCommand(input));
    },
  };

  it.each<{ name: string; faults: Fault[] }>([
    { name: "before it is read", faults: [replaced] },
    { name: "between two requests for its parts", faults: [{ kind: "reset", when: "response" }, replaced] },
  ])("reads no mixture of an object that is replaced $name", async ({ faults }) => {
    const { version } = await place.direct.write("key", sourceOf(BEFORE));
    const there = await place.through();
    place.proxy.faults = scripted(kind("get"), ...faults);
    expect(await outcomeOf(readAll(there, "key", version))).toBe("PRECONDITION");
    expect(place.proxy.count("get")).toBe(faults.length);
  });

  it("publishes nothing of a stream whose second half is of another object (I4)", async () => {
    const { version } = await place.direct.write("key", sourceOf(BEFORE));
    const there = await place.through();
    place.proxy.faults = scripted(kind("get"), { kind: "swap", bytes: AFTER });
    const destination = memoryBackend("destination");
    const source = { ...sourceOf(BEFORE), bytes: () => there.read("key", { version }) };
    expect(await outcomeOf(destination.write("key", source))).toBe("CORRUPT");
    expect(
      await outcomeOf(place.direct.write("copy", { ...source, bytes: () => there.read("key", { version }) })),
    ).toBe("ok");
    place.proxy.faults = scripted(kind("get"), { kind: "swap", bytes: AFTER });
    expect(await outcomeOf(place.direct.write("again", source))).toBe("CORRUPT");
    expect([destination.objects.size, await keysOf(place.direct)]).toEqual([0, ["copy", "key"]]);
  });

  it("goes on where a stream stalled, and lets the stalled one go", async () => {
    const { version } = await place.direct.write("key", sourceOf(BEFORE));
    const there = await place.through({ stall: 500 });
    place.proxy.faults = scripted(kind("get"), { kind: "stall", when: "body" });
    expect(BEFORE.equals(await readAll(there, "key", version))).toBe(true);
    const stalled = place.proxy.seen.find(({ fault }) => fault?.kind === "stall");
    await expect.poll(() => stalled?.closed, { timeout: 5_000 }).toBe(true);
  });

  async function listing(...faults: (Fault | undefined)[]) {
    await each(NAMES.length, 8, async (n) => void (await place.direct.write(NAMES[n] ?? "", sourceOf(bytesOf("", n)))));
    const there = await place.through({ retries: 1, random: () => 0 });
    place.proxy.faults = scripted(({ kind, path }) => kind === "list" && !path.includes("delimiter"), ...faults);
    return await keysOf(there).catch((error: unknown) => outcomeOf(Promise.reject(error)));
  }

  it("notices a page that comes twice, asks again, and lists nothing twice", async () => {
    expect(await listing(undefined, { kind: "page", what: "repeated" })).toEqual(NAMES);
    expect(place.proxy.count("fault:page")).toBe(1);
  });

  it("lists nothing where a page comes twice again and again", async () => {
    const twice: Fault = { kind: "page", what: "repeated" };
    expect(await listing(undefined, twice, twice, twice)).toBe("UNAVAILABLE");
  });

  // The store says that these are all: no reader of one listing can tell. It is drift to the plan (S10), and suspect above max_shrink (S14).
  it("can not notice a page that is left out; what it lists is there, and nothing else", async () => {
    expect(await listing(undefined, { kind: "page", what: "missing" })).toEqual([
      ...NAMES.slice(0, 10),
      ...NAMES.slice(20),
    ]);
  });
});
