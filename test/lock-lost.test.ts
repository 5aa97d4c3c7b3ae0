import { afterEach, describe, expect, it } from "vitest";
import type { Lease } from "../src/apply/lock-lease.js";
import {
  acquireSharedLock,
  lockProblem,
  type SharedLockOptions,
  sharedHolder,
  unlockShared,
} from "../src/apply/lock-shared.js";
import type { Backend, StoreFeatures } from "../src/backend/backend.js";
import { memoryBackend } from "../src/backend/memory.js";
import type { Register, Registered } from "../src/backend/shared.js";
import { StowageError } from "../src/lib/error.js";
import { NOW, uuidOf } from "./setup/apply.js";

const TTL = 60_000;
const leases: Lease[] = [];
afterEach(async () => {
  for (const lease of leases.splice(0)) await lease.release();
});

const lost = () => new StowageError("UNAVAILABLE", "the answer was lost");

/** A place for a lock of which the next answers can be changed, and that others can write to. */
function hub() {
  let there: Registered | undefined;
  let count = 0;
  const put = (text: string | undefined): string => {
    there = text === undefined ? undefined : { text, token: `t${++count}` };
    return there?.token ?? "";
  };
  const place = {
    put,
    note: () => JSON.parse(there?.text ?? "null") as Record<string, unknown>,
    /** What becomes of the next write. */
    next: undefined as "lost before" | "lost after" | "refused" | undefined,
    async write(text: string, token: string | undefined) {
      const { next } = place;
      place.next = undefined;
      if (next === "lost before") throw lost();
      if (next === "refused" || there?.token !== token) return undefined;
      const written = put(text);
      if (next === "lost after") throw lost();
      return written;
    },
  };
  const register: Register = {
    read: async () => there,
    write: (...args) => place.write(...args),
    honoured: async () => true,
  };
  return Object.assign(place, { backend: { ...memoryBackend("hub", uuidOf("hub")), register } });
}

const time = { now: NOW };
const pass = async (ms: number): Promise<void> => {
  time.now += ms;
};
const clocks: SharedLockOptions = {
  ...{ run: "run-a", ttl: TTL, steady: () => time.now, wall: () => time.now, sleep: pass },
};
const acquire = async ({ backend }: { backend: Backend }, more: Partial<SharedLockOptions> = {}): Promise<Lease> => {
  const lease = await acquireSharedLock(backend, { ...clocks, ...more });
  leases.push(lease);
  return lease;
};
const renewed = async (lease: Lease): Promise<void> => {
  time.now += TTL / 2;
  await lease.require();
};

