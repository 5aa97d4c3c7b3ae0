import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// What V8 made of the bundle when it was built is used by the Node that made it, and is missed by nobody.

const ROOT = join(import.meta.dirname, "../..");
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "stowage-start-"));
  for (const part of ["bin", "dist", "schema", "package.json"])
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8", env: bare });
const bare = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "NODE_OPTIONS"));
const kept = () => readdirSync(join(copy, "dist/bin")).filter((name) => name.endsWith(".code"));

/** The modules that the command line loads first, and whether with code that was kept. */
function taken(): Record<string, boolean> {
  const script = `import { load, loaded } from "./bin/load.js"; load("main.js"); console.log(JSON.stringify(Object.fromEntries(loaded())));`;
  return JSON.parse(node("--input-type=module", "-e", script).stdout) as Record<string, boolean>;
}

describe("the code that was kept", () => {
  it("is taken by the Node that made it", () => {
    const modules = taken();
    expect(Object.keys(modules)).toEqual(expect.arrayContaining(["main.js", "@oclif_core.js", "cli.js"]));
    expect(Object.values(modules)).not.toContain(false);
  });

  const spoilt: { name: string; spoil: (bytes: Buffer) => Buffer }[] = [
    { name: "cut off", spoil: (bytes) => bytes.subarray(0, bytes.length >> 1) },
    { name: "empty", spoil: () => Buffer.alloc(0) },
    { name: "all zeros", spoil: (bytes) => Buffer.alloc(bytes.length) },
  ];
  it.each(spoilt)("is not taken when it is $name", ({ spoil }) => {
    for (const name of kept()) {
      const file = join(copy, "dist/bin", name);
      writeFileSync(file, spoil(readFileSync(file)));
    }
    expect(Object.values(taken())).not.toContain(true);
    expect(node("bin/run.js", "--version")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^stowage /) });
  });

  it("is missed by nobody, and has the name of its maker", () => {
    for (const name of kept()) {
      expect(name).toMatch(/\.js\.[0-9a-f]{16}\.code$/);
      rmSync(join(copy, "dist/bin", name));
    }
    expect(Object.values(taken())).not.toContain(true);
    expect(node("bin/run.js", "--version").status).toBe(0);
  });
});
