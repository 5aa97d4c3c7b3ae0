// Loaded before the command that is measured: writes its peak memory in kilobytes when it ends.
import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const file = process.env.STOWAGE_BENCH_PEAK;
if (file && isMainThread) process.on("exit", () => writeFileSync(file, String(process.resourceUsage().maxRSS)));
