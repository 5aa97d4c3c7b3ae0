// npm run bench [-- scan|plan|copy|cloud|memory … --json FILE --resume --write]: stowage against the tools that people know, as ratios of medians
// from one run. The variables STOWAGE_BENCH_… of sizes.js make it smaller. Trees are made in the system's temporary folder (STOWAGE_BENCH_HOME)
// once and used again; nothing else is touched. `--resume` goes on with the run that FILE tells of, where it was broken off. `--write` puts
// all figures into docs/performance.md at the end, and so wants all cases.
// STOWAGE_BENCH_PROFILE=1 runs stowage once more in each comparison, under perf, and tells where its time goes in the three that are farthest from their goals.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { cloud } from "./cloud.js";
import { copy } from "./copy.js";
import { grown, growth } from "./growth.js";
import { cleanUp, HOME, rows, versionOf } from "./measure.js";
import { memory } from "./memory.js";
import { writePage } from "./page.js";
import { plan } from "./plan.js";
import { hasPerf, profileLines } from "./profile.js";
import { scan } from "./scan.js";
import { SIZES } from "./sizes.js";
import { startup } from "./startup.js";
import { verify } from "./verify.js";
import { whereis } from "./whereis.js";

const CASES = { startup, scan, plan, whereis, verify, copy, cloud, memory, growth };
const PEERS = ["find", "cp", "rclone", "rsync", "sha256sum", "openssl", "git-annex"];

const { values, positionals } = asked();
const unknown = positionals.filter((name) => !(name in CASES));
if (unknown.length > 0) refuse(`no such case: ${unknown.join(", ")}; there are ${Object.keys(CASES).join(", ")}`);
const wanted = positionals.length > 0 ? positionals : Object.keys(CASES);
if (values.resume && !values.json) refuse("--resume needs the figures of the run before: --json FILE");
const machine = {
  node: process.version,
  processors: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: release(),
  peers: PEERS.map(versionOf).filter(Boolean),
};
const measured = measuredBefore();
if (values.write) wantAll();
if (process.env.STOWAGE_BENCH_PROFILE && !hasPerf())
  console.error("STOWAGE_BENCH_PROFILE is set, but perf is NOT installed: there will be NO profiles");
console.log(
  `Node ${machine.node}, ${machine.processors}, ${machine.memory}, Linux ${machine.system}\n${machine.peers.join("\n")}`,
);
try {
  for (const [name, run] of Object.entries(CASES)) {
    if (!wanted.includes(name) || measured.includes(name)) continue;
    await run();
    measured.push(name);
    note();
  }
  if (values.write) writePage({ machine, rows, growth: grown });
  const profiles = profileLines(rows);
  if (profiles.length > 0) console.log(["", ...profiles].join("\n"));
} finally {
  cleanUp();
}

function asked() {
  const options = { json: { type: "string" }, resume: { type: "boolean" }, write: { type: "boolean" } };
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return refuse(`${error.message.split(". ")[0]}; there are --json FILE, --resume and --write`);
  }
}

function refuse(why) {
  console.error(why);
  process.exit(64);
}

/** The cases that are not measured again, with their rows; only figures of this very machine and of these sizes are set beside its own. */
function measuredBefore() {
  if (!values.resume || !existsSync(values.json)) return [];
  const before = JSON.parse(readFileSync(values.json, "utf8"));
  const differs = (name, now) => JSON.stringify(before[name]) !== JSON.stringify(now);
  if (differs("machine", machine))
    refuse(`${values.json} tells of another machine, or of other versions: move it away to begin anew`);
  if (differs("sizes", SIZES) || differs("home", HOME))
    refuse(
      `${values.json} tells of other sizes or rounds, or of another folder (STOWAGE_BENCH_…): move it away to begin anew`,
    );
  rows.push(...before.rows);
  grown.push(...before.growth);
  return before.measured;
}

/** Before an hour of measuring: a page with a part of the figures would have lost the others. */
function wantAll() {
  const missing = Object.keys(CASES).filter((name) => !wanted.includes(name) && !measured.includes(name));
  if (missing.length > 0)
    refuse(
      `--write wants all cases, and these would be missing: ${missing.join(", ")}. Nothing is measured, docs/performance.md stays as it is. Measure in parts with --json FILE --resume, and --write with the last one.`,
    );
}

/** After each case: a run that is broken off has told what it knows. */
function note() {
  if (!values.json) return;
  const known = { machine, home: HOME, sizes: SIZES, measured, rows, growth: grown };
  writeFileSync(values.json, `${JSON.stringify(known, null, 2)}\n`);
}
