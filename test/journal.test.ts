import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { chained, type JournalHeader, journalFile, newRunId, openJournal } from "../src/apply/journal.js";
import { expectedUuids, readJournal, readRemovals, readRuns } from "../src/apply/journal-read.js";
import { unrecordedRemovals } from "../src/apply/record.js";
import { openCatalog } from "../src/catalog/catalog.js";
import { sql } from "../src/catalog/sql.js";
import { failing } from "../src/testing/index.js";
import { cleanup, harvest, localWorld, NOW, planOf, run, scratch, uuidOf } from "./setup/apply.js";

afterEach(cleanup);

const RUN = "20250601T000000Z-00000001";
const header = (more: Partial<JournalHeader> = {}): JournalHeader => ({
  type: "run",
  run: RUN,
  plan_id: "p-1",
  config: "sha256:1",
  pid: 1,
  started: NOW,
  locations: [{ location: "a", uuid: "u-a" }],
  ...more,
});
const removal = (key: string) => ({
  type: "remove" as const,
  at: NOW,
  action: key,
  location: "a",
  key,
  version: "1",
  planned: "1",
  sha256: "00",
  trash: false,
  size: 1,
  mtime: "0",
});

async function written(state: string): Promise<string> {
  const journal = await openJournal(state, header());
  for (const key of ["x", "y", "z"]) await journal.commit(removal(key));
  await journal.close();
  return journalFile(state, RUN);
}

describe("the journal", () => {
  it("is read back as it was written", async () => {
    const state = scratch();
    await written(state);
    const { lines, damage, torn } = await readJournal(state, RUN);
    expect({ lines: lines.length, damage, torn }).toEqual({ lines: 4, damage: undefined, torn: false });
    expect(lines[3]).toEqual(removal("z"));
  });

  it("keeps the order of lines that come at once, and has them all on disk when they are committed", async () => {
    const state = scratch();
    const journal = await openJournal(state, header());
    await Promise.all(Array.from({ length: 200 }, (_, index) => journal.commit(removal(String(index)))));
    expect((await readJournal(state, RUN)).lines.length).toBe(201);
    await journal.close();
    const { lines, damage } = await readJournal(state, RUN);
    expect(damage).toBeUndefined();
    expect(lines.slice(1).map((line) => line.type === "remove" && line.key)).toEqual(
      Array.from({ length: 200 }, (_, index) => String(index)),
    );
  });

  it.each([
    { name: "half a line", tail: '{"type":"remove","at":17' },
    { name: "a line without its end", tail: `${chained(removal("t"), null).text.trimEnd()}` },
    { name: "zeros that a crash left", tail: "\0".repeat(512) },
    { name: "half a line, zeros and its newline", tail: '{"type":"rem\0\0\0\n' },
  ])("drops a torn tail: $name", async ({ tail }) => {
    const state = scratch();
    appendFileSync(await written(state), tail);
    const { lines, damage, torn } = await readJournal(state, RUN);
    expect({ lines: lines.length, damage, torn }).toEqual({ lines: 4, damage: undefined, torn: true });
  });

  it.each([
    {
      name: "a changed line",
      spoil: (lines: string[]) => [lines[0], lines[1]?.replace('"x"', '"w"'), ...lines.slice(2)],
      line: 2,
      reads: 1,
    },
    { name: "a missing line", spoil: (lines: string[]) => [lines[0], ...lines.slice(2)], line: 2, reads: 1 },
    {
      name: "lines in another order",
      spoil: (lines: string[]) => [lines[0], lines[2], lines[1], ...lines.slice(3)],
      line: 2,
      reads: 1,
    },
    {
      name: "garbage in the middle",
      spoil: (lines: string[]) => [...lines.slice(0, 3), "garbage", ...lines.slice(3)],
      line: 4,
      reads: 3,
    },
  ])("tells of damage and reads until there: $name", async ({ spoil, line, reads }) => {
    const state = scratch();
    const file = await written(state);
    writeFileSync(file, spoil(readFileSync(file, "utf8").split("\n")).join("\n"));
    const content = await readJournal(state, RUN);
    expect({ line: content.damage?.line, lines: content.lines.length }).toEqual({ line, lines: reads });
  });

  it.each([
    {
      name: "whose list is none",
      line: { type: "run", run: RUN, plan_id: "p", config: "c", started: 1, locations: 5 },
    },
    { name: "whose size is text", line: { ...removal("x"), size: "1" } },
    { name: "whose time is no number", line: { ...removal("x"), mtime: "now" } },
    { name: "without an outcome", line: { type: "done", at: 1 } },
    { name: "without a report", line: { type: "end", at: 1, report: null } },
    { name: "without a type", line: { at: 1 } },
  ])("I7: a line that somebody has sealed and stowage never wrote is damage: $name", async ({ line }) => {
    const state = scratch();
    const file = await written(state);
    const first = line.type === "run";
    const before = readFileSync(file, "utf8").trimEnd().split("\n");
    const prev = (JSON.parse(before.at(-1) ?? "") as { hash: string }).hash;
    const { text } = chained(line as unknown as JournalHeader, first ? null : prev);
    writeFileSync(file, first ? text : `${before.join("\n")}\n${text}`);
    const { damage, lines } = await readJournal(state, RUN);
    expect([damage?.reason, lines.length]).toEqual([
      expect.stringContaining("no line of a journal is like that"),
      first ? 0 : 4,
    ]);
    expect(await expectedUuids(state)).toBeInstanceOf(Map);
    expect(await readRuns(state)).toHaveLength(1);
  });

  it("a run that is not there is said so", async () => {
    await expect(readJournal(scratch(), "nothing")).rejects.toMatchObject({ code: "NO_SUCH_RUN" });
    await expect(readJournal(scratch(), "../../etc/passwd")).rejects.toMatchObject({ code: "NO_SUCH_RUN" });
  });

  it("names of runs sort by time and never collide", () => {
    expect(newRunId(NOW)).toMatch(/^20250601T000000Z-[0-9a-f]{8}$/);
    expect(new Set(Array.from({ length: 100 }, () => newRunId(NOW))).size).toBe(100);
  });

  it("S14: the expected UUID of a location is that of the newest run that knew one", async () => {
    const state = scratch();
    const runs = [
      {
        run: "20250601T000000Z-1",
        locations: [
          { location: "a", uuid: "old" },
          { location: "b", uuid: "b" },
        ],
      },
      {
        run: "20250602T000000Z-1",
        locations: [
          { location: "a", uuid: "new" },
          { location: "b", uuid: null },
        ],
      },
    ];
    for (const each of runs) await (await openJournal(state, header(each))).close();
    expect(await expectedUuids(state)).toEqual(
      new Map([
        ["a", "new"],
        ["b", "b"],
      ]),
    );
  });
});

