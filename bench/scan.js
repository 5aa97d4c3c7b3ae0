import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fresh, has, report, stowage, time, warm } from "./measure.js";
import { smallFiles } from "./tree.js";

const ROUNDS = Number(process.env.STOWAGE_BENCH_ROUNDS ?? 3);
const FILES = Number(process.env.STOWAGE_BENCH_FILES ?? 200_000);

/** The first scan, hashes included, against `rclone hashsum sha256`; the scan of the unchanged tree against `find -printf`. */
export async function scan() {
  const tree = smallFiles(FILES);
  const work = fresh("scan");
  writeFileSync(
    join(work, "storage.yaml"),
    `version: 1\nsettings: { state: state, settle: 0s }\nlocations:\n  - { name: tree, type: local, path: ${tree} }\n`,
  );
  mkdirSync(join(work, "state"));
  stowage(["init"], work);

  const first = [];
  const again = [];
  const rclone = [];
  const find = [];
  for (let round = 0; round < ROUNDS; round++) {
    rmSync(join(work, "state"), { recursive: true });
    warm(tree);
    first.push(stowage(["scan"], work).seconds);
    if (has("rclone")) {
      warm(tree);
      rclone.push(time("rclone", ["hashsum", "sha256", tree, "--config", ""]));
    }
    again.push(stowage(["scan"], work).seconds);
    find.push(time("find", [tree, "-printf", "%p %s %T@\\n"]));
  }
  if (rclone.length > 0) report({ name: "first scan", seconds: first }, { name: "rclone hashsum", seconds: rclone }, 1);
  else console.log("rclone is not installed: the first scan is not compared");
  report({ name: "scan again", seconds: again }, { name: "find -printf", seconds: find }, 3);
  rmSync(work, { recursive: true });
}
