// npm run bench [-- scan|plan|copy|cloud|memory …]: stowage against the tools that people know, as ratios of medians from one run.
// Trees are made in the system's temporary folder once and used again; nothing else is touched.
import { availableParallelism, cpus } from "node:os";
import { cloud } from "./cloud.js";
import { copy } from "./copy.js";
import { memory } from "./memory.js";
import { plan } from "./plan.js";
import { scan } from "./scan.js";

const CASES = { scan, plan, copy, cloud, memory };

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in CASES));
if (unknown.length > 0) {
  console.error(`no such case: ${unknown.join(", ")}; there are ${Object.keys(CASES).join(", ")}`);
  process.exit(64);
}
console.log(`Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? "unknown processor"}`);
for (const [name, run] of Object.entries(CASES)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
