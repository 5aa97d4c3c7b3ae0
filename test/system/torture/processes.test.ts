import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CLI_WORLD, makeCliWorld } from "../../faults/cli-world.js";
import { applyAll, type Disturbance, type Ended, inParallel, inScratch, runNode, type Step } from "../../faults/kit.js";
import { damageIn, differencesIn, leftoversIn, makeWorld } from "../../faults/look.js";
import { buildShim, type Failpoint, type Shim } from "../../faults/shim.js";
import { plansFor, WORLD } from "../../faults/world.js";
import { FULL, figure, sized } from "../../support/figures.js";
import { BIN, NOW } from "../cli-run.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

let shim: Shim;
afterAll(() => shim?.remove());

const KILLS = ["kill", "kill-after"];
const ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EACCES", "done-but-EIO"];
/** Where the name says that there is more to break. */
const MORE: Record<string, string[]> = {
  write: ["short", "short-kill"],
  link: ["EPERM"],
  "write:temp": ["garble"],
  "read:temp": ["garble"],
  "read:source": ["garble"],
};
const faultsFor = (name: string): string[] => [
  ...(MORE[name] ?? []),
  ...KILLS,
  ...ERRORS,
  ...(MORE[name.split(":")[0] ?? ""] ?? []),
];

interface Trial extends Pick<Failpoint, "name" | "number"> {
  fault: string;
  /** Threads work on the files, and one call makes many durable. */
  together?: true;
}

/** How often each name comes in a run that nobody disturbs: of the child (child.js), and of the command line. */
const counts = { child: new Map<string, number>(), cli: new Map<string, number>() };
const tried = { kills: 0, errors: 0, missed: 0 };

beforeAll(async () => {
  shim = buildShim();
  if (shim.problem !== undefined) return;
  await inScratch(async (base, beside) => {
    await makeWorld(base, WORLD);
    const { steps, log } = await applyAll({ base, beside }, await plansFor(base), { shim, at: [] });
    expect(steps.filter(({ exit }) => exit !== undefined).map(({ exit }) => exit)).toEqual([0, 0, 0]);
    expect([...differencesIn(base, WORLD), ...leftoversIn(base, WORLD)]).toEqual([]);
    count(counts.child, log.calls);
  });
  await inScratch(async (base, beside) => {
    await makeCliWorld(base);
    const { code, log, stderr } = await stowage({ base, beside }, APPLY, { shim, at: [] });
    expect({ code, stderr, differences: differencesIn(base, CLI_WORLD) }).toMatchObject({ code: 0, differences: [] });
    count(counts.cli, log.calls);
  });
});

function count(into: Map<string, number>, calls: readonly Failpoint[]): void {
  for (const { name, number } of calls) into.set(name, Math.max(number, into.get(name) ?? 0));
}

/** In a sample two names of three with one fault, another for each; in full each name with each, at up to `SPREAD` of its calls. */
function trials(): Trial[] {
  const rotating = [...counts.child].flatMap(([name, calls], index) => {
    const faults = faultsFor(name);
    const one = MORE[name]?.[0] ?? faults[index % faults.length] ?? "";
    if (!FULL && index % 3 === 2) return [];
    if (!FULL) return [{ name, number: 1 + ((index * 7) % calls), fault: one, ...(index % 6 === 0 && TOGETHER) }];
    const spread = Math.min(calls, SPREAD);
    const numbers = Array.from({ length: spread }, (_, at) => 1 + Math.floor((at * calls) / spread));
    return faults.flatMap((fault) => [
      ...numbers.map((number) => ({ name, number, fault })),
      { name, number: 1, fault, ...TOGETHER },
    ]);
  });
  return [...rotating, ...ALWAYS];
}
const SPREAD = 4;
const TOGETHER = { together: true } as const;
/** Each of these has left something behind once. */
const ALWAYS: Trial[] = [
  { name: "write:claim", number: 1, fault: "kill" },
  { name: "write:claim", number: 2, fault: "kill" },
  { name: "write:claim", number: 2, fault: "ENOSPC" },
  { name: "create:final", number: 1, fault: "done-but-EIO" },
  { name: "create:draft", number: 2, fault: "kill-after" },
  { name: "link:lock", number: 1, fault: "done-but-EIO" },
  { name: "unlink:lock", number: 1, fault: "EACCES" },
  { name: "fsync:journals", number: 1, fault: "EACCES" },
];

/** The command line starts slower: fewer. Those that it alone has come always, its catalog among them. */
function cliTrials(): Trial[] {
  const chosen = [...counts.cli].flatMap(([name, calls], index) => {
    const faults = faultsFor(name);
    const some = [0, 3, 5].map((at) => faults[(index + at) % faults.length] ?? "");
    const number = 1 + ((index * 5) % calls);
    if (FULL) return some.map((fault) => ({ name, number, fault }));
    return index % 12 === 0 || /^(write|fsync):catalog$/.test(name) ? [{ name, number, fault: some[0] ?? "" }] : [];
  });
  return [...chosen, HUNG];
}
/** This one once waited for ever. */
const HUNG: Trial = { name: "close:source", number: 9, fault: "done-but-EIO" };

