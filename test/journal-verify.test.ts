import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { ApplyEvent } from "../src/apply/events.js";
import { gc } from "../src/apply/gc.js";
import { journalFile } from "../src/apply/journal.js";
import { journalLines, untouched } from "../src/apply/journal-lines.js";
import { expectedUuids, readJournal } from "../src/apply/journal-read.js";
import type { JournalSource } from "../src/apply/journal-source.js";
import { verifyJournals } from "../src/apply/journal-verify.js";
import { unlock } from "../src/apply/lock.js";
import { unrecordedRemovals } from "../src/apply/record.js";
import { openCatalog } from "../src/catalog/catalog.js";
import { collect } from "../src/lib/iter.js";
import { type ActionSpec, cleanup, harvest, localWorld, NOW, planOf, run, scratch, type World } from "./setup/apply.js";

afterEach(cleanup);

const KEY = "gr\u00fc\u00dfe \ufffd \ud83d\ude00\n.jpg";
const before: Record<string, string> = { [`a:${KEY}`]: "1", "a:y": "2", "a:z": "3" };

/** A world in which one run after the other moved a file. */
async function ran(count = 1): Promise<World & { runs: string[] }> {
  const world = await localWorld(["a", "b"], before);
  const runs: string[] = [];
  for (const [address, content] of Object.entries(before).slice(0, count)) {
    const spec: ActionSpec = { kind: "move", from: address, to: address.replace("a:", "b:"), content };
    const plan = await planOf(world.backends, [spec]);
    const report = await run(world, plan, { now: () => NOW + runs.length * 1000 });
    runs.push(report.run);
  }
  return { ...world, runs };
}

/** A journal from memory, under the name of its run. */
const inMemory = (name: string, bytes: Buffer): JournalSource => ({
  name: "memory",
  placeOf: (each) => each,
  runs: async () => [name],
  async *bytes() {
    yield bytes;
  },
});

async function look(name: string, bytes: Buffer) {
  const found = untouched();
  const lines = await collect(journalLines(inMemory(name, bytes), name, found));
  return { ...found, lines: lines.map(({ line }) => line), ended: lines.at(-1)?.line.type === "end" };
}

describe("history --verify", () => {
  it("checks every line of every run", async () => {
    const { state, runs } = await ran(3);
    const { runs: checks, missing } = await verifyJournals(state);
    expect(missing).toEqual([]);
    expect(checks).toEqual(
      runs.map((each) => ({ run: each, place: journalFile(state, each), lines: 5, status: "complete", torn: false })),
    );
    expect((await verifyJournals(state, runs[1])).runs).toHaveLength(1);
    await expect(verifyJournals(state, "never")).rejects.toMatchObject({ code: "NO_SUCH_RUN" });
  });

  it("of 10,000 flipped bits each is noticed, or leaves a torn tail that is said so", async () => {
    const { state, runs } = await ran();
    const bytes = readFileSync(journalFile(state, runs[0]!));
    const whole = await look(runs[0]!, bytes);
    expect(whole).toMatchObject({ torn: false, damage: undefined, ended: true });
    let torn = 0;
    for (let index = 0; index < 10_000; index++) {
      const [at, bit] = [(index * 7919) % bytes.length, (index * 31) % 8];
      const spoilt = Buffer.from(bytes);
      spoilt[at]! ^= 1 << bit;
      const found = await look(runs[0]!, spoilt);
      expect(found.torn || found.damage !== undefined, `bit ${bit} of byte ${at}`).toBe(true);
      // What is read is what was written, up to there.
      expect(found.lines).toEqual(whole.lines.slice(0, found.lines.length));
      if (found.torn) torn += 1;
    }
    expect(torn).toBeLessThan(4_000);
  });

  it("of every truncation what is left is read as it was written, and that it does not end is said", async () => {
    const { state, runs } = await ran();
    const bytes = readFileSync(journalFile(state, runs[0]!));
    const whole = await look(runs[0]!, bytes);
    for (let length = 0; length < bytes.length; length++) {
      const found = await look(runs[0]!, bytes.subarray(0, length));
      expect(found).toMatchObject({ damage: undefined, ended: false });
      expect(found.lines).toEqual(whole.lines.slice(0, found.lines.length));
      expect(found.torn, String(length)).toBe(length === 0 || bytes[length - 1] !== 0x0a);
    }
  });

  it("misses what was cut off exactly between two lines, because the next run knew of it", async () => {
    const { state, runs } = await ran(2);
    const file = journalFile(state, runs[0]!);
    const lines = readFileSync(file, "utf8").split("\n");
    for (let kept = 0; kept < lines.length - 1; kept++) {
      writeFileSync(
        file,
        lines
          .slice(0, kept)
          .map((line) => `${line}\n`)
          .join(""),
      );
      const [first, second] = (await verifyJournals(state)).runs;
      expect(first?.damage).toEqual({
        line: kept + 1,
        reason: `its end is missing: run ${runs[1]} knew of more lines`,
      });
      expect(second?.damage).toBeUndefined();
    }
  });

  it("misses a journal that is gone from among the others; the oldest may be put away", async () => {
    const { state, runs } = await ran(3);
    rmSync(journalFile(state, runs[1]!));
    expect((await verifyJournals(state)).missing).toEqual([{ run: runs[1], known_by: runs[2] }]);
    rmSync(journalFile(state, runs[0]!));
    expect((await verifyJournals(state)).missing).toEqual([]);
  });

  it("notices the journal of another run under the name of this one, and lines of another in it", async () => {
    const { state, runs } = await ran(2);
    const [one, two] = runs.map((each) => readFileSync(journalFile(state, each), "utf8"));
    writeFileSync(journalFile(state, runs[0]!), two!);
    expect((await verifyJournals(state)).runs[0]?.damage?.line).toBe(1);
    const [lines, others] = [one!.split("\n"), two!.split("\n")];
    writeFileSync(journalFile(state, runs[0]!), [...lines.slice(0, 2), ...others.slice(2)].join("\n"));
    expect((await verifyJournals(state)).runs[0]?.damage?.line).toBe(3);
  });

  it("reads files that are no journals at all without falling over", async () => {
    const { state, runs } = await ran();
    mkdirSync(journalFile(state, "20240101T000000Z-0000000a"));
    writeFileSync(journalFile(state, "20240101T000000Z-0000000b"), Buffer.alloc(1 << 20));
    writeFileSync(journalFile(state, "20240101T000000Z-0000000c"), "\n\n\n");
    const checks = (await verifyJournals(state)).runs;
    expect(checks.map(({ torn, damage }) => (damage ? "damage" : torn ? "torn" : "whole"))).toEqual([
      "damage",
      "torn",
      "damage",
      "whole",
    ]);
    expect(checks[3]?.run).toBe(runs[0]);
  });
});

