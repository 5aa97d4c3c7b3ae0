import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fresh, has, report, stowage, time, warm } from "./measure.js";
import { bigFiles } from "./tree.js";

const ROUNDS = Number(process.env.STOWAGE_BENCH_ROUNDS ?? 3);
const MEGABYTES = Number(process.env.STOWAGE_BENCH_MEGABYTES ?? 512);

/** Copying eight large files, verified by reading them back, against `rclone copy`. Each round writes to new folders. */
export async function copy() {
  if (!has("rclone")) return void console.log("rclone is not installed: copying is not compared");
  const tree = bigFiles(8, MEGABYTES);
  const ours = [];
  const theirs = [];
  for (let round = 0; round < ROUNDS; round++) {
    const work = fresh("copy");
    mkdirSync(join(work, "to"));
    writeFileSync(
      join(work, "storage.yaml"),
      `version: 1
settings: { state: state, settle: 0s }
locations:
  - { name: from, type: local, path: ${tree} }
  - { name: to, type: local, path: ${join(work, "to")}, purpose: [backup] }
rules:
  - { name: all, match: {}, action: copy, destination: to }
`,
    );
    stowage(["init"], work);
    stowage(["plan", "-o", "plan.stowage"], work);
    warm(tree);
    ours.push(stowage(["apply", "plan.stowage"], work).seconds);
    if (readdirSync(join(work, "to")).filter((name) => !name.startsWith(".")).length === 0)
      throw new Error("nothing was copied");
    warm(tree);
    theirs.push(time("rclone", ["copy", tree, join(work, "rclone"), "--exclude", ".stowage-*/**", "--config", ""]));
    rmSync(work, { recursive: true });
  }
  report({ name: "copy, verified", seconds: ours }, { name: "rclone copy", seconds: theirs }, 2);
}
