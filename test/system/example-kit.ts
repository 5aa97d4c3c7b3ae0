import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll } from "vitest";

export const REPOSITORY = resolve(import.meta.dirname, "..", "..");

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** A folder of its own that goes when the test file is done. */
export function scratchFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "stowage-example-")));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program of this Node to its end; `env` is added to a surrounding without the settings of whoever runs the tests. */
export function run(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): Ran {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(STOWAGE_|NO_COLOR|FORCE_COLOR|COLUMNS)/.test(name),
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...Object.fromEntries(inherited), ...options.env },
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

/** One stowage command. */
export const stowage = (args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): Ran =>
  run([join(REPOSITORY, "bin", "run.js"), ...args], options);

/** Every file below a folder but stowage's own, as sorted paths with `/`. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.split("/").some((part) => part.startsWith(".stowage")))
    .sort();
}

/** The SHA-256 of every file below a folder, the trash of locations included. */
export function contentsBelow(folder: string): Set<string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Set(
    files.map((entry) =>
      createHash("sha256")
        .update(readFileSync(join(entry.parentPath, entry.name)))
        .digest("hex"),
    ),
  );
}
