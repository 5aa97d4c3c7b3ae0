import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { ApplyEvent } from "../src/apply/events.js";
import { journalFile, openJournal } from "../src/apply/journal.js";
import { mirroredJournals, openMirror } from "../src/apply/journal-mirror.js";
import { expectedUuids, readJournal, readRuns } from "../src/apply/journal-read.js";
import { verifyJournals } from "../src/apply/journal-verify.js";
import type { Backend } from "../src/backend/backend.js";
import { localBackend } from "../src/backend/local.js";
import { memoryBackend } from "../src/backend/memory.js";
import { StowageError } from "../src/lib/error.js";
import { collect } from "../src/lib/iter.js";
import { memoryStore } from "../src/testing/memory-store.js";
import { type ActionSpec, cleanup, memoryWorld, NOW, planOf, run, scratch, uuidOf } from "./setup/apply.js";
import { bucketOf, contentsOf } from "./setup/store.js";

afterEach(cleanup);

async function marked(backend: Backend): Promise<Backend> {
  await backend.writeMarker(uuidOf(backend.location));
  return backend;
}

const PLACES: [string, () => Promise<Backend>][] = [
  ["memory", async () => memoryBackend("hub", uuidOf("hub"))],
  ["a directory", () => marked(localBackend("hub", scratch()))],
  ["a bucket", () => marked(bucketOf("hub", memoryStore()))],
  [
    "a bucket that loses answers",
    () => marked(bucketOf("hub", memoryStore({ defects: ["loses the answer after the effect"] }))),
  ],
];

const MOVE: ActionSpec = { kind: "move", from: "a:x", to: "b:x", content: "1" };
const COPY: ActionSpec = { kind: "copy", from: "a:y", to: "b:y", content: "2" };

async function worldWith(hub: Backend) {
  const { state, backends: memories } = memoryWorld(["a", "b"], { "a:x": "1", "a:y": "2" });
  const backends = new Map<string, Backend>([...memories, ["hub", hub]]);
  const events: ApplyEvent[] = [];
  const warnings = () =>
    events.flatMap((event) => (event.type === "warning" ? [`${event.code} ${event.message}`] : []));
  const apply = async (specs: ActionSpec[], at = NOW) =>
    await run({ state, backends }, await planOf(backends, specs), {
      mirror: { location: "hub", patience: 5_000 },
      now: () => at,
      onEvent: (event) => void events.push(event),
    });
  return { state, backends, memories, warnings, apply };
}

describe.each(PLACES)("the copies of journals in %s", (_name, open) => {
  it("are the journals, byte by byte, and are read like them by a machine that has none", async () => {
    const hub = await open();
    const world = await worldWith(hub);
    const runs = [(await world.apply([MOVE])).run, (await world.apply([COPY], NOW + 1000)).run];
    expect(world.warnings()).toEqual([]);
    const source = await mirroredJournals(hub);
    expect(await source.runs()).toEqual(runs);
    for (const each of runs) {
      expect(Buffer.concat(await collect(source.bytes(each)))).toEqual(readFileSync(journalFile(world.state, each)));
      expect(await readJournal(source, each)).toEqual(await readJournal(world.state, each));
    }
    expect(await readRuns(source)).toEqual(await readRuns(world.state));
    await hub.journals!.add("foo.bar/000000000000000.ndjson", Buffer.from("not ours\n"));
    expect(await source.runs()).toEqual(runs);
    expect(await expectedUuids(source)).toEqual(await expectedUuids(world.state));
    expect((await verifyJournals(source)).runs.every(({ damage, status }) => !damage && status === "complete")).toBe(
      true,
    );
    await expect(readJournal(source, "never")).rejects.toMatchObject({ code: "NO_SUCH_RUN" });
    await expect(readJournal(source, "../../x")).rejects.toMatchObject({ code: "NO_SUCH_RUN" });
    expect(await collect(hub.list())).toEqual([]);
  });
});

const header = (id: string) => ({
  ...{ type: "run" as const, run: id, plan_id: "p", config: "c", pid: 1, started: NOW },
  locations: [{ location: "a", uuid: "u" }],
});

