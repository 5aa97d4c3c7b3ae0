import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type JournalHeader, journalDirectory, journalFile, openJournal } from "../src/apply/journal.js";
import { mirroredJournals, openMirror } from "../src/apply/journal-mirror.js";
import { readHeader, readJournal, readRuns } from "../src/apply/journal-read.js";
import { journalsIn } from "../src/apply/journal-source.js";
import { verifyJournals } from "../src/apply/journal-verify.js";
import { memoryBackend } from "../src/backend/memory.js";
import { collect } from "../src/lib/iter.js";
import { cleanup, harvest, localWorld, memoryWorld, NOW, planOf, run, scratch, uuidOf } from "./setup/apply.js";

const RUN = "20250601T000000Z-00000001";
const header: JournalHeader = {
  ...{ type: "run", run: RUN, plan_id: "p-1", config: "sha256:1", pid: 1, started: NOW },
  locations: [{ location: "a", uuid: "u-a" }],
};
const line = (key: string) =>
  ({ type: "kept", at: NOW, action: key, location: "a", key, sha256: "00", trash: false }) as const;

/** Lets the disk be full for whatever is made durable from now on, or for the first of it. */
let full: (times?: number) => void;
beforeEach(async () => {
  const handle = await open(scratch(), "r");
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  full = (times = 100) => {
    const spy = vi.spyOn(prototype, "datasync");
    const error = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    for (let time = 0; time < times; time++) spy.mockRejectedValueOnce(error);
  };
});
afterEach(() => {
  vi.restoreAllMocks();
  cleanup();
});

describe("a journal that can not be written", () => {
  it("fails every commit from then on, also those that wait and those that come when there is room again", async () => {
    const journal = await openJournal(scratch(), header);
    full(1);
    const commits = await Promise.allSettled([
      journal.commit(line("x")),
      journal.commit(line("y")),
      journal.commit(line("z")),
    ]);
    expect(commits.map((each) => each.status === "rejected" && each.reason.code)).toEqual(
      Array(3).fill("JOURNAL_FAILED"),
    );
    await expect(journal.commit(line("later"))).rejects.toMatchObject({ code: "JOURNAL_FAILED" });
    await expect(journal.close()).rejects.toMatchObject({ code: "JOURNAL_FAILED" });
  });

  it("keeps a run from beginning where the state directory can not hold it", async () => {
    const state = scratch();
    writeFileSync(journalDirectory(state), "a file");
    await expect(openJournal(state, header)).rejects.toMatchObject({
      code: "JOURNAL_FAILED",
      hint: expect.any(String),
    });
  });

  it("I2: removes nothing, begins nothing more and ends the run", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "a:y": "2" });
    const plan = await planOf(world.backends, [
      { kind: "move", from: "a:x", to: "b:x", content: "1" },
      { kind: "move", from: "a:y", to: "b:y", content: "2" },
    ]);
    const began = run(world, plan, { concurrency: 1, onEvent: ({ type }) => type === "action-start" && full() });
    await expect(began).rejects.toMatchObject({ code: "JOURNAL_FAILED" });
    expect(harvest(world.root)).toEqual({ "a:x": "1", "a:y": "2", "b:x": "1" });
  });
});

describe("a journal that is none", () => {
  it("is a run of which nothing is known, however long it is", async () => {
    const state = scratch();
    mkdirSync(journalDirectory(state));
    const file = journalFile(state, RUN);
    writeFileSync(file, "");
    truncateSync(file, 66 << 20);
    writeFileSync(journalFile(state, "20250601T000000Z-00000002"), "garbage\nmore\n");
    expect(await readRuns(state)).toMatchObject([
      { run: RUN, plan_id: "", started: 0, status: "open", damage: undefined },
      { plan_id: "", status: "open", damage: { line: 1 } },
    ]);
    expect(await readJournal(state, RUN)).toMatchObject({ header: undefined, lines: [], torn: true });
    expect(await readHeader(state, RUN)).toBeUndefined();
  });

  it("has no line where one is longer than any of ours", async () => {
    const state = scratch();
    mkdirSync(journalDirectory(state));
    const file = journalFile(state, RUN);
    writeFileSync(file, "");
    truncateSync(file, 66 << 20);
    writeFileSync(file, "\nmore\n", { flag: "a" });
    expect(await readJournal(state, RUN)).toMatchObject({ lines: [], damage: { line: 1 } });
  });

  it("says that a state directory whose journals can not be listed is not to be used", async () => {
    const state = scratch();
    writeFileSync(journalDirectory(state), "a file");
    await expect(journalsIn(state).runs()).rejects.toMatchObject({ code: "JOURNAL_FAILED" });
  });
});

describe("the copies of journals", () => {
  it("go on after a piece whose answer was lost, and do not copy it twice (I6)", async () => {
    const hub = memoryBackend("hub", uuidOf("hub"));
    const shelf = hub.journals!;
    const problems: string[] = [];
    let answers = 0;
    const losing = {
      ...hub,
      journals: {
        ...shelf,
        add: async (name: string, bytes: Uint8Array) => (await shelf.add(name, bytes)) && ++answers > 1,
      },
    };
    const state = scratch();
    const journal = await openJournal(state, header);
    // Before the first look of the copier: what comes after it would be a piece of its own.
    await journal.commit(line("x"));
    const mirror = openMirror(losing, {
      state,
      run: RUN,
      uuid: uuidOf("hub"),
      onProblem: (why) => void problems.push(why),
    });
    await mirror.close();
    await journal.close();
    expect(problems).toEqual([]);
    const source = await mirroredJournals(hub);
    expect((await readJournal(source, RUN)).lines).toHaveLength(2);
    expect((await collect(shelf.list(RUN))).length).toBe(1);
  });

  it("are told from what else lies there", async () => {
    const hub = memoryBackend("hub", uuidOf("hub"));
    await hub.journals!.add("README", Buffer.from("not a journal"));
    await hub.journals!.add(`${RUN}/notes.txt`, Buffer.from("not a piece"));
    const source = await mirroredJournals(hub);
    expect(await source.runs()).toEqual([]);
    expect((await verifyJournals(source)).runs).toEqual([]);
  });

  it("are one warning where their location is not open, and the work is done", async () => {
    const world = memoryWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [{ kind: "move", from: "a:x", to: "b:x", content: "1" }]);
    const warnings: string[] = [];
    const report = await run(world, plan, {
      mirror: { location: "hub" },
      onEvent: (event) => event.type === "warning" && warnings.push(event.message),
    });
    expect(report.status).toBe("complete");
    expect(warnings).toEqual(["the journal could not be copied to hub: the location is not available"]);
  });
});