/** Disturbs one run, looks, runs again as a user would, and looks again. */
async function attempt({ name, number, fault, together }: Trial): Promise<string[]> {
  return await inScratch(async (base, beside) => {
    await makeWorld(base, WORLD);
    const where = { base, beside };
    const plans = await plansFor(base);
    const disturbance: Disturbance = { shim, at: [`${name} ${number} ${fault}`], ...(together && { together }) };
    const first = await applyAll(where, plans, disturbance);
    note(fault, first.log.faults);
    const swept = first.steps.some(({ step }) => step === "gc");
    const found = [...unclear(first), ...damageIn(base, WORLD, { swept }).map((what) => `then ${what}`)];
    let again = await applyAll(where, first.killed ? plans : await plansFor(base));
    if (again.steps.some(({ exit }) => exit !== 0) || differencesIn(base, WORLD).length > 0) {
      found.push(...unclear(again), ...damageIn(base, WORLD, { swept: true }).map((what) => `in between ${what}`));
      again = await applyAll(where, await plansFor(base));
    }
    found.push(...unclear(again), ...differencesIn(base, WORLD), ...leftoversIn(base, WORLD));
    return found.map((what) => `${name} ${number} ${fault}${together ? " together" : ""}: ${what}`);
  });
}

function note(fault: string, happened: readonly Failpoint[]): void {
  if (happened.length === 0) tried.missed += 1;
  else if (fault.includes("kill")) tried.kills += 1;
  else tried.errors += 1;
}

const APPLY = ["apply", "--auto-approve", "-q"];
/** Past the time of the trash, by the clock of the disk too. */
const LATER = new Date(Date.now() + 40 * 86_400_000).toISOString();

const stowage = (where: { base: string; beside: string }, args: string[], disturbance?: Disturbance, now = NOW) =>
  runNode([BIN, ...args], { ...where, env: { STOWAGE_NOW: now } }, disturbance);

/** The same with all of the command line: scanning, planning and the catalog are disturbed too. */
async function attemptByCli({ name, number, fault }: Trial): Promise<string[]> {
  return await inScratch(async (base, beside) => {
    await makeCliWorld(base);
    const where = { base, beside };
    const first = await stowage(where, APPLY, { shim, at: [`${name} ${number} ${fault}`] });
    note(fault, first.log.faults);
    const found = [...unclearEnd(first), ...damageIn(base, CLI_WORLD, { swept: false })];
    let again = await stowage(where, APPLY);
    if (again.code !== 0 || differencesIn(base, CLI_WORLD).length > 0) {
      found.push(...unclearEnd(again), ...damageIn(base, CLI_WORLD, { swept: false }));
      again = await stowage(where, APPLY);
    }
    const swept = await stowage(where, ["gc", "-q"], undefined, LATER);
    const ends = [again, swept]
      .map(({ code, stderr }) => (code === 0 ? "" : `exit ${code}: ${stderr}`))
      .filter(Boolean);
    found.push(...ends, ...differencesIn(base, CLI_WORLD), ...leftoversIn(base, CLI_WORLD));
    return found.map((what) => `stowage, ${name} ${number} ${fault}: ${what}`);
  });
}

const CLEAR = [0, 1, 3, 4, 6];

function unclearEnd({ code, stderr }: Ended): string[] {
  const clear = code === null || (CLEAR.includes(code) && !/\n {4}at |DeprecationWarning|Code: INTERNAL/.test(stderr));
  return clear ? [] : [`exit ${code}: ${stderr}`];
}

/** What a process has not told as it should: an exit code, and one line for people. */
function unclear({ killed, steps, ended }: { killed: boolean; steps: Step[]; ended: { stderr: string } }): string[] {
  if (killed) return [];
  const crashes = steps.filter(({ message }) => message?.includes("\n    at "));
  return [
    ...crashes.map(({ step, message }) => `${step} crashes: ${message}`),
    ...(ended.stderr ? [ended.stderr] : []),
  ];
}

describe("a fault at each file call", () => {
  beforeEach(({ skip }) => {
    if (shim.problem) skip(shim.problem);
  });
  afterAll(() => {
    figure("kills -9 at named failpoints", tried.kills);
    figure("failing system calls", tried.errors);
  });

  it("has at least 40 named failpoints", () => {
    const names = new Set([...counts.child.keys(), ...counts.cli.keys()]);
    figure("named failpoints", names.size);
    expect(counts.child.size).toBeGreaterThanOrEqual(40);
  });

  it.each([
    { by: "apply and gc", list: trials, body: attempt },
    { by: "stowage apply", list: cliTrials, body: attemptByCli },
  ])("I1, I3, I4, I6, I7: kill -9 and failing calls of $by lose nothing, and running again ends the same", async ({
    list,
    body,
  }) => {
    const found: string[] = [];
    await inParallel(list(), async (trial) => {
      found.push(...(await body(trial)));
    });
    expect(found).toEqual([]);
    expect(tried.missed).toBeLessThan((tried.kills + tried.errors) / 10);
  });
});
