import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Bench, commit, DISKS, type DiskName, type Images, openBench, syncAll } from "../../faults/disks.js";
import { applyAll, inScratch } from "../../faults/kit.js";
import { damageIn, differencesIn, leftoversIn, makeWorld } from "../../faults/look.js";
import { buildShim, type Shim } from "../../faults/shim.js";
import { runStopping } from "../../faults/stops.js";
import { plansFor, WORLD } from "../../faults/world.js";
import { figure, sized } from "../../support/figures.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

let shim: Shim;
let bench: Bench;
beforeAll(() => {
  shim = buildShim();
  bench = openBench();
});
afterAll(() => {
  shim?.remove();
  bench?.clear();
});

const ALL = Object.keys(DISKS) as DiskName[];

interface Round {
  name: string;
  /** How the disks are mounted, beyond the defaults. */
  options: string;
  /** The disks whose timer has just made them keep what they knew when the power goes at the `n`th stop. */
  ticks: (n: number) => DiskName[];
  /** Of so many stops one is looked at. */
  every: number;
  together?: boolean;
  /** And of so many of these, one is applied again. */
  again: number;
}

const ROUNDS: Round[] = [
  { name: "only what was synced is kept", options: "commit=300", ticks: () => [], ...often(55, 1) },
  { name: "all disks keep what they know", options: "commit=300", ticks: () => ALL, ...often(65, 1) },
  { name: "one disk keeps what it knows", options: "", ticks: (n) => ALL.slice(n % 4, (n % 4) + 1), ...often(60, 1) },
  { name: "one call for all", options: "commit=300", ticks: (n) => ALL.slice(n % 5), together: true, ...often(70, 2) },
  { name: "names before bytes", options: "data=writeback,commit=1", ticks: (n) => ALL.slice(n % 4), ...often(90, 3) },
];

function often(sample: number, full: number): Pick<Round, "every" | "again"> {
  return { every: sized(sample, full), again: sized(4, 12) };
}

interface Found {
  images: number;
  stops: number;
  problems: string[];
  kept: { at: string; images: Images }[];
}

/**
 * Takes an image of all disks at failpoint after failpoint of one run, and looks at what each would come up with. `first`: until
 * something is wrong.
 */
async function lose({ options, ticks, every, again, together }: Round, at: string[], first = false): Promise<Found> {
  const found: Found = { images: 0, stops: 0, problems: [], kept: [] };
  const { base, images } = bench.fresh(options);
  await makeWorld(base, WORLD);
  syncAll(base);
  let swept = false;
  await inScratch(async (_, beside) => {
    const plans = await plansFor(base);
    await runStopping(
      { base, beside },
      plans,
      { shim, at, ...(together && { together }) },
      async ({ name, number }) => {
        // The third lock is that of gc.
        if (name === "create:draft" && number === 3) swept = true;
        if (found.stops++ % every !== every >> 1) return "go on";
        for (const disk of ticks(found.images)) commit(base, disk);
        const now = images();
        const told = (what: string) => `${name} ${number}: ${what}`;
        found.problems.push(...(await bench.after(now, async (copy) => damageIn(copy, WORLD, { swept }))).map(told));
        if (found.images++ % again === 0) found.kept.push({ at: `${name} ${number}`, images: now });
        return first && found.problems.length > 0 ? "kill" : "go on";
      },
    );
    if (!first) for (const kept of found.kept) found.problems.push(...(await resume(kept, plans)));
  });
  return found;
}

/** After the power is back: the same plans again, and a new one for what is still to be done. */
async function resume(
  { at, images }: Found["kept"][number],
  plans: Awaited<ReturnType<typeof plansFor>>,
): Promise<string[]> {
  return await bench.after(images, async (base, beside) => {
    const where = { base, beside };
    await applyAll(where, plans);
    if (differencesIn(base, WORLD).length > 0) await applyAll(where, await plansFor(base));
    const wrong = [
      ...damageIn(base, WORLD, { swept: true }),
      ...differencesIn(base, WORLD),
      ...leftoversIn(base, WORLD),
    ];
    return wrong.map((what) => `${at}, applied again: ${what}`);
  });
}

describe("the power goes", () => {
  beforeEach(({ skip }) => {
    const problem = shim.problem ?? bench.problem;
    if (problem) skip(problem);
  });

  it.each(ROUNDS)("I1, I3, I4: no file is lost or wrong, and applying again ends the same: $name", async (round) => {
    const { images, stops, problems, kept } = await lose(round, ["* * stop"]);
    figure("disk images after a loss of power", images);
    figure("disk images applied again", kept.length);
    expect(problems).toEqual([]);
    expect(stops).toBeGreaterThan(300);
  });

  it.each([
    {
      what: "the bytes of a file are not synced",
      at: ["fsync:temp * swallow", "unlink:temp * stop"],
      ticks: ALL,
      together: false,
      finds: /^unlink:temp \d+: wrong bytes: b:/,
    },
    {
      what: "the bytes of many files are not synced by one call",
      at: ["syncfs:root * swallow", "unlink:temp * stop"],
      ticks: ALL,
      together: true,
      finds: /^unlink:temp \d+: wrong bytes: b:/,
    },
    {
      what: "the name of a file is not synced",
      at: ["fsync:folder@b * swallow", "fsync:root@b * swallow", "write:journal * stop"],
      ticks: ["a"] as DiskName[],
      together: false,
      finds: /^write:journal \d+: lost: /,
    },
    {
      what: "the note about a name that is only reserved is not synced",
      at: ["fsync:claim * swallow", "write:claim * stop"],
      ticks: ALL,
      together: false,
      finds: /^write:claim \d+: wrong bytes: c:multi, 0 bytes$/,
    },
  ])("is noticed here if $what", async ({ at, ticks, together, finds }) => {
    const more = { every: 1, again: 1e9, ...(together && { together }) };
    const round = { name: "", options: "commit=300", ticks: () => ticks, ...more };
    const { problems } = await lose(round, at, true);
    expect(problems).toEqual(expect.arrayContaining([expect.stringMatching(finds)]));
  });
});
