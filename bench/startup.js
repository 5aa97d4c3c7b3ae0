import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { compare, fresh, stowage } from "./measure.js";
import { workplace } from "./workplace.js";

/** What a command costs before it does anything, against Node alone. */
export async function startup() {
  const node = { name: "node -e 0", command: process.execPath, args: ["-e", "0"] };
  await compare("stowage --help", [stowage(["--help"], fresh("startup")), { ...node, goal: 3 }], { rounds: 21 });
  const tree = join(fresh("startup"), "tree");
  mkdirSync(tree);
  const place = workplace("startup", { locations: { tree } });
  await compare("stowage validate", [place.run(["validate"]), node], { rounds: 21 });
}
