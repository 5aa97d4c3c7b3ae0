import { mkdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { journalDirectory, journalFile } from "../src/apply/journal.js";
import { acquireLock } from "../src/apply/lock.js";
import { recover } from "../src/apply/recover.js";
import type { Backend } from "../src/backend/backend.js";
import { memoryBackend } from "../src/backend/memory.js";
import { StowageError } from "../src/lib/error.js";
import { cleanup, NOW, scratch } from "./setup/apply.js";

afterEach(cleanup);

const [OLDER, NEWEST] = ["20250601T000000Z-00000001", "20250601T000001Z-00000002"];

/** Two locations that note which run they are asked to give back, after two runs; the first may fail. */
function worldAfter(runs: string[], fails?: Error) {
  const state = scratch();
  mkdirSync(journalDirectory(state));
  for (const run of runs) writeFileSync(journalFile(state, run), "");
  const asked: string[] = [];
  const open = (name: string, error?: Error): [string, Backend] => {
    const restore = async (run: string) => {
      asked.push(`${name} ${run}`);
      if (error) throw error;
      return [];
    };
    return [name, { ...memoryBackend(name), restore }];
  };
  const backends = new Map([open("a", fails), ["plain", memoryBackend("plain")] as const, open("b")]);
  return { state, asked, recover: () => recover(state, backends, NOW) };
}

describe("before a plan is made", () => {
  it("I1: each location gives back what the newest run was removing when it was killed", async () => {
    const world = worldAfter([OLDER, NEWEST]);
    await world.recover();
    expect(world.asked).toEqual([`a ${NEWEST}`, `b ${NEWEST}`]);
    await (await acquireLock(world.state, NOW)).release();
  });

  it("a location that can not be reached does not keep the others from it; a defect is told", async () => {
    const away = worldAfter([NEWEST], new StowageError("UNAVAILABLE", "a is away"));
    await away.recover();
    expect(away.asked).toEqual([`a ${NEWEST}`, `b ${NEWEST}`]);
    await expect(worldAfter([NEWEST], new TypeError("no function")).recover()).rejects.toThrow("no function");
  });

  it("nobody is asked while another apply is at work, or before the first run", async () => {
    const busy = worldAfter([NEWEST]);
    const lock = await acquireLock(busy.state, NOW);
    await busy.recover();
    await lock.release();
    const fresh = worldAfter([]);
    await fresh.recover();
    expect([...busy.asked, ...fresh.asked]).toEqual([]);
  });
});
