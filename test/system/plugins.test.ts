import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Ended, type Sandbox, sandbox } from "./cli-run.js";

const EXAMPLE = join(import.meta.dirname, "../../examples/plugin-backend");
const NAME = "stowage-backend-vault";

/** stowage of somebody who has installed nothing yet. */
function plugged(
  use = "vault",
  more = "",
): { box: Sandbox; run(...args: string[]): Promise<Ended>; data: string; env: Record<string, string> } {
  const box = sandbox({
    "storage.yaml": `version: 1
settings: { state: state, settle: 0s }
locations:
  - { name: disk, type: local, path: disk, purpose: [inbox, organized] }
  - { name: safe, type: plugin, use: ${use}, options: { folder: vault, key: "\${VAULT_KEY}" }, purpose: [backup]${more} }
rules:
  - { name: all, match: { location: disk }, action: move, from: [disk], destination: safe }
`,
    "disk/letters/alice.txt": "dear alice",
    "disk/clip.mp4": "a film",
  });
  mkdirSync(join(box.dir, "vault"));
  const data = join(box.dir, "data");
  const env = { STOWAGE_DATA_DIR: data, VAULT_KEY: "canary horse battery staple", STOWAGE_NOW: "" };
  return { box, data, env, run: (...args) => box.runWith({ env }, ...args) };
}

/** A folder with a plug-in whose hook is this text. */
function written(hook: string, manifest: object = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "stowage-plugin-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const hooks = { "stowage:backends": "./hook.js" };
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "mine", version: "1.0.0", type: "module", oclif: { hooks }, ...manifest }),
  );
  writeFileSync(join(folder, "hook.js"), hook);
  return folder;
}

describe("a plug-in", () => {
  it("is linked, serves a location through the whole loop, and goes again", async () => {
    const { box, run, data } = plugged();
    expect(await run("plugins", "link", EXAMPLE)).toMatchObject({ code: 0, stdout: `Linked ${NAME}.\n` });
    expect((await run("plugins")).stdout).toMatch(new RegExp(`${NAME} +vault +.*plugin-backend`));
    const { backends } = JSON.parse((await run("plugins", "--json")).stdout);
    expect(backends).toEqual([{ plugin: NAME, use: "vault" }]);

    expect((await run("init")).stdout).toContain("✓ safe: adopted, plugin:vault");
    expect((await run("apply", "--auto-approve")).stdout).toContain("Apply complete! 0 copied, 2 moved");
    expect((await run("plan")).stdout).toContain("No changes.");
    expect(box.tree("disk")).toEqual({});
    expect((await run("verify", "safe")).stdout).toContain("2 verified, 0 damaged.");
    for (const name of readdirSync(join(box.dir, "vault/sealed"))) expect(name).toMatch(/^[0-9a-f]{64}$/);
    box.write(
      "storage.yaml",
      box
        .read("storage.yaml")
        .replace("location: disk }", "location: safe }")
        .replace("[disk]", "[safe]")
        .replace("destination: safe", "destination: disk"),
    );
    expect((await run("apply", "--auto-approve")).stdout).toContain("Apply complete! 0 copied, 2 moved");
    expect(box.tree("disk")).toEqual({ "clip.mp4": "a film", "letters/alice.txt": "dear alice" });

    expect((await run("plugins", "uninstall", NAME)).stdout).toBe(`Removed ${NAME}.\n`);
    expect((await run("plugins", "--json")).stdout).not.toContain("vault");
    expect(await run("plan")).toMatchObject({ code: 1, stderr: expect.stringContaining("UNKNOWN_PLUGIN") });
    expect(readFileSync(join(data, "package.json"), "utf8")).not.toContain("canary");
  });

  it("is installed from what npm pack made, without a network", async () => {
    const { box, run, data, env } = plugged();
    const folder = mkdtempSync(join(tmpdir(), "stowage-pack-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: EXAMPLE, stdio: "ignore" });
    const [tarball = ""] = readdirSync(folder);
    const offline = { ...env, npm_config_offline: "true" };
    const installed = await box.runWith({ env: offline }, "plugins", "install", join(folder, tarball));
    expect(installed).toMatchObject({ code: 0, stdout: `Installed ${NAME}.\n` });
    expect(readdirSync(join(data, "node_modules"))).toContain(NAME);
    expect((await run("init", "-q")).code).toBe(0);
    expect((await run("apply", "--auto-approve")).stdout).toContain("Apply complete! 0 copied, 2 moved");
    expect(await run("plugins", "uninstall", NAME)).toMatchObject({ code: 0 });
    expect(JSON.parse((await run("plugins", "--json")).stdout)).toEqual({ plugins: [], backends: [] });
  });
});

describe("what storage.yaml says in `use:`", () => {
  const touched = join(tmpdir(), `stowage-loaded-${process.pid}`);
  let trap: string;
  beforeAll(() => {
    trap = mkdtempSync(join(tmpdir(), "stowage-trap-"));
    writeFileSync(join(trap, "index.js"), `require("node:fs").writeFileSync(${JSON.stringify(touched)}, "")`);
    cpSync(join(trap, "index.js"), join(trap, "hook.js"));
    writeFileSync(
      join(trap, "package.json"),
      JSON.stringify({ name: "trap", main: "index.js", oclif: { hooks: { "stowage:backends": "./hook.js" } } }),
    );
  });
  afterAll(() => rmSync(trap, { recursive: true }));

  it.each(["TRAP", "./trap", "../trap/index.js", "file:///TRAP/index.js", "trap"])("%s loads no code", async (use) => {
    const { box, run } = plugged(JSON.stringify(use.replace("TRAP", trap)));
    cpSync(trap, join(box.dir, "trap"), { recursive: true });
    cpSync(trap, join(box.dir, "node_modules/trap"), { recursive: true });
    const { code, stderr } = await run("plan");
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/UNKNOWN_PLUGIN|CONFIG_INVALID/) });
    expect(() => readFileSync(touched)).toThrow("ENOENT");
  });

  it("is answered with what there is, where no plug-in offers it", async () => {
    const { run } = plugged("volt");
    expect((await run("plan")).stderr).toMatch(
      /no installed plug-in offers the backend "volt"[\s\S]*None is installed/,
    );
    await run("plugins", "link", EXAMPLE);
    expect((await run("plan")).stderr).toMatch(
      /no installed plug-in offers the backend "volt"[\s\S]*Offered are: vault/,
    );
  });
});

