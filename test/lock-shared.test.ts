import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { ApplyEvent } from "../src/apply/events.js";
import { readJournal } from "../src/apply/journal-read.js";
import type { Lease } from "../src/apply/lock-lease.js";
import { acquireSharedLock, type SharedLockOptions, sharedHolder, unlockShared } from "../src/apply/lock-shared.js";
import type { Backend } from "../src/backend/backend.js";
import { localBackend } from "../src/backend/local.js";
import { memoryBackend } from "../src/backend/memory.js";
import type { Register } from "../src/backend/shared.js";
import { StowageError } from "../src/lib/error.js";
import { type MemoryStoreOptions, memoryStore } from "../src/testing/memory-store.js";
import { type ActionSpec, cleanup, memoryWorld, NOW, planOf, run, scratch, uuidOf } from "./setup/apply.js";
import { bucketOf, contentsOf } from "./setup/store.js";

const leases: Lease[] = [];
afterEach(async () => {
  for (const lease of leases.splice(0)) await lease.release();
  cleanup();
});

const TTL = 60_000;

/** A machine with clocks of its own, that only move when it waits or is told to. */
function machine(run: string, wallAt = NOW) {
  const time = { steady: 5_000, wall: wallAt };
  const pass = (ms: number) => {
    time.steady += ms;
    time.wall += ms;
  };
  let during: () => Promise<void> = async () => undefined;
  const options: SharedLockOptions = {
    run,
    ttl: TTL,
    steady: () => time.steady,
    wall: () => time.wall,
    async sleep(ms) {
      pass(ms);
      await during();
    },
  };
  return {
    options,
    time,
    pass,
    /** What happens elsewhere while it waits. */
    set during(body: () => Promise<void>) {
      during = body;
    },
    async acquire(backend: Backend, more: Partial<SharedLockOptions> = {}): Promise<Lease> {
      const lease = await acquireSharedLock(backend, { ...options, ...more });
      leases.push(lease);
      return lease;
    },
  };
}

async function marked(backend: Backend): Promise<Backend> {
  if ((await backend.marker()) === undefined) await backend.writeMarker(uuidOf(backend.location));
  return backend;
}

const bucket = (traits: MemoryStoreOptions = {}) => marked(bucketOf("hub", memoryStore(traits)));
const PLACES: [string, () => Promise<Backend>][] = [
  ["memory", async () => memoryBackend("hub", uuidOf("hub"))],
  ["a directory", () => marked(localBackend("hub", scratch()))],
  ["a bucket", () => bucket()],
  ["a versioned bucket", () => bucket({ versioned: true })],
  ["a bucket that loses answers", () => bucket({ defects: ["loses the answer after the effect"] })],
];

const losing = (name: string) => name.includes("loses");

describe.each(PLACES)("the lock in %s", (name, open) => {
  it("is held by one at a time, says by whom, and is free after", async () => {
    const hub = await open();
    const [a, b] = [machine("run-a"), machine("run-b")];
    // What an answer that was lost means is found out with the next heartbeat; the store is not probed here.
    if (losing(name)) await notProbed(hub);
    const first = await a.acquire(hub);
    b.during = async () => {
      a.pass(TTL / 2);
      await first.require();
    };
    const error = await b.acquire(hub).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "LOCKED", exit: 7 });
    expect(String(error)).toMatch(
      /^StowageError: the lock in hub is held \(run run-a, pid \d+ on .*, since 2025-06-01T00:00:00.000Z\)$/,
    );
    await first.release();
    expect(await sharedHolder(hub)).toBeUndefined();
    const second = await b.acquire(hub);
    expect([first.fence, second.fence]).toEqual([1, 2]);
    await second.require();
  });

  it("of many who want it at once exactly one gets it, and the others only watch", async () => {
    const hub = await open();
    if (losing(name)) await notProbed(hub);
    const sleep = () => Promise.reject(new StowageError("LOCKED", "watching"));
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => machine(`run-${index}`).acquire(hub, { sleep })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason.code).toBe("LOCKED");
    expect(await sharedHolder(hub)).toMatchObject({ fence: 1 });
  });

  it("is taken over from one that stood still for 1.25 of its time, whatever the clocks say, and that one notices", async () => {
    const hub = await open();
    if (losing(name)) await notProbed(hub);
    const [a, b] = [machine("run-a", NOW + 10 * 365 * 86_400_000), machine("run-b", NOW)];
    const first = await a.acquire(hub);
    const began = b.time.steady;
    const second = await b.acquire(hub);
    expect(b.time.steady - began).toBeGreaterThanOrEqual(1.25 * TTL);
    expect(second.fence).toBe(first.fence + 1);
    a.pass(TTL);
    await expect(first.require()).rejects.toMatchObject({
      code: "LOCK_LOST",
      message: expect.stringContaining("run-b"),
    });
    expect(first.lost()).toContain("run-b");
    await second.require();
    await first.release();
    expect(await sharedHolder(hub)).toMatchObject({ run: "run-b" });
  });
});