describe("I6: an answer about the shared lock that was lost is settled by looking", () => {
  it("the lock is ours when it is our name that stands there", async () => {
    const place = hub();
    place.next = "lost after";
    const lease = await acquire(place);
    await renewed(lease);
    expect(lease.fence).toBe(1);
  });

  it("the lock is not ours when nothing stands there", async () => {
    const place = hub();
    place.next = "lost before";
    await expect(acquire(place)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it.each([
    "lost after",
    "refused",
  ] as const)("a heartbeat that was %s keeps the lock while our name stands there", async (next) => {
    const place = hub();
    const lease = await acquire(place);
    place.next = next;
    await renewed(lease);
    expect(lease.lost()).toBeUndefined();
    await renewed(lease);
    expect(place.note()).toMatchObject({ run: "run-a", beat: next === "refused" ? 1 : 2 });
  });

  it("a heartbeat that only seems to have come through does not make the lease longer", async () => {
    const place = hub();
    const lease = await acquire(place);
    place.next = "refused";
    await renewed(lease);
    time.now += TTL / 2;
    place.next = "refused";
    await expect(lease.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
  });

  it.each([
    { name: "somebody else's note", text: '{"run":"b"}' },
    { name: "a lock that was freed by force", text: '{"free":true,"fence":2,"nonce":"other"}' },
    { name: "nothing", text: undefined },
  ])("$name in its place means that it is lost, for good", async ({ text }) => {
    const place = hub();
    const lease = await acquire(place);
    place.put(text);
    await expect(renewed(lease)).rejects.toMatchObject({
      code: "LOCK_LOST",
      message: expect.stringContaining("taken over"),
    });
    expect(lease.lost()).toBe("it was taken over");
    await expect(lease.require()).rejects.toMatchObject({ code: "LOCK_LOST" });
  });

  it("a lock that was freed by its own name is not held any more", async () => {
    const place = hub();
    const lease = await acquire(place);
    place.put(`{"free":true,"fence":1,"nonce":"${String(place.note()["nonce"])}"}`);
    await expect(renewed(lease)).rejects.toMatchObject({ code: "LOCK_LOST" });
  });
});

describe("a shared lock that is held", () => {
  it("by a note that can not be read is of another run, and with an impossible time says so", async () => {
    const place = hub();
    place.put("garbage");
    const writes = { sleep: async () => void place.put("garbage too") };
    await expect(acquire(place, writes)).rejects.toThrow("the lock in hub is held (another run)");
    const other = hub();
    await acquire(other);
    other.put(JSON.stringify({ ...other.note(), since: 1e300 }));
    const beats = { sleep: async () => void other.put(JSON.stringify({ ...other.note(), beat: 7 })) };
    await expect(acquire(other, beats)).rejects.toThrow("since an unknown time");
  });

  it("is taken as soon as it is given back", async () => {
    const place = hub();
    const first = await acquire(place);
    const before = time.now;
    const sleep = async (ms: number) => {
      await pass(ms);
      await first.release();
    };
    expect((await acquire(place, { sleep })).fence).toBe(2);
    expect(time.now - before).toBeLessThan(TTL / 4);
  });

  it("does not keep an interrupted run waiting, and is waited for in real time", async () => {
    const place = hub();
    const { sleep: _, steady: __, ...rest } = clocks;
    await acquireSharedLock(place.backend, { ...rest, ttl: 20 });
    const stop = { ...rest, ttl: 20, signal: AbortSignal.abort() };
    await expect(acquireSharedLock(place.backend, stop)).rejects.toMatchObject({ code: "INTERRUPTED", exit: 130 });
    const next = await acquireSharedLock(place.backend, { ...rest, ttl: 20 }).catch((error: unknown) => error);
    expect(next).toMatchObject({ code: "LOCKED" });
  });
});

describe("unlock", () => {
  it("by force frees what can not be read, under a number that is higher than any before", async () => {
    const place = hub();
    place.put("garbage");
    expect(await sharedHolder(place.backend)).toBe("unreadable");
    expect(await unlockShared(place.backend, { ...clocks, force: true })).toBe(true);
    expect(place.note()).toMatchObject({ free: true, fence: time.now });
    expect((await acquire(place)).fence).toBe(time.now + 1);
  });

  it("writes nothing over a lock that was given back while it was watched", async () => {
    const place = hub();
    const lease = await acquire(place);
    const sleep = async () => {
      await lease.release();
      place.next = "refused";
    };
    expect(await unlockShared(place.backend, { ...clocks, sleep })).toBe(true);
    expect(place.note()).toMatchObject({ free: true, fence: 1 });
  });

  it("says who holds the lock when somebody took it at that very moment", async () => {
    const place = hub();
    await acquire(place);
    place.next = "refused";
    await expect(unlockShared(place.backend, { ...clocks, force: true })).rejects.toMatchObject({ code: "LOCKED" });
  });
});

describe("where a lock can be", () => {
  const good = { createOnly: true, oneWinner: true, conditionalReplace: true } as StoreFeatures;
  const at = (store: StoreFeatures | undefined, more: Partial<Backend> = {}): Backend => {
    const { backend } = hub();
    return { ...backend, features: { ...backend.features, ...(store && { store }) }, ...more };
  };
  it.each([
    { name: "a directory", store: undefined, code: undefined },
    { name: "a store that honours conditions", store: good, code: undefined },
    {
      name: "a store that creates over what is there",
      store: { ...good, createOnly: false },
      code: "LOCK_UNSUPPORTED",
    },
    { name: "a store in which two can win", store: { ...good, oneWinner: false }, code: "LOCK_UNSUPPORTED" },
    { name: "a store that replaces anything", store: { ...good, conditionalReplace: false }, code: "LOCK_UNSUPPORTED" },
  ])("is known without asking: $name", ({ store, code }) => {
    expect(lockProblem(at(store))?.code).toBe(code);
  });

  it("is no plug-in without a register", () => {
    const { register: _, ...none } = at(undefined);
    expect(lockProblem(none)).toMatchObject({ message: expect.stringContaining("no place for one") });
  });

  it.each([
    { error: "READ_ONLY", code: "LOCK_UNSUPPORTED" },
    { error: "APPEND_ONLY", code: "LOCK_UNSUPPORTED" },
    { error: "UNAVAILABLE", code: "UNAVAILABLE" },
  ])("a location that answers $error when it is tried gives $code", async ({ error, code }) => {
    const { backend } = hub();
    const register = { ...backend.register, honoured: () => Promise.reject(new StowageError(error, "no")) };
    await expect(acquire({ backend: { ...backend, register } })).rejects.toMatchObject({ code });
  });
});
