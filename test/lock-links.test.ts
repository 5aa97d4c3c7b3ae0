import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { acquireLock, lockHolder } from "../src/apply/lock.js";
import { cleanup, NOW, scratch } from "./setup/apply.js";

/** What `link` fails with. */
const fault = vi.hoisted(() => ({ code: "" }));
vi.mock("node:fs/promises", async (original) => ({
  ...(await original<typeof import("node:fs/promises")>()),
  link: () => Promise.reject(Object.assign(new Error(fault.code), { code: fault.code })),
}));

afterEach(cleanup);

describe("the lock of a state directory on a file system without hard links", () => {
  it.each([
    "EPERM",
    "ENOTSUP",
    "EOPNOTSUPP",
    "ENOSYS",
  ])("%s: is held by one at a time, and free after", async (code) => {
    fault.code = code;
    const state = scratch();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => acquireLock(state, NOW)));
    const taken = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(taken).toHaveLength(1);
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({ code: "LOCKED" });
    await taken[0]!.release();
    expect(readdirSync(state)).toEqual([]);
    await (await acquireLock(state, NOW)).release();
  });

  it.each([
    "",
    '{"pid":1,"ho',
    "\0".repeat(64),
  ])("is taken over where a process was killed, or the power went, before its note was whole: %j", async (left) => {
    fault.code = "EPERM";
    const state = scratch();
    writeFileSync(join(state, "lock"), left);
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({ code: "LOCKED" });
    const before = new Date(Date.now() - 60_000);
    utimesSync(join(state, "lock"), before, before);
    expect(await lockHolder(state)).toBeUndefined();
    await (await acquireLock(state, NOW)).release();
    expect(readdirSync(state)).toEqual([]);
  });

  it("is not taken where the disk fails, and nothing is left behind", async () => {
    fault.code = "EIO";
    const state = scratch();
    await expect(acquireLock(state, NOW)).rejects.toMatchObject({ code: "STATE_UNUSABLE" });
    expect(readdirSync(state)).toEqual([]);
  });
});
