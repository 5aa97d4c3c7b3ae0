import { mkdirSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../../src/lib/json.js";
import { PLANTS, paths } from "../../hostile/plants.js";
import { unwatchable, type Watched, watched } from "../../hostile/syscalls.js";
import { FULL, figure } from "../../support/figures.js";
import { type Sandbox, sandbox } from "../cli-run.js";

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

function requireInside({ touched, calls }: Watched, box: Sandbox, what: string): void {
  figure("system calls watched", calls);
  const inside = ["a", "b", ".stowage"].map((name) => join(box.dir, name) + sep);
  const files = ["storage.yaml", ".gitignore", "plan.ndjson", ".stowage"].map((name) => join(box.dir, name));
  const strange = touched.filter(
    ({ path }) =>
      !inside.some((folder) => path.startsWith(folder)) &&
      !files.includes(path) &&
      // The plan and the configuration are written beside themselves and renamed.
      !/^(\.plan\.ndjson\.[0-9a-f]+\.tmp|storage\.yaml\.fmt-[0-9a-f]+)$/.test(path.slice(box.dir.length + 1)) &&
      !KNOWN.some((known) => known.test(path)),
  );
  expect(strange, what).toEqual([]);
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
    for (const args of [
      ["init", "-q"],
      ["plan", "-o", "plan.ndjson", "-q"],
    ])
      requireInside(await watched(box.dir, args), box, `${name}: ${args.join(" ")}`);
    later?.(box, outside);
    const after = later ? sha256Hex(JSON.stringify([...paths(outside)].sort())) : before;
    for (const args of COMMANDS) {
      const ended = await watched(box.dir, args, { STOWAGE_NOW: "2026-03-01T13:00:00Z" });
      requireInside(ended, box, `${name}: ${args.join(" ")}`);
      expect(ended.stderr, args.join(" ")).not.toMatch(/\n {4}at |TypeError|RangeError/);
    }
    expect(sha256Hex(JSON.stringify([...paths(outside)].sort()))).toBe(after);
  });
});

function note(): string {
  const why = unwatchable();
  return why === undefined ? "" : ` (not tried: ${why})`;
}
