import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What a sample is counted as: the first that one of its frames, or its innermost one, fits. */
const KINDS = [
  ["DuckDB", /libduckdb|duckdb\.node/],
  [
    "V8: garbage collection",
    /v8::internal::(Scaveng|MarkCompact|Heap|ConcurrentMarking|Sweeper|GCTracer|Evacuat|YoungGen|NewSpace|PagedSpace)/,
  ],
  [
    "V8: parsing and compiling",
    /v8::internal::(compiler|baseline|maglev|interpreter|Parser|Scanner|Compiler|OptimizingCompile)|Builtins_CompileLazy|compileForInternalLoader/,
  ],
  ["kernel: page faults", /page_fault/],
  ["kernel: sockets", /sys_(send|recv|accept|connect)|sock_(read|write)|tcp_|inet_/],
  ["kernel: making durable", /sys_(fsync|fdatasync|sync)|do_fsync|syncfs/],
  ["kernel: reading and writing", /ksys_p?(read|write)|sys_p?(read|write)/],
  [
    "kernel: names and attributes",
    /sys_(open|close|stat|newfstat|link|unlink|rename|mkdir|rmdir|getdents|utime|fadvise|faccess|access)|do_sys_open|do_(unlink|link|rename|mkdir)/,
  ],
  ["kernel: other", /kernel\.kallsyms/],
  ["hashes, signatures", /sha256|libcrypto|EVP_|OneShotDigest|node::crypto/],
  ["JavaScript, and what V8 does for it", /JS:|Builtins_|v8::/],
  ["Node's own code", /node::|uv_/],
];
const REST = "C library, loader";

/**
 * Where the processors' time of a Node command and of all its threads goes: shares of one, by kind; in `calls` the functions of JavaScript with
 * the most time, that of what is not JavaScript and they call included; in `within` those with the most time together with all that they call.
 * By sampling, 499 times a second of CPU. Undefined where perf is not installed.
 */
export async function profiled({ command, args = [], cwd, env }) {
  if (!hasPerf()) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "stowage-profile-"));
  const data = join(folder, "perf.data");
  try {
    const record = ["record", "-q", "-o", data, "-F", "499", "-g", "-e", "cpu-clock", "--", command];
    const flags = ["--perf-basic-prof", "--interpreted-frames-native-stack"];
    const stdio = ["ignore", "ignore", "pipe"];
    const { status, stderr } = spawnSync("perf", [...record, ...flags, ...args], { cwd, env, stdio, encoding: "utf8" });
    if (status !== 0) throw new Error(`perf ended with ${status}: ${stderr.slice(-2_000)}`);
    return await count(data);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether profiles can be made; for who wants them, before hours without. */
export const hasPerf = () => spawnSync("perf", ["--version"]).error === undefined;

async function count(data) {
  const script = spawn("perf", ["script", "-i", data, "-F", "comm,pid,ip,sym,dso"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [kinds, calls, within] = [new Map(), new Map(), new Map()];
  const add = (to, name) => to.set(name, (to.get(name) ?? 0) + 1);
  let [stack, samples] = [[], 0];
  const end = () => {
    if (stack.length === 0) return;
    samples += 1;
    add(kinds, kindOf(stack));
    const named = stack.map((frame) => /JS:[*^~]?([^\s:]*)/.exec(frame)?.[1]).filter(Boolean);
    if (named.length > 0) add(calls, named[0]);
    for (const call of new Set(named)) if (!OF_NODE.has(call)) add(within, call);
    stack = [];
  };
  const processes = new Set();
  for await (const line of createInterface({ input: script.stdout })) {
    if (line === "") end();
    else if (line.startsWith("\t")) stack.push(line);
    else processes.add(/(\d+)\s*$/.exec(line)?.[1]);
  }
  end();
  if (script.exitCode === null) await once(script, "close");
  // V8 leaves the names of its functions there.
  for (const pid of processes) rmSync(`/tmp/perf-${pid}.map`, { force: true });
  const shares = (from, most) =>
    Object.fromEntries(
      [...from]
        .sort(([, a], [, b]) => b - a)
        .slice(0, most)
        .map(([name, n]) => [name, n / samples]),
    );
  return { samples, kinds: shares(kinds), calls: shares(calls, 12), within: shares(within, 16) };
}

/** What is below everything. */
const OF_NODE = new Set([
  "processTicksAndRejections",
  "runMicrotasks",
  "processImmediate",
  "listOnTimeout",
  "processTimers",
  "onceWrapper",
  "emit",
]);

function kindOf(stack) {
  const text = stack.join("\n");
  return KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? REST;
}

/** So many are shown in detail. */
const DETAILED = 3;

/** How many times its goal, or the worst of its limits, a row takes; undefined where it has neither. */
function missOf({ ours, peer, ratio, limits }) {
  if (peer?.goal !== undefined) return ratio / peer.goal;
  return limits && Math.max(...Object.entries(limits).map(([figure, limit]) => (ours[figure] ?? 0) / limit));
}

/** Tables, in Markdown, of the profiles of the cases that miss a goal, those that miss it most first. Limits that are our `own` do not count. */
export function profileLines(rows) {
  const missed = new Map();
  for (const row of rows) {
    if (!row.ours.profile || row.own || !(missOf(row) > 1)) continue;
    const miss = Math.max(missOf(row), missed.get(row.case)?.miss ?? 0);
    missed.set(row.case, { name: row.case, miss, ...row.ours.profile });
  }
  const shown = [...missed.values()].sort((a, b) => b.miss - a.miss);
  if (shown.length === 0) return [];
  const kinds = [...KINDS.map(([kind]) => kind), REST].filter((kind) => shown.some((each) => each.kinds[kind]));
  const percent = (share = 0) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
  const listed = (calls) =>
    Object.entries(calls)
      .map(([call, share]) => `\`${call}\` ${percent(share)}`)
      .join(", ");
  return [
    "Where stowage's processor time goes in the cases that miss their goals, those that miss them most first (perf, all threads):",
    "",
    `| | ${shown.map(({ name }) => name).join(" | ")} |`,
    `|---|${"---:|".repeat(shown.length)}`,
    ...kinds.map((kind) => `| ${kind} | ${shown.map((each) => percent(each.kinds[kind])).join(" | ")} |`),
    "",
    "The functions of JavaScript with the most time in the first of these, in themselves and in what they call that is not JavaScript:",
    "",
    ...shown
      .slice(0, DETAILED)
      .flatMap(({ name, calls, within }) => [
        `- ${name}: ${listed(calls)}`,
        ...(within ? [`  - with all that they call: ${listed(within)}`] : []),
      ]),
  ];
}