describe("a plug-in that is broken", () => {
  it.each([
    {
      how: "throws when it is loaded",
      hook: 'throw new Error("no such library");',
      says: /mine can not be loaded.*no such library/s,
    },
    {
      how: "throws when it is asked",
      hook: 'export default () => { throw new Error("no offer today"); };',
      says: /mine can not be loaded.*no offer today/s,
    },
    { how: "does not parse", hook: "export default (", says: /mine can not be loaded/ },
    {
      how: "offers what is no function",
      hook: "export default () => ({ vault: 1 });",
      says: /mine offers "vault", but no function/,
    },
    {
      how: "opens what is no backend",
      hook: "export default () => ({ vault: () => ({}) });",
      says: /mine opened safe as what is no backend: it lacks marker/,
    },
    {
      how: "fails to open",
      hook: 'export default () => ({ vault: () => { throw new Error("wrong options"); } });',
      says: /mine could not open safe: wrong options/,
    },
  ])("that $how: one error that names it", async ({ hook, says }) => {
    const { run } = plugged();
    expect((await run("plugins", "link", written(hook))).code).toBe(0);
    const { code, stderr, stdout } = await run("plan");
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(says) });
    expect(stderr).toContain("Code: PLUGIN_FAILED");
    expect(stdout).toBe("");
    expect(stderr).not.toContain("canary");
  });

  it("leaves commands that need no location alone", async () => {
    const { run } = plugged();
    await run("plugins", "link", written("export default ("));
    expect(await run("validate")).toMatchObject({ code: 0 });
    expect(await run("plugins", "uninstall", "mine")).toMatchObject({ code: 0 });
  });

  it("is not linked when it is none", async () => {
    const { run } = plugged();
    const { code, stderr } = await run("plugins", "link", written("", { oclif: {} }));
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no hook "stowage:backends"'),
    });
  });
});
