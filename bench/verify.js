import { rmSync } from "node:fs";
import { compare, has, ran, warm } from "./measure.js";
import { SIZES } from "./sizes.js";
import { copyTree, smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

const { files: FILES } = SIZES;

/** Two equal trees: is each file whole, and does a plan find nothing to do? */
export async function verify() {
  const tree = smallFiles(FILES);
  const twin = copyTree(tree);
  const rules = ["{ name: all, match: { location: tree }, action: copy, place: key, destination: twin }"];
  const place = workplace("verify", { locations: { tree, twin }, rules });
  await ran(["init"], place.work);
  await ran(["scan"], place.work);
  const count = FILES.toLocaleString("en");
  const own = ["--exclude", ".stowage-*/**", "--exclude", ".stowage-location"];
  const peer = (name, args, goal, before) => ({ name, command: args[0], args: args.slice(1), goal, before });
  const warmed = () => void [tree, twin].forEach(warm);
  await compare(
    `plan without changes, ${count} files`,
    [
      place.run(["plan", "-o", "plan.stowage"]),
      peer("rclone sync --dry-run", ["rclone", "sync", "--dry-run", tree, twin, ...own, "--config", ""], 0.6),
      peer("rsync -an", ["rsync", "-an", "--exclude=.stowage*", `${tree}/`, twin], 1.2),
    ].filter(({ command }) => has(command)),
  );
  await compare(
    `verify, 2 × ${count} files`,
    [
      { ...place.run(["verify"]), before: warmed },
      peer("rclone check", ["rclone", "check", tree, twin, ...own, "--config", ""], 0.4, warmed),
    ].filter(({ command }) => has(command)),
  );
  rmSync(place.work, { recursive: true });
}
