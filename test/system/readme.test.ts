import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/index.js";
import { REPOSITORY, scratchFolder } from "./example-kit.js";

const README = readFileSync(join(REPOSITORY, "README.md"), "utf8");
const blocks = [...README.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
  kind,
  text: text ?? "",
}));
const transcripts = blocks.filter(({ kind }) => kind === "console").flatMap(({ text }) => commandsOf(text));

describe("a session", () => {
  const clone = scratchFolder();
  beforeAll(() => copyRepository(clone, { modules: true }));

  it("is in the README", () => {
    expect(transcripts.map(({ command }) => command)).toContain("npm start");
  });

  it.each(transcripts)("$command prints what the README says", ({ command, output }) => {
    const { status, stdout: printed, stderr } = shell(command, clone);
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    const stdout = printed.replaceAll(clone, "~/stowage").replace(/^\n(> .*\n)+/, "");
    if (process.env["UPDATE_README"]) return update(command, output, stdout);
    expect(timeless(stdout)).toBe(timeless(output));
  });
});

describe("the two commands for a fresh clone", () => {
  const commands = blocks.filter(({ kind }) => kind === "sh").map(({ text }) => text.trim());
  const clone = scratchFolder();

  it("are the only shell blocks", () => {
    expect(commands).toEqual(["npm ci && npm start", "npm ci && npm test"]);
  });

  it("install, build, and do what they promise", ({ skip }) => {
    copyRepository(clone, { modules: false });
    const installed = shell("npm ci --prefer-offline --no-audit --no-fund", clone);
    skip(
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/.test(installed.stderr),
      "the package registry can not be reached",
    );
    expect(installed.status, installed.stderr).toBe(0);
    expect(existsSync(join(clone, "dist", "index.js"))).toBe(true);
    const started = shell("npm start", clone);
    expect(started.status, started.stderr).toBe(0);
    const tested = shell("npm test -- test/glob.test.ts", clone);
    expect(tested.status, tested.stdout + tested.stderr).toBe(0);
    expect(tested.stdout).toMatch(/^\d+ passed, 0 failed, 0 skipped$/m);
  });

  it(".ci/run installs from the lockfile and calls the README's test command", () => {
    const lines = readFileSync(join(REPOSITORY, ".ci", "run"), "utf8").split("\n");
    expect(lines).toContain("set -euo pipefail");
    expect(lines.findIndex((line) => line.startsWith("npm ci"))).toBeLessThan(lines.indexOf("npm test"));
  });
});

describe("what the README says", () => {
  it("names every command, and none that is not there", () => {
    const table = section("Commands")
      .split("\n")
      .filter((line) => line.startsWith("| `"));
    const named = table.flatMap((line) =>
      [...(line.split(" | ")[0] ?? "").matchAll(/`([a-z ]+)/g)].map(([, name]) => name?.trim()),
    );
    expect(named.sort()).toEqual(
      Object.keys(COMMANDS)
        .map((id) => id.replace(":", " "))
        .sort(),
    );
  });

  it("shows the storage.yaml that npm start runs", () => {
    const shown = blocks.find(({ kind }) => kind === "yaml")?.text;
    expect(readFileSync(join(REPOSITORY, "storage.yaml"), "utf8")).toContain(shown);
  });

  it("links to files that exist", () => {
    const links = [...README.matchAll(/\]\((?!http|#)([^)#]+)/g)].map(([, path]) => path ?? "");
    expect(links.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
  });

  it("holds no path of a machine", () => {
    expect(README).not.toMatch(/\/(home|root|work|Users|tmp(?!\/\*))\//);
  });
});

interface Transcript {
  command: string;
  output: string;
}

/** `$ command` and the lines after it, up to the next one. The commands that npm start itself shows belong to its output. */
function commandsOf(text: string): Transcript[] {
  const whole = text.startsWith("$ npm start") ? [text] : text.split(/^(?=\$ )/m);
  return whole.map((part) => {
    const [first = "", ...rest] = part.split("\n");
    return { command: first.slice(2), output: rest.join("\n") };
  });
}

/** Writes what a command prints now into the README: `UPDATE_README=1 npx vitest run test/system/readme.test.ts`. */
function update(command: string, before: string, now: string): void {
  const file = join(REPOSITORY, "README.md");
  const text = readFileSync(file, "utf8");
  const at = text.indexOf(`\n$ ${command}\n${before}`) + `\n$ ${command}\n`.length;
  const rest = text.slice(at + before.length);
  const printed = [now.trim(), ...(rest.startsWith("$ ") ? [""] : [])].join("\n").replace(/^\n/, "");
  writeFileSync(file, `${text.slice(0, at)}${printed === "" ? "" : `${printed}\n`}${rest}`);
}

/** What may differ between two runs of the same command: clocks, speeds, random ids, and blank lines at the ends. */
function timeless(text: string): string {
  return text
    .replace(/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d+)?Z?/g, "<time>")
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "<uuid>")
    .replace(/\b[0-9a-f]{12,64}\b/g, "<digest>")
    .replace(/\b\d{8}T\d{6}Z-[0-9a-f]{8}\b/g, "<run>")
    .replace(/\b[\d.]+ (B|KB|MB|GB)\/s/g, "<speed>")
    .replace(/\b\d{4}-\d{2}-\d{2}\b/g, "<day>")
    .replace(/\b[\d.]+ [GT]B\b/g, "<disk>")
    .replace(/\b[\d.]+(y|mo|w|d|h|min|s|ms)( \d+(d|h|min|s))?\b/g, "<duration>")
    .replace(/ {2,}/g, " ")
    .trim();
}

/** `stowage` is this clone's, as `npm link` would make it. */
function shell(command: string, cwd: string) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(STOWAGE_|VITEST|NODE_ENV$|NO_COLOR$|FORCE_COLOR$|COLUMNS$|npm_)/i.test(name),
  );
  const line = command.replace(/^stowage /, `"${process.execPath}" bin/run.js `);
  return spawnSync("bash", ["-c", line], { cwd, env: Object.fromEntries(inherited), encoding: "utf8" });
}

/** The repository as a clone would have it, with what is not committed yet. */
function copyRepository(target: string, options: { modules: boolean }): void {
  const left = new Set(
    [".git", ".scratch", ".stowage", "coverage", "dist", "node_modules"].map((name) => join(REPOSITORY, name)),
  );
  cpSync(REPOSITORY, target, { recursive: true, filter: (path) => !left.has(path) });
  if (options.modules) symlinkSync(join(REPOSITORY, "node_modules"), join(target, "node_modules"));
}

function section(title: string): string {
  return README.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
}
