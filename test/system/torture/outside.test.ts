import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { checkText } from "../../../src/config/load.js";
import { sha256Hex } from "../../../src/lib/json.js";
import { forgedPlans } from "../../hostile/forged.js";
import { PLANTS, paths } from "../../hostile/plants.js";
import { random } from "../../hostile/random.js";
import { unwatchable, type Watched, watched } from "../../hostile/syscalls.js";
import { specialConfigs } from "../../hostile/yaml.js";
import { FULL, figure, sized } from "../../support/figures.js";
import { type Sandbox, sandbox } from "../cli-run.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const CONFIG = `version: 1
settings: { settle: 0s }
safety: { trash: 30d }
locations:
  - { name: a, type: local, path: a, priority: 100, purpose: [inbox] }
  - { name: b, type: local, path: b, purpose: [backup] }
rules:
  - { name: all, match: {}, action: move, from: [a], destination: b }
`;

/** What comes after the plan was made and something was done to the locations. */
const COMMANDS: readonly (readonly string[])[] = [
  ["apply", "plan.ndjson", "-q"],
  ["unlock", "--force", "-q"],
  ["apply", "plan.ndjson", "-q"],
  ["gc", "-q"],
  ...(FULL
    ? [
        ["fmt", "-q"],
        ["verify", "-q"],
        ["init", "-q"],
        ["apply", "--auto-approve", "-q"],
      ]
    : []),
];

/** What is written outside of roots, state and outputs on purpose. */
const KNOWN: readonly RegExp[] = [/^\/dev\/(null|tty|pts\/\d+)$/, /^\/proc\/self\//];

/** Node alone opens more files than this before it does anything. */
const LEAST = 40;

function requireInside({ touched, calls }: Watched, box: Sandbox, what: string): void {
  figure("system calls watched", calls);
  expect(calls, what).toBeGreaterThan(LEAST);
  const dir = realpathSync(box.dir);
  const inside = ["a", "b", ".stowage"].map((name) => join(dir, name) + sep);
  const files = ["storage.yaml", ".gitignore", "plan.ndjson", ".stowage"].map((name) => join(dir, name));
  const strange = touched.filter(
    ({ path }) =>
      !inside.some((folder) => path.startsWith(folder)) &&
      !files.includes(path) &&
      // The plan and the configuration are written beside themselves and renamed.
      !/^(\.plan\.ndjson\.[0-9a-f]+\.tmp|storage\.yaml\.fmt-[0-9a-f]+)$/.test(path.slice(dir.length + 1)) &&
      !KNOWN.some((known) => known.test(path)),
  );
  expect(strange, what).toEqual([]);
}

/** Of those places at least one. */
function requireTouched(
  { touched }: Pick<Watched, "touched">,
  box: Sandbox,
  names: readonly string[],
  what: string,
): void {
  const wanted = names.map((name) => join(realpathSync(box.dir), name));
  const found = touched.some(({ path }) => wanted.some((place) => path === place || path.startsWith(place + sep)));
  expect(found, `${what} writes to one of ${names}`).toBe(true);
}

describe.skipIf(unwatchable() !== undefined)(`nothing is written outside of the roots${note()}`, () => {
  it.each(FULL ? PLANTS : PLANTS.filter(({ sample }) => sample))("with $name", async ({ name, plant, later }) => {
    const box = sandbox({ "storage.yaml": CONFIG, "a/photo.jpg": "a photo", "a/sub/clip.mp4": "a clip" });
    mkdirSync(join(box.dir, "b"));
    const outside = join(box.dir, "outside");
    mkdirSync(join(outside, "20200101T000000Z-00000001", "u"), { recursive: true });
    for (const file of ["kept", "empty", "000000000001", "20200101T000000Z-00000001/u/old", "w.tmp", "probe.x.1.y.z"])
      writeFileSync(join(outside, file), file === "empty" ? "" : "of somebody else");
    plant(box, outside);
    const before = sha256Hex(JSON.stringify([...paths(outside)].sort()));
    for (const [places, ...args] of [
      [["a", "b"], "init", "-q"],
      [["plan.ndjson"], "plan", "-o", "plan.ndjson", "-q"],
    ] as [string[], ...string[]][]) {
      const ended = await watched(box.dir, args);
      expect({ code: ended.code, stderr: ended.stderr }, `${name}: ${args.join(" ")}`).toEqual({
        code: 0,
        stderr: expect.stringMatching(/^(Warning: \d+ files could not be read and are left alone; .*\n)?$/),
      });
      requireInside(ended, box, `${name}: ${args.join(" ")}`);
      requireTouched(ended, box, places, args.join(" "));
    }
    later?.(box, outside);
    const after = later ? sha256Hex(JSON.stringify([...paths(outside)].sort())) : before;
    const all: Watched["touched"] = [];
    for (const args of COMMANDS) {
      const ended = await watched(box.dir, args, { STOWAGE_NOW: "2026-03-01T13:00:00Z" });
      requireInside(ended, box, `${name}: ${args.join(" ")}`);
      all.push(...ended.touched);
      expect(ended.stderr, args.join(" ")).not.toMatch(/\n {4}at |TypeError|RangeError/);
    }
    requireTouched({ touched: all }, box, ["b"], "what comes after the plan");
    expect(sha256Hex(JSON.stringify([...paths(outside)].sort()))).toBe(after);
  });

  it("for broken storage.yaml files and forged plans", async () => {
    const box = sandbox({ "storage.yaml": CONFIG, "a/photo.jpg": "a photo" });
    mkdirSync(join(box.dir, "b"));
    expect(await box.run("init", "-q")).toMatchObject({ code: 0 });
    const { pick } = random(21);
    const broken = specialConfigs().filter(
      ({ text }) => checkText(text.toString(), "x", { env: {} }).config === undefined,
    );
    for (let index = 0; index < sized(4, 100); index++) {
      const [config, plan] = [pick(broken), pick(forgedPlans())];
      writeFileSync(join(box.dir, "broken.yaml"), config.text);
      const refused = await watched(box.dir, [
        pick(["validate", "scan", "plan", "init", "gc"]),
        "--config",
        "broken.yaml",
      ]);
      requireInside(refused, box, config.name);
      writeFileSync(join(box.dir, "plan.ndjson"), plan.text);
      requireInside(await watched(box.dir, ["apply", "plan.ndjson"]), box, plan.name);
      expect(box.tree("a")).toEqual({ "photo.jpg": "a photo" });
    }
  });
});

function note(): string {
  const why = unwatchable();
  return why === undefined ? "" : ` (not tried: ${why})`;
}
