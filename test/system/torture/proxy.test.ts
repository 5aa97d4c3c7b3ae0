import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { RunReport } from "../../../src/apply/events.js";
import { sha256Hex } from "../../../src/lib/json.js";
import type { Fault, Seen } from "../../support/faults.js";
import { FULL, figure, sized } from "../../support/figures.js";
import { type Bucket, type Job, openBucket, type Trial } from "../../support/proxied.js";
import { each } from "../proxy-kit.js";

const server = inject("radosgw");

const tree = {
  "disk:up.txt": "up",
  "cloud:down.txt": "down",
  "disk:goes up.txt": "goes up",
  "cloud:goes down.txt": "goes down",
  "cloud:old name.txt": "renamed",
  "disk:twice.txt": "twice",
  "cloud:twice.txt": "twice",
  "disk:doubled.txt": "doubled",
  "cloud:doubled.txt": "doubled",
};
const actions: Job["actions"] = [
  { kind: "copy", from: "disk:up.txt", to: "cloud:up.txt", content: "up" },
  { kind: "copy", from: "cloud:down.txt", to: "disk:down.txt", content: "down" },
  { kind: "move", from: "disk:goes up.txt", to: "cloud:went up.txt", content: "goes up" },
  { kind: "move", from: "cloud:goes down.txt", to: "disk:went down.txt", content: "goes down" },
  { kind: "move", from: "cloud:old name.txt", to: "cloud:new name.txt", content: "renamed" },
  { kind: "delete", from: "cloud:twice.txt", witnesses: ["disk:twice.txt"], content: "twice" },
  { kind: "delete", from: "disk:doubled.txt", witnesses: ["cloud:doubled.txt"], content: "doubled" },
];
const end = {
  "disk:up.txt": "up",
  "cloud:up.txt": "up",
  "disk:down.txt": "down",
  "cloud:down.txt": "down",
  "cloud:went up.txt": "goes up",
  "disk:went down.txt": "goes down",
  "cloud:new name.txt": "renamed",
  "disk:twice.txt": "twice",
  "cloud:doubled.txt": "doubled",
};

const JOBS: Record<string, Job> = {
  "without trash": { tree, actions, end, trash: 0 },
  "with trash": {
    tree: { ...tree, "disk:new.txt": "wins", "cloud:new.txt": "loses" },
    actions: [
      ...actions,
      {
        id: "loser",
        kind: "delete",
        reason: "conflict",
        from: "cloud:new.txt",
        content: "loses",
        witnesses: [],
        required: 0,
      },
      {
        kind: "move",
        from: "disk:new.txt",
        to: "cloud:new.txt",
        expect: "absent",
        content: "wins",
        depends_on: ["loser"],
      },
    ],
    end: { ...end, "cloud:new.txt": "wins" },
    trash: 1e12,
  },
};

/** At one request. `kill` ends the process that made it. */
const AT_ONE: Record<string, (kill: () => Promise<void>) => Fault> = {
  "kill -9 before the request": (kill) => ({
    kind: "hook",
    run: () => kill().then(() => Promise.reject(new Error("killed"))),
  }),
  "kill -9 before the answer": (run) => ({ kind: "lost", run }),
  "500": () => ({ kind: "status", status: 500 }),
  "503": () => ({ kind: "status", status: 503 }),
  "a reset": () => ({ kind: "reset", when: "before" }),
  "a reset within the request": () => ({ kind: "reset", when: "request" }),
  "a reset within the answer": () => ({ kind: "reset", when: "response" }),
  "a lost answer": () => ({ kind: "lost" }),
  "done but error": () => ({ kind: "done", status: 500 }),
  "done but refused": () => ({ kind: "done", status: 403 }),
  "403": () => ({ kind: "status", status: 403, code: "AccessDenied" }),
  "507": () => ({ kind: "status", status: 507, code: "InsufficientStorage" }),
  "a truncated answer": () => ({ kind: "truncate" }),
  "a quietly truncated answer": () => ({ kind: "truncate", quiet: true }),
};

/** What a run says it has done is done (I6), whatever else went wrong. */
function requireTold({ actions: specs }: Job, told: RunReport | string, there: Record<string, string>): void {
  if (typeof told === "string") return;
  const wrong = told.outcomes.flatMap(({ action, outcome, removed }) => {
    const spec = specs.find(({ id }, index) => (id ?? `a${index + 1}`) === action);
    const stays = removed.filter(({ location, key, sha256 }) => there[`${location}:${key}`] === sha256);
    const arrived = spec?.to === undefined || there[spec.to] === sha256Hex(spec.content);
    const done = /^(copied|moved)$/.test(outcome) ? arrived : true;
    return stays.length > 0 || !done ? [`${action} was ${outcome}`] : [];
  });
  expect(wrong).toEqual([]);
}

