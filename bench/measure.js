import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Everything the benchmarks make lies here; made trees are used again. */
export const HOME = join(tmpdir(), "stowage-bench");
mkdirSync(HOME, { recursive: true });

export const fresh = (name) => mkdtempSync(join(HOME, `${name}-`));

/** Runs a command to its end and returns its seconds; what it prints is thrown away. */
export function time(command, args, options = {}) {
  const started = performance.now();
  const { status, error, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return (performance.now() - started) / 1000;
}

const STOWAGE = fileURLToPath(new URL("../bin/run.js", import.meta.url));
const PEAK = fileURLToPath(new URL("peak.js", import.meta.url));

/** Runs the stowage command in `cwd`: its seconds and its peak memory in megabytes. `more` is added to the environment. */
export function stowage(args, cwd, more = {}) {
  const peak = join(cwd, "peak.txt");
  const seconds = time(process.execPath, ["--import", PEAK, STOWAGE, ...args, "--no-progress"], {
    cwd,
    env: { ...process.env, ...more, STOWAGE_BENCH_PEAK: peak },
  });
  return { seconds, megabytes: Number(readFileSync(peak, "utf8")) / 1024 };
}

export const has = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;

/** Reads all files once, so that the next reader finds them in memory: rclone drops what it has read. */
export const warm = (directory) => void time("sh", ["-c", `find "$0" -type f -print0 | xargs -0 cat`, directory]);

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** `first scan   2.31 s   rclone hashsum   6.70 s   ratio 0.34 (at most 1.0)` */
export function report(ours, theirs, limit) {
  const [mine, other] = [median(ours.seconds), median(theirs.seconds)];
  const ratio = mine / other;
  const verdict = ratio <= limit ? "ok" : "TOO SLOW";
  console.log(
    `${ours.name.padEnd(16)} ${seconds(mine)}   ${theirs.name.padEnd(18)} ${seconds(other)}   ratio ${ratio.toFixed(2)} (at most ${limit}) ${verdict}`,
  );
}

export const seconds = (value) => `${value.toFixed(2)} s`.padStart(8);
