import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { apply } from "../../../src/apply/apply.js";
import { formatConfig } from "../../../src/config/format.js";
import { type CheckResult, checkConfig, checkText } from "../../../src/config/load.js";
import { StowageError } from "../../../src/lib/error.js";
import { parsePlan } from "../../../src/plan/file.js";
import { planDocument } from "../../../src/report/json.js";
import { renderPlan } from "../../../src/report/text.js";
import { PATIENCE, stopwatch } from "../../hostile/clock.js";
import { deepPlan, type Forged, forgedPlans, randomForged } from "../../hostile/forged.js";
import { damagedPlan, type Facts, goodPlan, PHOTO, textOf } from "../../hostile/plans.js";
import { random } from "../../hostile/random.js";
import { unsafe } from "../../hostile/unsafe.js";
import { type Broken, mutatedConfig, specialConfigs } from "../../hostile/yaml.js";
import { GOOD } from "../../hostile/yaml-values.js";
import { cleanup, harvest, localWorld, NOW, uuidOf, type World } from "../../setup/apply.js";
import { sized } from "../../support/figures.js";
import { type Ended, sandbox } from "../cli-run.js";

afterEach(cleanup);
vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const FILE = "/etc/media/storage.yaml";
const ENV = { HOME: "/home/ada", KEY_ID: "AKIAEXAMPLE", SECRET: "a-secret-of-the-test" };

/** Errors with a code and a place, that can be printed. True when the file was broken. */
function requireClear({ config, diagnostics }: CheckResult, { name, text }: Broken): boolean {
  for (const { code, file, line, column, message, hint } of diagnostics) {
    expect({ code, file, place: line > 0 && column > 0 }, name).toEqual({
      code: expect.stringMatching(/^[A-Z_]+$/),
      ...{ file: FILE, place: true },
    });
    expect(message.length, name).toBeGreaterThan(3);
    expect(unsafe(message + (hint ?? "")), name).toBeUndefined();
    expect(message + hint, name).not.toContain(ENV.SECRET);
  }
  const broken = config === undefined;
  expect(
    diagnostics.some(({ severity }) => severity === "error"),
    name,
  ).toBe(broken);
  // What can not be understood is never rewritten.
  if (broken && typeof text === "string" && text.length % 4 === 0 && text.length < 100_000) {
    const written = formatConfig(text, FILE);
    if (written.diagnostics.some(({ severity }) => severity === "error")) expect(written.text, name).toBe(text);
  }
  return broken;
}

describe("a broken storage.yaml is answered by clear errors at once", () => {
  it("good as it was", () => {
    expect(checkText(GOOD, FILE, { env: ENV }).diagnostics).toEqual([]);
  });

  it("each of those that are wrong in a way of their own", async () => {
    const watch = stopwatch("broken storage.yaml files");
    const [box, told] = [sandbox({}), [] as string[]];
    for (const { name, text } of specialConfigs()) {
      const file = join(box.dir, "storage.yaml");
      writeFileSync(file, text);
      const { config, diagnostics } = await watch.time(name, () => checkConfig(file, { env: ENV }));
      const result = { ...(config && { config }), diagnostics: diagnostics.map((each) => ({ ...each, file: FILE })) };
      if (!requireClear(result, { name, text })) told.push(name);
    }
    expect(told, "files that are not broken").toEqual([]);
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });

  it("each of many that were changed at random", async () => {
    const watch = stopwatch("broken storage.yaml files");
    const wanted = sized(250, 20_000);
    let [broken, good] = [0, 0];
    for (let seed = 1; broken < wanted; seed++) {
      const file = mutatedConfig(random(seed), seed);
      const result = await watch.time(file.name, () => checkText(file.text.toString(), FILE, { env: ENV }));
      if (requireClear(result, file)) broken += 1;
      else good += 1;
    }
    expect(good).toBeLessThan(broken);
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });
});

