import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compare, has, ran, warm } from "./measure.js";
import { SIZES } from "./sizes.js";
import { bigFiles, emptyFiles, smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

const { files: FILES, megabytes: MEGABYTES } = SIZES;
const RCLONE = ["--config", ""];

const rclone = (name, args, goal, before) => ({
  ...{ name: `rclone ${name}`, command: "rclone", args: [...args, ...RCLONE], goal },
  ...(before && { before: () => void before() }),
});
const shell = (name, script, args, goal, before) => ({
  ...{ name, command: "sh", args: ["-c", script, ...args], goal },
  ...(before && { before: () => void before() }),
});
const peers = (...all) => all.filter(({ command, name }) => has(command === "sh" ? name.split(" ")[0] : command));

/** First scans, hashes included, of small and large files, and the scan of what did not change. */
export async function scan() {
  await small();
  await large();
  await again();
}

async function firstScan(tree) {
  const place = workplace("scan", { locations: { tree } });
  await ran(["init"], place.work);
  const forget = () => rmSync(join(place.work, "state"), { recursive: true, force: true });
  return { scan: place.run(["scan"]), forget, end: () => rmSync(place.work, { recursive: true }) };
}

async function small() {
  const tree = smallFiles(FILES);
  const { scan: ours, forget, end } = await firstScan(tree);
  const warmed = () => warm(tree);
  const own = (before) => ({ ...ours, before: () => [forget, before].forEach((step) => void step()) });
  const size = `${FILES.toLocaleString("en")} small files`;
  const sums = `find "$0" -type f -print0 | xargs -0 -P2 -n 500 sha256sum`;
  await compare(`first scan, ${size}, warm`, [
    own(warmed),
    ...peers(
      rclone("hashsum", ["hashsum", "sha256", tree], 0.3, warmed),
      shell("find | xargs -P2 sha256sum", sums, [tree], 0.8, warmed),
    ),
  ]);
  if (dropCaches())
    await compare(`first scan, ${size}, cold`, [
      own(dropCaches),
      ...peers(rclone("hashsum --checkers 32", ["hashsum", "sha256", tree, "--checkers", "32"], 0.45, dropCaches)),
    ]);
  else console.log("the caches of the system can not be dropped: the cold scan is not measured");
  end();
}

function dropCaches() {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    return true;
  } catch {
    return false;
  }
}

async function large() {
  const tree = bigFiles(8, MEGABYTES);
  const { scan: ours, forget, end } = await firstScan(tree);
  const warmed = () => warm(tree);
  await compare(`first scan, 8 × ${MEGABYTES} MiB, warm`, [
    { ...ours, before: () => [forget, warmed].forEach((step) => void step()) },
    ...peers(
      rclone("hashsum", ["hashsum", "sha256", tree], 0.42, warmed),
      shell("openssl dgst × 2", `ls "$0"/* | xargs -P2 -n 4 openssl dgst -sha256`, [tree], 1.15, warmed),
    ),
  ]);
  end();
}

async function again() {
  const count = 5 * FILES;
  const tree = emptyFiles(count);
  const { scan: ours, end } = await firstScan(tree);
  await ran(["scan"], ours.cwd);
  await compare(`scan again, ${count.toLocaleString("en")} files`, [
    ours,
    ...peers(
      shell("find -printf", `find "$0" -printf "%p %s %T@\\n"`, [tree], 2),
      rclone("lsf -R --format pst", ["lsf", "-R", "--format", "pst", tree], 0.7),
    ),
  ]);
  end();
}
