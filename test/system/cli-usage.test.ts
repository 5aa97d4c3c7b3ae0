import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/index.js";
import { BIN, sandbox } from "./cli-run.js";

const IDS = Object.keys(COMMANDS).map((id) => id.replace(":", " "));

describe("help teaches (§7)", () => {
  it("shows every command in the overview", async () => {
    const { code, stdout, stderr } = await sandbox({}).run("--help");
    expect([code, stderr]).toEqual([0, ""]);
    for (const id of IDS) expect(stdout).toMatch(new RegExp(`^  ${id} `, "m"));
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  it.each(IDS)("`%s --help` has examples, exit codes and the global flags, and fits 80 columns", async (id) => {
    const { code, stdout, stderr } = await sandbox({}).run(...id.split(" "), "--help");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toContain("EXAMPLES");
    expect(stdout).toContain(`$ stowage ${id}`);
    expect(stdout.replace(/\s+/g, " ")).toMatch(/Exit codes: 0 ok · .*64 wrong usage/);
    expect(stdout).toContain("GLOBAL FLAGS");
    expect(stdout).toContain("--json");
  });

  it("answers `help COMMAND`, `--version` and a topic", async () => {
    const box = sandbox({});
    expect((await box.run("help", "plan")).stdout).toContain("USAGE\n  $ stowage plan");
    expect((await box.run("--version")).stdout).toMatch(/^stowage \d+\.\d+\.\d+ \(node /);
    expect((await box.run("location")).stdout).toContain("location list");
  });

  it("does not load DuckDB, listr2, yaml or ajv for help", async () => {
    const box = sandbox({ "hooks.mjs": HOOKS, "register.mjs": REGISTER, "loaded.txt": "" });
    const NODE_OPTIONS = `--import=${box.dir}/register.mjs`;
    const { code } = await box.runWith({ env: { NODE_OPTIONS } }, "plan", "--help");
    expect(code).toBe(0);
    const loaded = box.read("loaded.txt");
    expect(loaded).toContain("/dist/bin/@oclif_core.js");
    const packages = ["@duckdb_node-api", "listr2", "yaml", "ajv", "diff", "cockatiel"];
    expect(packages.filter((name) => existsSync(join(BIN, `../../dist/bin/${name}.js`)))).toEqual(packages);
    expect(packages.filter((name) => loaded.includes(`/${name}.js`))).toEqual([]);
    expect(loaded).not.toContain("/node_modules/");
  });
});

/** Writes down what is imported, and what is read. */
const HOOKS = `
import { appendFileSync } from "node:fs";
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  appendFileSync(new URL("loaded.txt", import.meta.url), found.url + "\\n");
  return found;
}`;
const REGISTER = `
import fs from "node:fs";
import { register, syncBuiltinESMExports } from "node:module";
register("./hooks.mjs", import.meta.url);
const read = fs.readFileSync;
fs.readFileSync = (file, ...rest) => {
  fs.appendFileSync(new URL("loaded.txt", import.meta.url), file + "\\n");
  return read(file, ...rest);
};
syncBuiltinESMExports();`;

describe("wrong usage (exit 64)", () => {
  it.each([
    {
      name: "an option before the command",
      args: ["--config", "x", "plan"],
      says: 'Error: options come after the command, but "--config" is before it',
    },
    {
      name: "a word where a number is wanted",
      args: ["apply", "--concurrency", "x"],
      says: "Parsing --concurrency: Expected an integer but received: x",
    },
    { name: "an unknown command", args: ["paln"], says: "Did you mean `stowage plan`?" },
    {
      name: "an unknown command of a topic",
      args: ["location", "lits"],
      says: "Did you mean `stowage location list`?",
    },
    { name: "an unknown flag", args: ["plan", "--exlude", "x"], says: "Did you mean `--exclude`?" },
    { name: "a missing argument", args: ["show"], says: "Missing 1 required arg" },
    { name: "an argument too many", args: ["validate", "x"], says: "Unexpected argument: x" },
    { name: "a value that is not a choice", args: ["scan", "--hash", "most"], says: "auto, all, none" },
    { name: "a clock without a zone", args: ["plan"], env: { STOWAGE_NOW: "2026-03-01 12:00" }, says: "STOWAGE_NOW" },
  ])("$name", async ({ args, env, says }) => {
    const { code, stdout, stderr } = await sandbox({}).runWith({ env: env ?? {} }, ...args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toContain(says);
    expect(stderr).not.toContain("    at ");
  });

  it("is a document with --json, on stdout", async () => {
    const { code, stdout, stderr } = await sandbox({}).run("plan", "--json", "--nope");
    expect([code, stderr]).toEqual([64, ""]);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: "USAGE", message: "Nonexistent flag: --nope", hint: "Run `stowage plan --help`.", exit: 64 },
    });
  });

  it("names a missing storage.yaml and what to do", async () => {
    const { code, stderr } = await sandbox({}).run("plan");
    expect(code).toBe(1);
    expect(stderr).toContain("storage.yaml");
    expect(stderr).toContain("stowage init");
  });
});