const REFUSALS = ["PLAN_EDITED", "PLAN_INVALID", "PLAN_FORMAT"];

/** The plan, when it is accepted. */
function opened(text: string, name: string): ReturnType<typeof parsePlan> | undefined {
  try {
    return parsePlan(text, "plan.ndjson");
  } catch (error) {
    if (!(error instanceof StowageError)) throw new Error(`${name}: ${String(error)}`, { cause: error });
    expect(REFUSALS, name).toContain(error.code);
    expect({ exit: error.exit, hint: error.hint }, name).toEqual({
      exit: 5,
      hint: expect.stringMatching(/stowage plan|version/),
    });
    expect(error.message, name).toMatch(/^plan\.ndjson\b/);
    return undefined;
  }
}

describe("a broken plan file is refused at once", () => {
  const text = textOf(goodPlan());

  it("good as it was", () => {
    expect(opened(text, "good")).toEqual(goodPlan());
  });

  it("each of many that were damaged or edited", async () => {
    const watch = stopwatch("broken plan files");
    for (let seed = 1; seed <= sized(1_000, 50_000); seed++) {
      const { name, bytes } = damagedPlan(text, random(seed));
      const plan = await watch.time(name, () => opened(bytes.toString(), `${name} (${seed})`));
      expect(plan, `${name} (${seed})`).toBeUndefined();
    }
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });

  it("each with a right digest that no planner writes: keys, places, kinds, circles, missing witnesses", async () => {
    const watch = stopwatch("broken plan files");
    const deep: Forged = { name: "nests deeply", text: deepPlan(50_000) };
    for (const { name, text: forged } of [...forgedPlans(), deep]) {
      expect(await watch.time(name, () => opened(forged, name)), name).toBeUndefined();
    }
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });

  it("each of many with a right digest is refused, or can be shown and applied without harm", async () => {
    const watch = stopwatch("forged plan files");
    let [refused, shown] = [0, 0];
    for (let seed = 1; seed <= sized(400, 10_000); seed++) {
      const { name, text: forged } = randomForged(random(seed));
      const plan = await watch.time(name, () => opened(forged, name));
      if (!plan) {
        refused += 1;
        continue;
      }
      shown += 1;
      expect(unsafe(renderPlan(plan)), name).toBeUndefined();
      JSON.parse([...planDocument(plan)].join(""));
    }
    expect(refused).toBeGreaterThan(shown);
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });
});

const factsOf = async (world: World): Promise<Facts> => {
  const versions = new Map<string, string>();
  for (const key of ["x", "y", "z"]) versions.set(key, (await world.backends.get("a")?.stat(key))?.version ?? "");
  return {
    ...{ configDigest: "sha256:config", now: new Date(NOW).toISOString() },
    ...{ uuid: uuidOf, version: (key) => versions.get(key) ?? "" },
  };
};

