import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { gc } from "../../../src/apply/gc.js";
import { journalFile } from "../../../src/apply/journal.js";
import { journalLines, untouched } from "../../../src/apply/journal-lines.js";
import { expectedUuids, readRuns } from "../../../src/apply/journal-read.js";
import type { JournalSource } from "../../../src/apply/journal-source.js";
import { verifyJournals } from "../../../src/apply/journal-verify.js";
import { unlock } from "../../../src/apply/lock.js";
import { collect } from "../../../src/lib/iter.js";
import { type Random, random } from "../../hostile/random.js";
import { type ActionSpec, cleanup, harvest, localWorld, NOW, planOf, run } from "../../setup/apply.js";
import { figure, sized } from "../../support/figures.js";

afterEach(cleanup);
vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const TREE = { "a:w": "0", "a:x": "1", "a:y": "2", "a:z": "3" };
const SPECS: ActionSpec[] = Object.entries(TREE).map(([from, content]) => ({
  ...{ kind: "move", from, to: from.replace("a:", "b:"), content },
}));

/** A world in which a plan was carried out by half. */
async function halfway(actions = 2) {
  const world = await localWorld(["a", "b"], TREE);
  const plan = await planOf(world.backends, SPECS);
  const first = await run(world, plan, { budget: { actions }, concurrency: 1 });
  return { world, plan, file: journalFile(world.state, first.run), run: first.run };
}

const inMemory = (name: string, bytes: Buffer): JournalSource => ({
  ...{ name: "memory", placeOf: (each) => each, runs: async () => [name] },
  async *bytes() {
    yield bytes;
  },
});

async function look(name: string, bytes: Buffer) {
  const found = untouched();
  const lines = (await collect(journalLines(inMemory(name, bytes), name, found))).map(({ line }) => line);
  return { ...found, lines };
}

describe("a journal", () => {
  it("tells every flipped bit, and nothing that was not written is read from it", async () => {
    const { file, run: name } = await halfway(4);
    const bytes = readFileSync(file);
    const whole = (await look(name, bytes)).lines;
    const flips = sized(10_000, 200_000);
    const { below } = random(77);
    for (let count = 0; count < flips; count++) {
      const [at, bit] = [below(bytes.length), below(8)];
      const spoilt = Buffer.from(bytes);
      spoilt[at]! ^= 1 << bit;
      const found = await look(name, spoilt);
      // Without the last newline it looks like a line that was being written.
      if (found.damage === undefined && !(found.torn && at === bytes.length - 1))
        expect.fail(`bit ${bit} of byte ${at} goes unnoticed`);
      if (found.lines.length > 0) expect(found.lines.at(-1)).toEqual(whole[found.lines.length - 1]);
    }
    figure("journal flips", flips);
  });

  it("cut off anywhere is read as it was written, and never taken for one that has ended", async () => {
    const { file, run: name } = await halfway(4);
    const bytes = readFileSync(file);
    const whole = (await look(name, bytes)).lines;
    expect(whole.at(-1)?.type).toBe("end");
    for (let length = 0; length < bytes.length; length++) {
      const found = await look(name, bytes.subarray(0, length));
      expect(found.damage).toBeUndefined();
      expect(found.lines.length).toBeLessThan(whole.length);
      expect(found.torn, String(length)).toBe(length === 0 || bytes[length - 1] !== 0x0a);
    }
    figure("journal truncations", bytes.length);
  });
});

type Spoil = (file: string, random: Random) => void;

const text = (change: (lines: string[], random: Random) => string[]): Spoil => {
  return (file, chance) => {
    const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
    writeFileSync(
      file,
      change(lines, chance)
        .map((line) => `${line}\n`)
        .join(""),
    );
  };
};

const SPOILS: readonly (readonly [string, Spoil])[] = [
  ["a burst of noise", (file, { below }) => overwrite(file, below, 40)],
  ["noise everywhere", (file, { below }) => overwrite(file, below, 4_000)],
  ["cut off", (file, { below }) => truncateSync(file, below(readFileSync(file).length))],
  ["a line lost", text((lines, { below }) => lines.toSpliced(below(lines.length), 1))],
  [
    "a line twice",
    text((lines, { below }) => lines.toSpliced(below(lines.length), 0, lines[below(lines.length)] ?? "")),
  ],
  ["two lines exchanged", text((lines, { below }) => [...lines].sort(() => below(3) - 1))],
  [
    "a line that nobody wrote",
    (file) => appendFileSync(file, '{"type":"end","at":0,"report":{"status":"complete"}}\n'),
  ],
  ["half a line more", (file) => appendFileSync(file, '{"type":"remo')],
  ["another key in it", (file) => writeFileSync(file, readFileSync(file, "utf8").replaceAll('"key":"', '"key":"../'))],
  ["nothing but lines", (file) => writeFileSync(file, "{}\nnull\n[]\n7\n\n")],
  ["gone", (file) => rmSync(file)],
];

function overwrite(file: string, below: Random["below"], length: number): void {
  const bytes = readFileSync(file);
  const start = below(bytes.length);
  for (let at = start; at < Math.min(start + length, bytes.length); at++) bytes[at] = below(256);
  writeFileSync(file, bytes);
}

describe("I7: a damaged journal", () => {
  it("endangers no file and keeps nobody from working, whatever has become of it", async () => {
    const worlds = sized(22, 1_100);
    for (let seed = 0; seed < worlds; seed++) {
      const [name, spoil] = SPOILS[seed % SPOILS.length]!;
      const what = `${name} (${seed})`;
      const { world, plan, file } = await halfway(1 + (seed % 3));
      spoil(file, random(seed));
      const second = await run(world, plan, { now: () => NOW + 1_000 }).catch((error: unknown) => error);
      // At worst the plan is taken for applied: then nothing more is done, and a new one is made.
      if (second instanceof Error) expect(second, what).toMatchObject({ code: "PLAN_APPLIED" });
      else expect(second, what).toMatchObject({ status: "complete" });
      const left = harvest(world.root);
      expect(Object.values(left).sort(), what).toEqual(Object.values(TREE));
      if (!(second instanceof Error)) expect(Object.keys(left), what).toEqual(["b:w", "b:x", "b:y", "b:z"]);
      expect((await verifyJournals(world.state)).runs.length, what).toBeGreaterThan(0);
      await readRuns(world.state);
      await expectedUuids(world.state);
      expect((await gc(world.backends, { state: world.state, trash: 0, now: NOW + 2_000 })).problems, what).toEqual([]);
      expect(await unlock(world.state), what).toBeUndefined();
      cleanup();
    }
    figure("damaged journals", worlds);
  });
});
