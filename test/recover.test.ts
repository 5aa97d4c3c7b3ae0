import { mkdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { ApplyEvent } from "../src/apply/events.js";
import { journalDirectory, journalFile } from "../src/apply/journal.js";
import { acquireLock } from "../src/apply/lock.js";
import { recover } from "../src/apply/recover.js";
import type { Backend, Leftover } from "../src/backend/backend.js";
import { memoryBackend } from "../src/backend/memory.js";
import { StowageError } from "../src/lib/error.js";
import { cleanup, NOW, scratch } from "./setup/apply.js";

afterEach(cleanup);

const [OLDER, NEWEST] = ["20250601T000000Z-00000001", "20250601T000001Z-00000002"];

/** Two locations that note which run they are asked to give back, after two runs; the first may fail. */
function worldAfter(runs: string[], fails?: Error, taken: Leftover[] = []) {
  const state = scratch();
  mkdirSync(journalDirectory(state));
  for (const run of runs) writeFileSync(journalFile(state, run), "");
  const asked: string[] = [];
  const open = (name: string, error?: Error): [string, Backend] => {
    const restore = async (run: string) => {
      asked.push(`${name} ${run}`);
      if (error) throw error;
      return run === NEWEST ? taken : [];
    };
    return [name, { ...memoryBackend(name), restore }];
  };
  const backends = new Map([open("a", fails), ["plain", memoryBackend("plain")] as const, open("b")]);
  const told: string[] = [];
  const onEvent = (event: ApplyEvent) => void told.push(event.type === "warning" ? event.message : event.type);
  return { state, asked, told, recover: () => recover(state, backends, NOW, onEvent) };
}

describe("before a plan is made", () => {
  it("I1: each location gives back what recent runs were removing when they were killed: it may have been away since", async () => {
    const world = worldAfter([OLDER, NEWEST]);
    await world.recover();
    expect(world.asked).toEqual([`a ${NEWEST}`, `a ${OLDER}`, `b ${NEWEST}`, `b ${OLDER}`]);
    expect(world.told).toEqual([]);
    await (await acquireLock(world.state, NOW)).release();
  });

  it("says where the bytes of a file are whose name is taken", async () => {
    const left = {
      kind: "trash",
      run: NEWEST,
      key: "a.jpg",
      handle: ".stowage-trash/r/1/a.jpg",
      size: 1,
      since: 0,
    } as const;
    const world = worldAfter([NEWEST], undefined, [{ ...left, unfinished: true }]);
    await world.recover();
    expect(world.told[0]).toMatch(/^a:a\.jpg was being removed .* its bytes are in \.stowage-trash\/r\/1\/a\.jpg$/);
  });

  it("a location that can not be reached does not keep the others from it, and is told; a defect is thrown", async () => {
    const away = worldAfter([NEWEST], new StowageError("UNAVAILABLE", "a is away"));
    await away.recover();
    expect([away.asked, away.told]).toEqual([[`a ${NEWEST}`, `b ${NEWEST}`], ["a is away"]]);
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
