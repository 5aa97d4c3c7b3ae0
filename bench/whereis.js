import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { compare, fresh, has, ran } from "./measure.js";
import { SIZES } from "./sizes.js";
import { smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

const { annexed: FILES } = SIZES;

/** Where everything of a tree lies, as JSON. */
export async function whereis() {
  const tree = smallFiles(FILES);
  const place = workplace("whereis", { locations: { tree } });
  await ran(["init"], place.work);
  await ran(["scan"], place.work);
  await compare(`whereis over ${FILES.toLocaleString("en")} files`, [place.run(["find", "--json"]), ...annexed(tree)]);
  rmSync(place.work, { recursive: true });
}

function annexed(tree) {
  if (!has("git-annex")) return [];
  const work = fresh("annex");
  console.log(`adding ${tree} to a git-annex in ${work} …`);
  const script = `cd "$1" && cp -r "$0"/. . && rm -rf .stowage-* && git init -q . && git config user.email bench@example.org &&
    git config user.name bench && git annex init -q bench && git annex add -q --jobs=2 . && git commit -qm all`;
  const { status, stderr } = spawnSync("sh", ["-c", script, tree, work], { encoding: "utf8" });
  if (status !== 0) throw new Error(`git-annex: ${stderr}`);
  const drop = () => spawnSync("sh", ["-c", `chmod -R u+w "$0" && rm -rf "$0"`, work]);
  process.on("exit", drop);
  return [
    { name: "git annex whereis --json", goal: 0.05, command: "git", args: ["annex", "whereis", "--json"], cwd: work },
  ];
}
