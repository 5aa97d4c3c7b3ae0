import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

export const BIN = join(import.meta.dirname, "..", "..", "bin", "run.js");

/** The clock of all transcripts. */
export const NOW = "2026-03-01T12:00:00Z";
const LONG_AGO = new Date("2026-01-01T00:00:00Z");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Sandbox {
  dir: string;
  /** Runs the command line in the sandbox, without a terminal. */
  run(...args: string[]): Promise<Ended>;
  /** With other environment variables, or a signal after some output. */
  runWith(options: RunOptions, ...args: string[]): Promise<Ended>;
  write(path: string, text: string, modified?: Date): void;
  read(path: string): string;
  /** Files below a folder with their text, without stowage's own. */
  tree(path?: string): Record<string, string>;
}

export interface RunOptions {
  env?: Record<string, string>;
  input?: string;
  /** Called with everything the process has printed so far, whenever it prints. */
  onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** A folder with a storage.yaml and files, gone after the test, or when `atEnd` says so. */
export function sandbox(
  files: Record<string, string>,
  atEnd: (clear: () => void) => void = (clear) => onTestFinished(clear),
): Sandbox {
  const dir = mkdtempSync(join(tmpdir(), "stowage-cli-"));
  atEnd(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  const box: Sandbox = {
    dir,
    run: (...args) => box.runWith({}, ...args),
    runWith: (options, ...args) => start(dir, args, options),
    write(path, text, modified = LONG_AGO) {
      const full = join(dir, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, text);
      utimesSync(full, modified, modified);
    },
    read: (path) => readFileSync(join(dir, path), "utf8"),
    tree: (path = ".") => treeOf(join(dir, path)),
  };
  for (const [path, text] of Object.entries(files)) box.write(path, text);
  return box;
}

function start(cwd: string, args: string[], options: RunOptions): Promise<Ended> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { PATH, HOME, STOWAGE_NOW: NOW, ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.end(options.input);
  const ended: Ended = { code: null, stdout: "", stderr: "" };
  const see = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    ended[stream] += chunk.toString();
    options.onOutput?.(ended.stdout + ended.stderr, (signal) => child.kill(signal));
  };
  child.stdout?.on("data", see("stdout"));
  child.stderr?.on("data", see("stderr"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}

function treeOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    if (path.split("/").some((part) => part.startsWith(".stowage"))) continue;
    if (statSync(join(root, path)).isFile()) found[path] = readFileSync(join(root, path), "utf8");
  }
  return found;
}

/** A sandbox's output without what differs from run to run: its folder and times that passed. */
export const stable = (text: string, box: Sandbox): string =>
  text
    .replaceAll(box.dir, "<dir>")
    .replace(/done in [\d.]+(ms|s)/g, "done in <time>")
    .replace(/[\d.]+ [KMG]?B\/s/g, "<rate>");