describe("a forged plan that nobody can tell from a real one", () => {
  it("is carried out under the invariants: no content goes, and nothing outside of the locations is touched", async () => {
    const watch = stopwatch("forged plans applied");
    for (let seed = 1, applied = 0; applied < sized(10, 500); seed++) {
      const world = await localWorld(["a", "b"], { "a:x": PHOTO, "a:y": PHOTO, "a:z": PHOTO, "a:only": "another" });
      writeFileSync(join(world.root, "outside"), "untouched");
      const { name, text } = randomForged(random(seed + 1_000_000), await factsOf(world));
      const plan = opened(text, name);
      const options = { ...world, configDigest: "sha256:config", now: () => NOW, concurrency: 2, retries: 0 };
      if (plan) {
        applied += 1;
        await watch.time(name, async () => {
          const error = await apply(plan, world.backends, options).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (error !== undefined) expect(error, name).toBeInstanceOf(StowageError);
        });
      }
      expect(readdirSync(world.root).sort(), name).toEqual(["a", "b", "outside"]);
      const left = Object.values(harvest(world.root));
      expect(left, name).toContain(PHOTO);
      expect(left, name).toContain("another");
      expect(readFileSync(join(world.root, "outside"), "utf8")).toBe("untouched");
      cleanup();
    }
    watch.tell();
  });

  it("about safety is refused: it is for the configuration to say", async () => {
    const world = await localWorld(["a", "b"], { "a:x": PHOTO, "a:y": PHOTO, "a:z": PHOTO });
    const plan = goodPlan(await factsOf(world));
    const safety = { ...plan.header.safety, trash: 0 };
    const options = { ...world, configDigest: "sha256:config", now: () => NOW, concurrency: 1, retries: 0 };
    await expect(apply(plan, world.backends, { ...options, safety })).rejects.toMatchObject({
      code: "PLAN_EDITED",
      exit: 5,
    });
    expect(harvest(world.root)).toEqual({ "a:x": PHOTO, "a:y": PHOTO, "a:z": PHOTO });
    const report = await apply(plan, world.backends, { ...options, safety: plan.header.safety });
    expect(report.status).toBe("complete");
  });
});

/** What, where and what next; never a stack. */
function requireSentence({ code, stdout, stderr }: Ended, codes: readonly number[], what: string): void {
  expect(codes, `${what}\n${stderr}`).toContain(code);
  expect(stdout + stderr, what).not.toMatch(/\n {4}at |node:internal|TypeError|RangeError/);
  expect(stderr, what).toMatch(/\n {2}Code: [A-Z_]+\n/);
  expect(stderr, what).toMatch(/\n {2}Next: \S/);
  expect(unsafe(stdout + stderr), what).toBeUndefined();
}

describe("the command line says what, where and what next", () => {
  it("of broken storage.yaml files", async () => {
    const files = specialConfigs().filter(({ text }) => text.length < 5 << 20);
    const { pick } = random(11);
    const count = sized(5, 150);
    let refused = 0;
    for (let index = 0; index < count; index++) {
      const { name, text } = index % 2 ? pick(files) : mutatedConfig(random(index * 31 + 5), index);
      const box = sandbox({ "library/photo.jpg": "x" });
      mkdirSync(join(box.dir, "mnt"));
      writeFileSync(join(box.dir, "storage.yaml"), text);
      const command = pick([["scan"], ["plan"], ["apply", "--auto-approve"], ["init"], ["gc"]]);
      const ended = await box.runWith({ env: ENV }, ...command);
      // Some of what was changed at random is as good as before.
      if (checkText(text.toString(), FILE, { env: ENV }).config !== undefined) continue;
      requireSentence(ended, [1], name);
      refused += 1;
      expect(ended.stderr, name).toMatch(/storage\.yaml/);
      expect(readdirSync(box.dir).sort(), name).toEqual(["library", "mnt", "storage.yaml"]);
    }
    expect(refused).toBeGreaterThan(count / 2);
  });

  it("of broken plan files", async () => {
    const box = sandbox({
      "storage.yaml":
        "version: 1\nlocations:\n  - { name: a, type: local, path: a }\n  - { name: b, type: local, path: b }\n",
      ...{ "a/x": "x", "b/y": "y" },
    });
    expect(await box.run("init", "-q")).toMatchObject({ code: 0 });
    const { pick } = random(12);
    const forged = forgedPlans();
    for (let index = 0; index < sized(5, 150); index++) {
      const { name, text } = pick(forged);
      const bytes = index % 2 ? Buffer.from(text) : damagedPlan(textOf(goodPlan()), random(index)).bytes;
      writeFileSync(join(box.dir, "plan.ndjson"), bytes);
      const ended = await box.run(pick(["show", "apply"]), "plan.ndjson");
      requireSentence(ended, [5], name);
      expect(ended.stderr, name).toContain("plan.ndjson");
      expect(box.tree("a"), name).toEqual({ x: "x" });
    }
  });
});