/** A store that loses every answer can not be probed: what `init` has found out before holds. */
async function notProbed(hub: Backend): Promise<void> {
  const all = {
    createOnly: true,
    createOnlyParts: true,
    oneWinner: true,
    conditionalReplace: true,
    conditionalRemove: true,
  };
  hub.features.store = {
    ...all,
    conditionalRead: true,
    listAfterWrite: true,
    conditionalCopy: true,
    checksums: true,
    versioned: false,
  };
}

describe("a holder", () => {
  const hub = () => memoryBackend("hub", uuidOf("hub"));

  it("that beats is never taken over, and one beat early shows it", async () => {
    const place = hub();
    const [a, b] = [machine("run-a"), machine("run-b")];
    const first = await a.acquire(place);
    let waited = 0;
    b.during = async () => {
      waited += 1;
      if (waited < 19) return;
      a.pass(TTL / 2);
      await first.require();
    };
    await expect(b.acquire(place)).rejects.toMatchObject({ code: "LOCKED" });
    expect(first.lost()).toBeUndefined();
  });

  it("asks nobody while its last heartbeat is young, and renews before it relies on an old one", async () => {
    const place = hub();
    const a = machine("run-a");
    const lease = await a.acquire(place);
    const before = await place.register!.read();
    a.pass(TTL / 2 - 1);
    await lease.require();
    expect(await place.register!.read()).toEqual(before);
    a.pass(1);
    await lease.require();
    expect(await place.register!.read()).not.toEqual(before);
  });

  it.each([
    { name: "slept with its machine, when only the time of the day went on", wall: 10 * TTL, steady: 0 },
    { name: "has a clock that was set back", wall: -10 * TTL, steady: 0 },
    { name: "was paused", wall: 9 * TTL, steady: 9 * TTL },
  ])("that $name looks whether it still holds the lock before it removes anything", async ({ wall, steady }) => {
    const place = hub();
    const [a, b] = [machine("run-a"), machine("run-b")];
    const first = await a.acquire(place);
    await b.acquire(place);
    a.time.wall += wall;
    a.time.steady += steady;
    await expect(first.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
  });

  it("that can not renew is fenced when its time is over, before anybody may take over, and held again when it can", async () => {
    const place = hub();
    let away = false;
    const gate = async <T>(body: () => Promise<T>): Promise<T> => {
      if (away) throw new StowageError("UNAVAILABLE", "away");
      return await body();
    };
    const register: Register = {
      ...place.register!,
      write: (text, token) => gate(() => place.register!.write(text, token)),
      read: () => gate(() => place.register!.read()),
    };
    const b = machine("run-b");
    const second = await b.acquire({ ...place, register });
    away = true;
    b.pass(TTL - 1);
    await second.require();
    b.pass(1);
    await expect(second.require()).rejects.toMatchObject({
      code: "LOCK_LOST",
      message: expect.stringContaining("in time"),
    });
    expect(second.lost()).toBeUndefined();
    away = false;
    await second.require();
  });

  it("beats by itself four times in its lease", async () => {
    const place = hub();
    const lease = await acquireSharedLock(place, { run: "run-a", ttl: 400 });
    leases.push(lease);
    const texts = new Set<string>();
    for (let look = 0; look < 20; look++) {
      texts.add((await place.register!.read())?.text ?? "");
      await wait(25);
    }
    expect(texts.size).toBeGreaterThanOrEqual(3);
    expect(lease.lost()).toBeUndefined();
  });
});

describe("a lock that can not be", () => {
  it.each([
    {
      name: "a store that ignores conditions",
      open: () => bucket({ defects: ["ignores the condition of a replacement"] }),
      code: "LOCK_UNSUPPORTED",
    },
    { name: "a store with two winners", open: () => bucket({ defects: ["two winners"] }), code: "LOCK_UNSUPPORTED" },
    {
      name: "a plug-in without a register",
      open: async () => {
        const { register: _, ...rest } = memoryBackend("hub", uuidOf("hub"));
        return rest;
      },
      code: "LOCK_UNSUPPORTED",
    },
    { name: "an empty mount point", open: async () => localBackend("hub", scratch()), code: "LOCATION_SUSPECT" },
    { name: "another disk", open: async () => memoryBackend("hub", uuidOf("other")), code: "LOCATION_SUSPECT" },
  ])("is an error with a next step: $name", async ({ open, code }) => {
    const error = await machine("run-a")
      .acquire(await open(), { uuid: uuidOf("hub") })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/\w/) });
  });

  it.each([
    "",
    "{}",
    "null",
    "[]",
    "no json",
    '{"free":true}',
    '{"fence":1e999}',
    "\0".repeat(100),
  ])("%j in its place is taken over after the standstill", async (text) => {
    const place = memoryBackend("hub", uuidOf("hub"));
    await place.register!.write(text, undefined);
    expect(await sharedHolder(place)).toBe("unreadable");
    const a = machine("run-a");
    const began = a.time.steady;
    await (await a.acquire(place)).require();
    expect(a.time.steady - began).toBeGreaterThanOrEqual(1.25 * TTL);
  });
});

