import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compare, fresh, has, leave, ran, warm } from "./measure.js";
import { SIZES } from "./sizes.js";
import { bigFiles, copyInto, smallFiles } from "./tree.js";
import { workplace } from "./workplace.js";

const { files: FILES, megabytes: MEGABYTES } = SIZES;
const RULE = "{ name: all, match: {}, action: copy, place: key, destination: to }";
const OWN = ["--exclude", ".stowage-*/**", "--exclude", ".stowage-location", "--config", ""];

/** Applying plans: copies of small and of large files, verified and durable, and moves within one file system. */
export async function copy() {
  await copies(`copy ${FILES.toLocaleString("en")} small files`, smallFiles(FILES), { rclone: 1.2, rsync: 0.7 });
  await copies(`copy 8 × ${MEGABYTES} MiB`, bigFiles(8, MEGABYTES), { rclone: 0.95, drop: true });
  await moves();
}

/** Each round writes to new folders; small files are not deleted between them: ext4 avoids the freed inodes for minutes. */
async function copies(name, tree, { rclone, rsync, drop }) {
  let place;
  const made = [];
  const into = () => made[made.push(fresh("copied")) - 1];
  const ours = {
    name: "stowage",
    async before() {
      const to = into();
      place = workplace("copy", { locations: { from: tree, to }, rules: [RULE] });
      await ran(["init"], place.work);
      await ran(["plan", "-o", "plan.stowage"], place.work);
      warm(tree);
      return place.run(["apply", "plan.stowage"]);
    },
    after() {
      if (readdirSync(made.at(-1)).filter((name) => !name.startsWith(".")).length === 0)
        throw new Error("nothing was copied");
      if (drop) clear(made);
      rmSync(place.work, { recursive: true });
    },
  };
  const ways = {
    rclone: (to) => [tree, to, ...OWN],
    rsync: (to) => [`${tree}/`, to],
    cp: (to) => [`${tree}/.`, to],
  };
  const peer = (name, goal, command, args) => ({
    ...{ name, goal, command },
    before() {
      warm(tree);
      return { command, args: [...args, ...ways[command](into())] };
    },
    after: () => drop && clear(made),
  });
  const peers = [
    peer("rclone copy --transfers 16", rclone, "rclone", ["copy", "--transfers", "16"]),
    ...(rsync ? [peer("rsync -a --fsync", rsync, "rsync", ["-a", "--fsync", "--exclude=.stowage*"])] : []),
    // Without a goal: what the disk and the kernel give to who proves nothing.
    peer("cp -a", undefined, "cp", ["-a"]),
  ].filter(({ command }) => has(command));
  await compare(name, [ours, ...peers]);
  leave(made);
}

/** There and back again: each round moves what the one before has moved. */
async function moves() {
  const base = smallFiles(FILES);
  const sides = (name) => [fresh(`${name}-a`), fresh(`${name}-b`)];
  const [ours, theirs] = [sides("move"), sides("rclone")];
  for (const [first] of [ours, theirs]) {
    mkdirSync(join(first, "files"));
    copyInto(base, join(first, "files"));
  }
  const rules = (from, to) => [
    `{ name: all, match: {}, action: move, from: [${from}], destination: ${to}, place: key }`,
  ];
  const place = workplace("move", { locations: { a: ours[0], b: ours[1] }, rules: rules("a", "b") });
  await ran(["init"], place.work);
  const count = FILES.toLocaleString("en");
  await compare(
    `move ${count} small files`,
    [
      {
        name: "stowage",
        async before(round) {
          const [from, to] = round % 2 === 0 ? ["a", "b"] : ["b", "a"];
          place.rules(rules(from, to));
          await ran(["plan", "-o", `plan-${round}.stowage`], place.work);
          return place.run(["apply", `plan-${round}.stowage`]);
        },
      },
      {
        ...{ name: "rclone move", goal: 1, command: "rclone" },
        before(round) {
          const [from, to] = round % 2 === 0 ? theirs : [...theirs].reverse();
          return { command: "rclone", args: ["move", "--transfers", "16", from, to, ...OWN] };
        },
      },
    ].filter(({ command = "node" }) => has(command)),
  );
  leave([...ours, ...theirs, place.work]);
}

function clear(folders) {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