/** From one request on, until the process ends. */
const FROM_ONE = ["500", "a lost answer", "done but error", "done but refused", "403", "507", "a truncated answer"];

const LONG = sized(300_000, 4 * 3600_000);

interface Case {
  fault: string;
  lasting: boolean;
}

const CASES: Case[] = [
  ...Object.keys(AT_ONE).map((fault) => ({ fault, lasting: false })),
  ...FROM_ONE.map((fault) => ({ fault, lasting: true })),
];

const hashes = (of: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(of).map(([address, text]) => [address, sha256Hex(text)]));

const isDone = (result: RunReport | string): boolean => typeof result !== "string" && result.status === "complete";

describe.skipIf(!server)("an apply between a directory and radosgw, with a fault at each of its requests", () => {
  let bucket: Bucket;
  let operations = 0;
  beforeAll(async () => {
    if (server) bucket = await openBucket(server);
  });
  afterAll(async () => {
    figure("proxy operations", operations);
    await bucket?.dispose();
  }, LONG);

  async function disturbed(job: Job, trial: Trial, { fault, lasting }: Case, at: number): Promise<void> {
    const { proxy } = trial;
    const kills = fault.startsWith("kill");
    let told: RunReport | string = "killed";
    const fits = ({ number }: Seen) => (lasting ? number >= at : number === at);
    if (kills) {
      const machine = trial.start();
      const kill = async () => {
        machine.kill("SIGKILL");
        await machine.result();
      };
      proxy.faults = (seen) => (fits(seen) ? AT_ONE[fault]?.(kill) : undefined);
      await machine.result();
    } else {
      proxy.faults = (seen) => (fits(seen) ? AT_ONE[fault]?.(async () => undefined) : undefined);
      told = await trial.apply("faults");
    }
    proxy.faults = () => undefined;
    requireTold(job, told, (await requireAll(job, trial)).tree);
  }

  /** Every content that was there is there still, or lies in a trash. */
  async function requireAll(job: Job, trial: Trial): Promise<Awaited<ReturnType<Trial["now"]>>> {
    const found = await trial.now();
    const has = new Set([...Object.values(found.tree), ...found.trash]);
    expect(Object.entries(job.tree).filter(([, text]) => !has.has(sha256Hex(text)))).toEqual([]);
    return found;
  }

  /** The plan again, or what a new one would hold. */
  async function finish(trial: Trial): Promise<RunReport | string> {
    const again = await trial.apply();
    return again === "PLAN_APPLIED" ? await trial.applyRest() : again;
  }

  async function attempt(job: Job, each: Case, at: number): Promise<string | undefined> {
    const trial = await bucket.begin(job);
    const what = `${each.fault}${each.lasting ? ", lasting" : ""}, at request ${at}`;
    try {
      await disturbed(job, trial, each, at);
      const result = await finish(trial);
      operations += trial.proxy.seen.length;
      const { tree: there } = await requireAll(job, trial);
      const told = typeof result === "string" ? result : JSON.stringify(result.outcomes.filter(({ code }) => code));
      const calm =
        JSON.stringify(Object.entries(there).sort()) === JSON.stringify(Object.entries(hashes(job.end)).sort());
      const left = await trial.leftAfterGc();
      if (calm && isDone(result) && left.length === 0) return undefined;
      return `${what}: ${calm ? "" : "another end state "}${told} ${left.join(", ")}`;
    } catch (error) {
      return `${what}: ${error}`;
    } finally {
      await trial.close();
    }
  }

  describe.each(Object.entries(JOBS).map(([name, job], index) => ({ name, job, index })))("$name", ({ job, index }) => {
    it("loses nothing, and comes to the same end when it is run again", { timeout: LONG }, async () => {
      const calm = await bucket.begin(job);
      expect(isDone(await calm.apply())).toBe(true);
      const requests = calm.proxy.seen.length;
      expect((await calm.now()).tree).toEqual(hashes(job.end));
      await calm.close();
      const all = CASES.flatMap((each) => Array.from({ length: requests }, (_, n) => ({ each, at: n + 1 }))).filter(
        ({ each: { lasting }, at }) => !lasting || at % 3 === 1,
      );
      // A sample takes another fault for each request, also in the next job, and requests from all over the run.
      const count = sized(8, all.length);
      const chosen = FULL ? all : Array.from({ length: count }, (_, n) => sampled(n, count, requests, index));
      const problems: string[] = [];
      await each(chosen.length, 3, async (n) => {
        const { each: one, at } = chosen[n]!;
        const problem = await attempt(job, one, at);
        if (problem !== undefined) problems.push(problem);
      });
      figure("proxy failpoints", requests);
      figure("proxy faults", chosen.length);
      expect(problems).toEqual([]);
    });
  });
});

const sampled = (n: number, count: number, requests: number, job: number) => ({
  each: CASES[((job * count + n) * 5) % CASES.length]!,
  at: 1 + Math.floor((n * requests) / count),
});
