import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bucketOn, closeServer, openServer } from "./bucket.js";
import { compare, fresh, has, ran, stowage, warm } from "./measure.js";
import { SIZES } from "./sizes.js";

const { keys: KEYS, small: SMALL, object: MEGABYTES } = SIZES;
const CONCURRENCY = 16;
const LIST = fileURLToPath(new URL("list-bucket.js", import.meta.url));

/** Listing, many small objects and one large one against rclone, both on the same radosgw of this machine and with as many requests at once. */
export async function cloud() {
  if (!has("rclone")) return void console.log("rclone is not installed: the clouds are not compared");
  for (const part of [listing, smallObjects, largeObject]) {
    const server = await openServer();
    if (!server) return void console.log("radosgw is not installed: the clouds are not compared");
    try {
      await part(server);
    } finally {
      closeServer(server);
    }
  }
}

async function listing(server) {
  const bucket = await bucketOn(server, "listing");
  await bucket.fill(KEYS);
  const name = `list ${KEYS.toLocaleString("en")} keys`;
  const args = [LIST, server.endpoint, bucket.name, String(KEYS)];
  await compare(name, [
    { name: "stowage", command: process.execPath, args, env: env(server) },
    rclone(server, "lsf -R", 0.4, ["lsf", "-R", "--format", "pst", "--use-server-modtime", `stowage:${bucket.name}`]),
  ]);
}

async function smallObjects(server) {
  const tree = fresh("small");
  for (let index = 0; index < SMALL; index++) {
    const folder = join(tree, `d${index % 50}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${index}.bin`), Buffer.alloc(4096, `${index} `));
  }
  const bucketFor = async (purpose) => await bucketOn(server, purpose);
  await compare(`put ${SMALL.toLocaleString("en")} × 4 KiB`, [
    {
      name: "stowage",
      before: async () => await applying(server, workOn(server, await bucketFor("ours"), tree), COPY_UP, tree),
    },
    {
      ...rclone(server, "copy", 1),
      before: async () => copying(server, tree, `stowage:${(await bucketFor("theirs")).name}`),
    },
  ]);
  rmSync(tree, { recursive: true });
}

/** Each round up goes to a new bucket; all rounds down read those of the last, each to a new folder. */
async function largeObject(server) {
  const tree = fresh("large");
  writeFileSync(join(tree, "large.bin"), "begins");
  truncateSync(join(tree, "large.bin"), MEGABYTES * 2 ** 20);
  let [mine, other] = [];
  const works = [];
  await compare(`${MEGABYTES} MiB up`, [
    {
      name: "stowage",
      async before() {
        mine = await instead(server, mine, "ours");
        const work = workOn(server, mine, tree);
        works.push(work);
        return await applying(server, work, COPY_UP, tree);
      },
    },
    {
      ...rclone(server, "copy", 1),
      async before() {
        other = await instead(server, other, "theirs");
        return copying(server, tree, `stowage:${other.name}`);
      },
    },
  ]);
  rmSync(join(tree, "large.bin"));
  const down = [];
  const into = () => down[down.push(fresh("down")) - 1];
  await compare(`${MEGABYTES} MiB down`, [
    {
      name: "stowage",
      before: async () => await applying(server, workOn(server, mine, into()), COPY_DOWN),
    },
    {
      ...rclone(server, "copy", 1),
      before: () => rclone(server, "", 1, ["copy", `stowage:${other.name}`, into()]),
    },
  ]);
  // At once: other cases need the room.
  for (const folder of [tree, ...works, ...down]) rmSync(folder, { recursive: true });
}

/** A new bucket, and room for what goes there: the server keeps all of it in memory. */
async function instead(server, before, purpose) {
  await before?.empty();
  return await bucketOn(server, purpose);
}

const COPY_UP = "match: { location: from }, action: copy, destination: to";
const COPY_DOWN = "match: { location: to }, action: copy, destination: from";

/** Plans by that rule, and returns what applies the plan. */
async function applying(server, work, rule, tree) {
  const file = join(work, "storage.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace(/^rules:[\s\S]*/m, `rules:\n  - { name: all, ${rule} }\n`));
  await ran(["init"], work, server.env);
  await ran(["plan", "-o", "plan.ndjson"], work, server.env);
  if (tree) warm(tree);
  return stowage(["apply", "plan.ndjson"], work, server.env);
}

function copying(server, tree, to) {
  warm(tree);
  return rclone(server, "copy", 1, ["copy", tree, to, "--exclude", ".stowage-*/**", "--exclude", ".stowage-location"]);
}

/** A folder with a storage.yaml over the bucket, and over `tree` where there is one. */
function workOn(server, bucket, tree) {
  const work = fresh("cloud");
  writeFileSync(
    join(work, "storage.yaml"),
    `version: 1
settings: { state: state, settle: 0s, transfer: { concurrency: ${CONCURRENCY} } }
locations:
${tree ? `  - { name: from, type: local, path: ${tree} }\n` : ""}  - { name: to, type: s3, bucket: ${bucket.name}, endpoint: "${server.endpoint}", region: us-east-1, force_path_style: true, purpose: [backup] }
rules:
  - { name: keep, match: {}, action: keep }
`,
  );
  return work;
}

function env(server) {
  const { AWS_CA_BUNDLE: _, ...rest } = process.env;
  return { ...rest, ...server.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
}

const rclone = (server, name, goal, args = []) => ({
  ...{ name: `rclone ${name}`, goal, command: "rclone" },
  args: [...args, "--transfers", String(CONCURRENCY), "--checkers", String(CONCURRENCY), "--config", ""],
  env: {
    ...env(server),
    RCLONE_CONFIG_STOWAGE_TYPE: "s3",
    RCLONE_CONFIG_STOWAGE_PROVIDER: "Ceph",
    RCLONE_CONFIG_STOWAGE_ENV_AUTH: "true",
    RCLONE_CONFIG_STOWAGE_ENDPOINT: server.endpoint,
    RCLONE_CONFIG_STOWAGE_REGION: "us-east-1",
  },
});