describe("a mirror", () => {
  const hub = () => memoryBackend("hub", uuidOf("hub"));

  it("copies while the run goes on, in whole lines, so that a machine that is lost leaves its trail", async () => {
    const [place, state] = [hub(), scratch()];
    const journal = await openJournal(state, header("run-1"));
    const problems: string[] = [];
    const mirror = openMirror(place, { state, run: "run-1", every: 10, onProblem: (why) => void problems.push(why) });
    const source = await mirroredJournals(place);
    const until = async (lines: number) => {
      for (let look = 0; look < 200; look++) {
        await sleep(5);
        const found = await readJournal(source, "run-1").catch(() => undefined);
        if (found?.lines.length === lines) return found;
      }
      throw new Error(`never saw ${lines} lines`);
    };
    await until(1);
    appendFileSync(journalFile(state, "run-1"), '{"type":"remo');
    await sleep(30);
    expect(await until(1)).toMatchObject({ torn: false, damage: undefined });
    await mirror.close();
    await journal.close();
    expect(problems).toEqual([]);
  });

  it("makes up for what earlier runs could not copy", async () => {
    const place = hub();
    const world = await worldWith(place);
    const first = await run(world, await planOf(world.backends, [MOVE]), { now: () => NOW });
    await world.apply([COPY], NOW + 1000);
    const source = await mirroredJournals(place);
    expect(await readJournal(source, first.run)).toEqual(await readJournal(world.state, first.run));
  });

  it.each<{ name: string; spoil: (place: Backend) => Backend }>([
    {
      name: "is unplugged",
      spoil: (place) => ({
        ...place,
        marker: () => Promise.reject(new StowageError("UNAVAILABLE", "hub is not connected")),
      }),
    },
    { name: "is another disk", spoil: (place) => ({ ...place, marker: async () => uuidOf("other") }) },
    { name: "is an empty mount point", spoil: (place) => ({ ...place, marker: async () => undefined }) },
    {
      name: "is full",
      spoil: (place) => ({
        ...place,
        journals: { ...place.journals!, add: () => Promise.reject(new StowageError("OUT_OF_SPACE", "hub: full")) },
      }),
    },
    {
      name: "holds something else there",
      spoil: (place) => ({
        ...place,
        journals: { ...place.journals!, add: async () => false, read: async () => Buffer.from("else") },
      }),
    },
    {
      name: "is a plug-in that has none",
      spoil: ({ journals: _, ...place }) => place,
    },
  ])("whose location $name is one warning, and the work is done", async ({ spoil }) => {
    const world = await worldWith(spoil(hub()));
    const report = await world.apply([MOVE, COPY]);
    expect(report.status).toBe("complete");
    expect(contentsOf(world.memories)).toEqual({ "a:y": "2", "b:x": "1", "b:y": "2" });
    expect(world.warnings()).toEqual([
      expect.stringMatching(/^NOT_MIRRORED the journal could not be copied to hub: \w/),
    ]);
    expect((await readJournal(world.state, report.run)).end?.report.status).toBe("complete");
  });

  it("that does not answer at all does not keep the run from ending", async () => {
    const place = hub();
    const world = await worldWith({ ...place, marker: () => new Promise(() => undefined) });
    const report = await run(world, await planOf(world.backends, [{ ...COPY }].slice(1)), {
      mirror: { location: "hub", patience: 20 },
    });
    expect(report.status).toBe("complete");
  });

  it("leaves a piece that is missing to be noticed", async () => {
    const place = hub();
    const world = await worldWith(place);
    const { run: id } = await world.apply([MOVE]);
    const bytes = readFileSync(journalFile(world.state, id));
    const half = bytes.indexOf("\n") + 1;
    const other = hub();
    await other.journals!.add(`${id}/${String(half).padStart(15, "0")}.ndjson`, bytes.subarray(half));
    expect((await verifyJournals(await mirroredJournals(other))).runs[0]?.damage).toEqual({
      line: 1,
      reason: "a line before it is missing or was changed",
    });
  });

  it("S14: the UUIDs that it knows are those of the newest run, when the state directory is gone", async () => {
    const place = hub();
    const world = await worldWith(place);
    await world.apply([MOVE]);
    rmSync(world.state, { recursive: true });
    expect((await expectedUuids(world.state)).size).toBe(0);
    expect(await expectedUuids(await mirroredJournals(place), { wanted: ["a", "b"] })).toEqual(
      new Map(["a", "b", "hub"].map((name) => [name, uuidOf(name)])),
    );
  });
});
