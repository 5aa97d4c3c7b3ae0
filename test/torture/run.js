// npm run torture [-- --only PART,… --write --schedules N --seed S …]: everything that tries to make stowage lose data, at full
// size: random schedules on a model (here), then test/system/torture/. Prints what was tried, and with --write notes it in docs/safety.md.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { playMutants, playSchedules } from "./schedules.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = join(ROOT, "docs/safety.md");

const { values } = parseArgs({
  options: {
    /** schedules, mutants, or the name of a file in test/system/torture/. */
    only: { type: "string" },
    write: { type: "boolean", default: false },
    schedules: { type: "string" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: String(Math.min(8, availableParallelism())) },
    /** Worlds that the real planner plans. */
    pool: { type: "string" },
    /** Words of which the name of a mutant must hold one. */
    named: { type: "string" },
  },
});

const others = readdirSync(join(ROOT, "test/system/torture"))
  .filter((file) => file.endsWith(".test.ts") && file !== "schedules.test.ts")
  .map((file) => file.replace(".test.ts", ""));
const parts = values.only?.split(",") ?? ["schedules", "mutants", ...others];
for (const part of parts)
  if (!["schedules", "mutants", ...others].includes(part)) throw new Error(`there is no part "${part}"`);

const scratch = mkdtempSync(join(tmpdir(), "stowage-torture-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const figures = new Map();
const add = (name, count) => figures.set(name, (figures.get(name) ?? 0) + count);
const options = {
  seed: Number(values.seed),
  workers: Number(values.workers),
  named: values.named?.split(","),
  tell: (line) => console.log(line),
};
let sound = true;
let table;

if (parts.includes("schedules")) {
  const sizes = { schedules: Number(values.schedules ?? 1_000_000), pool: Number(values.pool ?? 150) };
  sound = (await playSchedules({ ...options, ...sizes }, add)) && sound;
}
if (parts.includes("mutants")) {
  const sizes = { schedules: Number(values.schedules ?? 20_000), pool: Number(values.pool ?? 40) };
  const hunted = await playMutants({ ...options, ...sizes }, add);
  table = hunted.table;
  sound = hunted.killed && sound;
}
const files = others.filter((file) => parts.includes(file)).map((file) => `test/system/torture/${file}.test.ts`);
if (files.length > 0) sound = playFiles(files) && sound;

const rows = [...figures].map(([name, count]) => `| ${name} | ${count.toLocaleString("en")} |`);
console.log(["", "| what was tried | how often |", "|---|---:|", ...rows].join("\n"));
if (values.write) {
  writeBetween("figures", ["| what was tried | how often |", "|---|---:|"], rows);
  if (table) writeBetween("mutants", table.slice(0, 2), table.slice(2));
}
if (!sound) process.exitCode = 1;

/** The parts that need real processes, disks and servers. @returns false when one of them failed */
function playFiles(files) {
  const counted = join(scratch, "figures.ndjson");
  writeFileSync(counted, "");
  const env = { ...process.env, STOWAGE_TORTURE: "full", STOWAGE_FIGURES: counted };
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", "--project", "system", ...files];
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: "inherit" });
  for (const line of readFileSync(counted, "utf8").split("\n")) {
    if (line === "") continue;
    const { name, count } = JSON.parse(line);
    add(name, count);
  }
  return status === 0;
}

/** Puts rows between two markers of the page; rows of other names, of a run of other parts, stay. */
function writeBetween(marker, head, rows) {
  const [begin, end] = [`<!-- ${marker} -->\n`, `<!-- /${marker} -->`];
  const text = readFileSync(PAGE, "utf8");
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  if (to < from) throw new Error(`docs/safety.md has no place for ${marker}`);
  const nameOf = (row) => row.split("|")[1];
  const kept = text
    .slice(from, to)
    .split("\n")
    .filter((row) => row.startsWith("| ") && !head.includes(row));
  const merged = new Map([...kept, ...rows].map((row) => [nameOf(row), row]));
  writeFileSync(PAGE, `${text.slice(0, from)}\n${[...head, ...merged.values()].join("\n")}\n\n${text.slice(to)}`);
}