describe("what a run leaves in its journal", () => {
  const MOVE = { kind: "move", from: "a:x", to: "b:x", content: "1" } as const;

  it("an intent before each removal, its outcome after, and the end", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const report = await run(world, await planOf(world.backends, [MOVE]));
    const { lines, header: first, end } = await readJournal(world.state, report.run);
    expect(lines.map(({ type }) => type)).toEqual(["run", "remove", "removed", "done", "end"]);
    expect(first?.locations).toEqual([
      { location: "a", uuid: uuidOf("a") },
      { location: "b", uuid: uuidOf("b") },
    ]);
    expect(end?.report).toMatchObject({ status: "complete", moved: 1 });
    expect(await readRuns(world.state)).toMatchObject([{ run: report.run, status: "complete", damage: undefined }]);
  });

  it("the intent is on the disk before the file is touched", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    const seen: string[] = [];
    const a = world.backends.get("a")!;
    world.backends.set("a", {
      ...a,
      async remove(key, options) {
        const [file = ""] = readdirSync(join(world.state, "journal"));
        seen.push(readFileSync(join(world.state, "journal", file), "utf8"));
        await a.remove(key, options);
      },
    });
    await run(world, plan);
    expect(seen[0]).toContain('"type":"remove"');
  });

  it("a removal that was not done is no removal", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    world.backends.set("a", failing(world.backends.get("a")!, { operation: "remove", lasting: true }));
    const report = await run(world, plan);
    expect((await readRemovals(world.state, report.run)).removals).toEqual([]);
  });

  it("a journal that can not be created stops the run before anything is touched", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const plan = await planOf(world.backends, [MOVE]);
    mkdirSync(world.state, { recursive: true });
    writeFileSync(join(world.state, "journal"), "a file");
    await expect(run(world, plan)).rejects.toMatchObject({ code: "JOURNAL_FAILED" });
    expect(harvest(world.root)).toEqual({ "a:x": "1" });
  });

  it("removals of a run that the catalog does not know are told to the next scan, once", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    const report = await run(world, await planOf(world.backends, [MOVE]));
    const catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
    expect(await unrecordedRemovals(world.state, catalog)).toEqual([{ location: "a", key: "x" }]);
    await catalog.run(
      sql`INSERT INTO runs VALUES (${report.run}, 'p', now()::TIMESTAMP, NULL, 'complete', 0, 0, 0, 0, 0, 0, 0)`,
    );
    expect(await unrecordedRemovals(world.state, catalog)).toEqual([]);
    await catalog.close();
  });

  it("a removal that a complete scan has seen since is settled: the same key may be drift later", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1" });
    await run(world, await planOf(world.backends, [MOVE]));
    const catalog = await openCatalog(join(scratch(), "catalog.duckdb"));
    const scan = (id: number, at: number, status: string) => sql`
      INSERT INTO scans (id, location, started_at, status, files, bytes, hashed, hashed_bytes, added, changed, missing, settling, skipped)
      VALUES (${id}, 'a', epoch_ms(CAST(${BigInt(at)} AS BIGINT)), ${status}, 0, 0, 0, 0, 0, 0, 0, 0, 0)`;
    await catalog.run(scan(1, NOW - 1, "complete"));
    await catalog.run(scan(2, NOW + 1, "partial"));
    expect(await unrecordedRemovals(world.state, catalog)).toHaveLength(1);
    await catalog.run(scan(3, NOW + 1, "complete"));
    expect(await unrecordedRemovals(world.state, catalog)).toEqual([]);
    await catalog.close();
  });

  it("I7: a state directory that was deleted takes no safety with it", async () => {
    const world = await localWorld(["a", "b"], { "a:x": "1", "b:x": "2" });
    const plan = await planOf(world.backends, [{ ...MOVE, expect: "absent" }]);
    await run(world, plan);
    rmSync(world.state, { recursive: true });
    await run(world, plan);
    expect(harvest(world.root)).toEqual({ "a:x": "1", "b:x": "2" });
  });
});
