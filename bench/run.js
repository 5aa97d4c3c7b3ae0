// npm run bench [-- scan|plan|copy|cloud|memory … --json FILE --resume --write]: stowage against the tools that people know, as ratios of medians
// from one run. STOWAGE_BENCH_ROUNDS (5) and STOWAGE_BENCH_FILES (200000) make it smaller. Trees are made in the system's temporary
// folder (STOWAGE_BENCH_HOME) once and used again; nothing else is touched. `--resume` goes on with the run that FILE tells of, where it was broken off. `--write` puts the table into docs/performance.md.
// STOWAGE_BENCH_PROFILE=1 runs stowage once more in each case, under perf, and tells where its time goes in the three that are farthest from their goals.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cloud } from "./cloud.js";
import { copy } from "./copy.js";
import { growth } from "./growth.js";
import { cleanUp, rows, versionOf } from "./measure.js";
import { memory } from "./memory.js";
import { plan } from "./plan.js";
import { profileLines } from "./profile.js";
import { scan } from "./scan.js";
import { startup } from "./startup.js";
import { verify } from "./verify.js";
import { whereis } from "./whereis.js";

const CASES = { startup, scan, plan, whereis, verify, copy, cloud, memory, growth };
const PEERS = ["find", "rclone", "rsync", "sha256sum", "openssl", "git-annex"];

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "string" },
    resume: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const unknown = wanted.filter((name) => !(name in CASES));
if (unknown.length > 0) {
  console.error(`no such case: ${unknown.join(", ")}; there are ${Object.keys(CASES).join(", ")}`);
  process.exit(64);
}
const machine = {
  node: process.version,
  processors: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: release(),
  peers: PEERS.map(versionOf).filter(Boolean),
};
console.log(
  `Node ${machine.node}, ${machine.processors}, ${machine.memory}, Linux ${machine.system}\n${machine.peers.join("\n")}`,
);
const measured = measuredBefore();
try {
  for (const [name, run] of Object.entries(CASES)) {
    if ((wanted.length > 0 && !wanted.includes(name)) || measured.includes(name)) continue;
    await run();
    measured.push(name);
    note();
  }
  // Also where all of it was measured before.
  if (values.write) writeTable();
  const profiles = profileLines(rows);
  if (profiles.length > 0) console.log(["", ...profiles].join("\n"));
} finally {
  cleanUp();
}

/** The cases that are not measured again, with their rows; only figures of this very machine are set beside its own. */
function measuredBefore() {
  if (!values.resume || !existsSync(values.json ?? "")) return [];
  const before = JSON.parse(readFileSync(values.json, "utf8"));
  if (JSON.stringify(before.machine) !== JSON.stringify(machine)) {
    console.error(`${values.json} tells of another machine, or of other versions: move it away to begin anew`);
    process.exit(64);
  }
  rows.push(...before.rows);
  return before.measured;
}

/** After each case: a run that is broken off has told what it knows. */
function note() {
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, measured, rows }, null, 2)}\n`);
  if (values.write) writeTable();
}

function writeTable() {
  const page = fileURLToPath(new URL("../docs/performance.md", import.meta.url));
  const [before = "", rest = ""] = readFileSync(page, "utf8").split("<!-- table -->");
  const [, after = ""] = rest.split("<!-- /table -->");
  const lines = rows.map(
    ({ case: name, ours, peer, ratio, limits, met }) =>
      `| ${name} | ${figures(ours)} | ${peer ? `${peer.who.replaceAll("|", "\\|")} ${figures(peer)}` : ""} | ${ratio === undefined ? "" : ratio.toFixed(2)} | ${goalOf(peer, limits)} | ${met ? "yes" : "**no**"} |`,
  );
  const head = ["| case | stowage | peer | ratio | goal | met |", "|---|---|---|---:|---|---|"];
  const of = `${machine.processors}, ${machine.memory}, Linux ${machine.system}, Node ${machine.node}; ${machine.peers.join("; ")}.`;
  const profiles = profileLines(rows);
  const text = [of, "", ...head, ...lines, ...(profiles.length > 0 ? ["", ...profiles] : [])].join("\n");
  writeFileSync(page, `${before}<!-- table -->\n\n${text}\n\n<!-- /table -->${after}`);
}

function figures({ seconds, cpu, megabytes }) {
  return `${seconds.toFixed(2)} s, CPU ${(cpu ?? 0).toFixed(1)} s, ${(megabytes ?? 0).toFixed(0)} MB`;
}

function goalOf(peer, limits) {
  if (peer?.goal !== undefined) return `≤ ${peer.goal}`;
  return limits
    ? Object.entries(limits)
        .map(([what, most]) => `≤ ${most} ${what === "seconds" ? "s" : "MB"}`)
        .join(", ")
    : "";
}
