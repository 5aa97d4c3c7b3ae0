import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { profiled } from "./profile.js";
import { SIZES } from "./sizes.js";

/** Everything the benchmarks make lies here; made trees are used again. */
export const HOME = join(process.env.STOWAGE_BENCH_HOME ?? tmpdir(), "stowage-bench");
mkdirSync(HOME, { recursive: true });

export const fresh = (name) => mkdtempSync(join(HOME, `${name}-`));

const left = [];

/** Removes folders when all is measured: after many removals, ext4 creates files ten times slower for minutes. */
export const leave = (folders) => void left.push(...folders);

export function cleanUp() {
  for (const folder of left.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Rows that were measured, in their order: for the table, and as JSON. */
export const rows = [];

/**
 * Runs a command to its end; what it prints is thrown away. Seconds of the wall clock, seconds of CPU and the most memory, in MB, that
 * it and all the processes that it started had at one time (looked at 40 times a second; of Linux only).
 */
export async function measure({ command, args = [], cwd, env }) {
  const before = childrenCpu();
  const started = performance.now();
  const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: ["ignore", "ignore", "pipe"] });
  let [errors, peak] = ["", 0];
  child.stderr.on("data", (chunk) => {
    errors = (errors + chunk).slice(-2_000);
  });
  const timer = setInterval(() => {
    peak = Math.max(peak, memoryOf(child.pid));
  }, 25);
  const [status] = await once(child, "close").finally(() => clearInterval(timer));
  const seconds = (performance.now() - started) / 1000;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${errors}`);
  return { seconds, cpu: childrenCpu() - before, megabytes: peak };
}

/** Seconds of CPU of all processes that were started here and have ended, with their own children. */
function childrenCpu() {
  const fields =
    read("/proc/self/stat")
      ?.replace(/^.*\) /, "")
      .split(" ") ?? [];
  return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / TICKS;
}

const TICKS = 100;
const PAGE = 4096;

function memoryOf(pid) {
  const pages = Number(read(`/proc/${pid}/statm`)?.split(" ")[1] ?? 0);
  return childrenOf(pid).reduce((sum, child) => sum + memoryOf(child), (pages * PAGE) / 2 ** 20);
}

/** The kernel lists a child with the thread that started it. */
function childrenOf(pid) {
  const threads = tried(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.flatMap((thread) => (read(`/proc/${pid}/task/${thread}/children`) ?? "").split(" ").filter(Boolean));
}

const read = (file) => tried(() => readFileSync(file, "utf8"));

function tried(look) {
  try {
    return look();
  } catch {
    // It has ended meanwhile, or this is no Linux.
    return undefined;
  }
}

/**
 * Measures stowage and its peers in turn, `rounds` times, and prints medians and ratios. The first contender is stowage; each other may
 * have a `goal`: the ratio of wall times that is not to be exceeded. `before` of each is run before it, and is not measured.
 */
export async function compare(name, contenders, { rounds = SIZES.rounds } = {}) {
  const runs = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const command = (await contender.before?.(round)) ?? contender;
      runs[index].push(await measure(command));
      await contender.after?.(round);
    }
  }
  const [ours, ...theirs] = contenders.map(({ name: who, goal }, index) => ({ who, goal, ...medians(runs[index]) }));
  if (process.env.STOWAGE_BENCH_PROFILE) {
    const command = (await contenders[0].before?.(rounds)) ?? contenders[0];
    ours.profile = await profiled(command);
    await contenders[0].after?.(rounds);
  }
  if (theirs.length === 0) tell({ name, ours, limits: contenders[0].limits, own: contenders[0].own });
  for (const peer of theirs) tell({ name, ours, peer });
  return ours;
}

/** Notes and prints a row. `limits`: `seconds` and `megabytes` that are not to be exceeded, where there is no peer; `own`: nobody but us has set them. */
export function tell({ name, ours, peer, limits, own }) {
  const ratio = peer && ours.seconds / peer.seconds;
  const met = isMet({ ours, peer, ratio, limits });
  const rounds = ours.runs.length;
  rows.push({
    case: name,
    rounds,
    ours,
    ...(peer && { peer, ratio }),
    ...(limits && { limits }),
    ...(own && { own }),
    met,
  });
  const goal = peer?.goal === undefined ? "" : ` (goal ${peer.goal}: ${met ? "met" : "missed"})`;
  const limit = limits ? ` (at most ${Object.values(limits).join(", ")}: ${met ? "met" : "missed"})` : "";
  const against = peer ? `   ${peer.who.padEnd(30)} ${shown(peer)}   ratio ${ratio.toFixed(2)}${goal}` : limit;
  console.log(`${name.padEnd(34)} ${shown(ours)}${against}`);
}

/** Undefined where nothing is aimed at. */
function isMet({ ours, peer, ratio, limits }) {
  if (peer) return peer.goal === undefined ? undefined : ratio <= peer.goal;
  return limits && within(ours, limits);
}

const within = (ours, limits) =>
  Object.entries(limits).every(([figure, limit]) => ours[figure] === undefined || ours[figure] <= limit);

const shown = ({ seconds, cpu, megabytes }) =>
  `${seconds.toFixed(2).padStart(7)} s ${(cpu ?? 0).toFixed(1).padStart(6)} s CPU ${(megabytes ?? 0).toFixed(0).padStart(5)} MB`;

/** With the single runs, so that a reader can see how far they lie apart. */
export const medians = (runs) => ({
  seconds: median(runs.map((run) => run.seconds)),
  cpu: median(runs.map((run) => run.cpu)),
  megabytes: Math.max(...runs.map((run) => run.megabytes)),
  runs,
});

const STOWAGE = fileURLToPath(new URL("../bin/run.js", import.meta.url));

/** The stowage command, as `compare` takes it. `env` is added to the environment. */
export const stowage = (args, cwd, env = {}) => ({
  ...{ name: "stowage", command: process.execPath, args: [STOWAGE, ...args, "--no-progress"], cwd },
  env: { ...process.env, ...env },
});

/** Runs a stowage command that is not compared: its figures. */
export const ran = async (args, cwd, env) => await measure(stowage(args, cwd, env));

export const has = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;

/** The first line in which a program tells its version. */
export function versionOf(command) {
  const asked = ["openssl", "git-annex"].includes(command) ? "version" : "--version";
  const { stdout, error } = spawnSync(command, [asked], { encoding: "utf8" });
  return error ? undefined : stdout.split("\n")[0].replace(/^git-annex version:/, "git-annex");
}

/** Reads all files once, so that the next reader finds them in memory: rclone drops what it has read. */
export const warm = (directory) =>
  void spawnSync("sh", ["-c", `find "$0" -type f -print0 | xargs -0 cat > /dev/null`, directory]);

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