/** Ways to lose a journal. */
const LOSSES: { name: string; lose: (file: string) => void; told?: boolean }[] = [
  { name: "a flipped bit in its first line", lose: (file) => flip(file, 20), told: true },
  { name: "a flipped bit in the middle", lose: (file) => flip(file, readFileSync(file).length >> 1), told: true },
  { name: "a cut in half", lose: (file) => truncateSync(file, readFileSync(file).length >> 1) },
  { name: "nothing left in it", lose: (file) => truncateSync(file, 0) },
  { name: "zeros", lose: (file) => writeFileSync(file, Buffer.alloc(4096)) },
  {
    name: "a directory in its place",
    lose: (file) => {
      rmSync(file);
      mkdirSync(file);
    },
    told: true,
  },
  {
    name: "a link that leads nowhere in its place",
    lose: (file) => {
      rmSync(file);
      symlinkSync("nowhere", file);
    },
    told: true,
  },
  { name: "no file", lose: (file) => rmSync(file) },
];

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 4;
  writeFileSync(file, bytes);
}

describe("I7: a journal that was lost to", () => {
  it.each(LOSSES)("$name endangers nothing and keeps nobody from working", async ({ lose, told = false }) => {
    const world = await localWorld(["a", "b"], before);
    const specs: ActionSpec[] = ["y", "z"].map((key) => ({
      kind: "move",
      from: `a:${key}`,
      to: `b:${key}`,
      content: before[`a:${key}`] ?? "",
    }));
    const plan = await planOf(world.backends, specs);
    const first = await run(world, plan, { budget: { actions: 1 }, concurrency: 1 });
    lose(journalFile(world.state, first.run));
    const events: ApplyEvent[] = [];
    const second = await run(world, plan, { onEvent: (event) => void events.push(event), now: () => NOW + 1000 });
    expect(second.status).toBe("complete");
    expect(harvest(world.root)).toEqual({ [`a:${KEY}`]: "1", "b:y": "2", "b:z": "3" });
    expect(events.some((event) => event.type === "warning" && event.code === "JOURNAL_DAMAGED")).toBe(told);
    const catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
    await unrecordedRemovals(world.state, catalog);
    await catalog.close();
    expect((await expectedUuids(world.state)).size).toBe(2);
    expect((await gc(world.backends, { state: world.state, trash: 0, now: NOW })).problems).toEqual([]);
    expect(await unlock(world.state)).toBeUndefined();
    expect((await verifyJournals(world.state)).runs.length).toBeGreaterThan(0);
    expect((await readJournal(world.state, second.run)).damage).toBeUndefined();
  });
});