describe("unlock", () => {
  it("refuses while the holder beats, frees after a standstill or by force, and the holder notices", async () => {
    const place = memoryBackend("hub", uuidOf("hub"));
    const [a, b] = [machine("run-a"), machine("run-b")];
    const { run: _, ...options } = b.options;
    expect(await unlockShared(place, options)).toBe(false);
    const lease = await a.acquire(place);
    b.during = async () => {
      a.pass(TTL / 2);
      await lease.require();
    };
    await expect(unlockShared(place, options)).rejects.toMatchObject({ code: "LOCKED", exit: 7 });
    expect(await unlockShared(place, { ...options, force: true })).toBe(true);
    expect(await sharedHolder(place)).toBeUndefined();
    a.pass(TTL);
    await expect(lease.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
    const next = await a.acquire(place);
    b.during = async () => undefined;
    expect(await unlockShared(place, options)).toBe(true);
    a.pass(TTL);
    await expect(next.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
  });
});

describe("an apply with a shared lock", () => {
  const MOVE: ActionSpec = { kind: "move", from: "a:x", to: "b:x", content: "1" };
  const COPY: ActionSpec = { kind: "copy", from: "a:y", to: "b:y", content: "2" };
  const before = { "a:x": "1", "a:y": "2" };

  it("takes it, names it in its journal, and gives it back", async () => {
    const world = memoryWorld(["a", "b", "hub"], before);
    const plan = await planOf(world.backends, [MOVE]);
    const report = await run(world, plan, { lock: { location: "hub" } });
    expect(report.status).toBe("complete");
    expect((await readJournal(world.state, report.run)).header?.lock).toEqual({ location: "hub", fence: 1 });
    expect(await sharedHolder(world.backends.get("hub")!)).toBeUndefined();
  });

  it("does nothing while another state directory's apply holds it: exit 7, with who and where", async () => {
    const world = memoryWorld(["a", "b", "hub"], before);
    const plan = await planOf(world.backends, [MOVE]);
    const lease = await acquireSharedLock(world.backends.get("hub")!, { run: "other", ttl: 200 });
    leases.push(lease);
    const events: ApplyEvent[] = [];
    const failed = run(world, plan, { lock: { location: "hub" }, onEvent: (event) => void events.push(event) });
    await expect(failed).rejects.toMatchObject({
      code: "LOCKED",
      exit: 7,
      message: expect.stringContaining("in hub is held (run other"),
    });
    expect(contentsOf(world.backends)).toEqual(before);
    expect(events).toMatchObject([{ type: "lock-watch", location: "hub", ms: 250 }]);
    await lease.release();
    expect((await run(world, plan, { lock: { location: "hub" } })).status).toBe("complete");
  });

  it("I7: that lost it removes nothing more, still copies, and says to whom it was lost", async () => {
    const world = memoryWorld(["a", "b", "hub"], before);
    const plan = await planOf(world.backends, [MOVE, COPY, { ...COPY, kind: "move" }]);
    const hub = world.backends.get("hub")!;
    let time = 0;
    const b = world.backends.get("b")!;
    const written = b.write;
    b.write = async (key, source) => {
      const entry = await written(key, source);
      // Between the copy and the removal this process stands still, and another one takes over.
      if (key === "x") {
        leases.push(await machine("other").acquire(hub));
        time += 10 * TTL;
      }
      return entry;
    };
    const report = await run(world, plan, {
      lock: { location: "hub", steady: () => time, wall: () => time },
      concurrency: 1,
    });
    expect(report).toMatchObject({ status: "incomplete", skipped: 2, copied: 1, moved: 0 });
    for (const outcome of [report.outcomes[0], report.outcomes[2]])
      expect(outcome).toMatchObject({ code: "LOCK_LOST", message: expect.stringContaining("run other") });
    expect(contentsOf(world.backends)).toEqual({ ...before, "b:x": "1", "b:y": "2" });
    expect(await sharedHolder(hub)).toMatchObject({ run: "other" });
  });

  it("without the location of the lock does nothing", async () => {
    const world = memoryWorld(["a", "b"], before);
    const plan = await planOf(world.backends, [MOVE]);
    await expect(run(world, plan, { lock: { location: "hub" } })).rejects.toMatchObject({ code: "LOCATION_SUSPECT" });
    expect(contentsOf(world.backends)).toEqual(before);
  });
});
