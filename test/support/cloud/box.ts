import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Ended, type RunOptions, type Sandbox, sandbox } from "../../system/cli-run.js";
import type { Cloud } from "./cloud.js";

/** A folder from which the command line works with clouds. Its clock runs, for the stores' clocks do. */
export interface CloudBox extends Sandbox {
  /** Rules from now on; the locations stay. */
  rules(...lines: string[]): void;
  /** Other locations, from the next `rules` on. */
  locations(text: string): void;
  /** Runs a command that has to succeed, and returns what it printed. */
  good(...args: string[]): Promise<string>;
  json(...args: string[]): Promise<Record<string, unknown>>;
  /** What a link to the object delivers. */
  fetch(address: string): Promise<string>;
  /** All that was printed so far. */
  said(): string;
}

export const MARK = "No changes.";

export interface BoxOptions {
  clouds: Cloud[];
  /** Lines of storage.yaml. */
  locations: string;
  settings?: string;
  atEnd?: (clear: () => void) => void;
}

export function cloudBox({ clouds, settings = "", atEnd, ...options }: BoxOptions): CloudBox {
  let { locations } = options;
  const env = Object.assign({ STOWAGE_NOW: "", STOWAGE_DEBUG: "1" }, ...clouds.map((cloud) => cloud.env));
  const box = sandbox({}, atEnd);
  let said = "";
  const run = async (options: RunOptions, ...args: string[]): Promise<Ended> => {
    const ended = await box.runWith({ ...options, env: { ...env, ...options.env } }, ...args);
    said += `$ stowage ${args.join(" ")}\n${ended.stdout}${ended.stderr}`;
    return ended;
  };
  const cloudy: CloudBox = {
    ...box,
    run: (...args) => run({}, ...args),
    runWith: run,
    rules: (...lines) =>
      box.write(
        "storage.yaml",
        `version: 1\nsettings: { state: state, settle: 0s, ${settings} }\nlocations:\n${locations}rules:\n${lines.map((line) => `  - { ${line} }\n`).join("")}`,
      ),
    locations(text) {
      locations = text;
    },
    async good(...args) {
      const { code, stdout, stderr } = await run({}, ...args);
      if (code !== 0) throw new Error(`stowage ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
      return stdout;
    },
    json: async (...args) => JSON.parse(await cloudy.good(...args, "--json")) as Record<string, unknown>,
    async fetch(address) {
      const { url } = await cloudy.json("url", address);
      const answer = await fetch(String(url));
      if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
      return await answer.text();
    },
    said: () => said,
  };
  return cloudy;
}

/** The files below the folder that hold one of the texts. */
export function leaked(folder: string, secrets: string[]): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  return files
    .filter((file) => statSync(file).isFile())
    .flatMap((file) => {
      const text = readFileSync(file, "latin1");
      return secrets.filter((secret) => text.includes(secret)).map((secret) => `${file}: ${secret}`);
    });
}

export function has(command: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`]);
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
