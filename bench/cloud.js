import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bucketOn, closeServer, openServer } from "./bucket.js";
import { fresh, has, report, stowage, time, warm } from "./measure.js";

const ROUNDS = Number(process.env.STOWAGE_BENCH_ROUNDS ?? 3);
const KEYS = Number(process.env.STOWAGE_BENCH_KEYS ?? 200_000);
const SMALL = Number(process.env.STOWAGE_BENCH_SMALL ?? 5_000);
const MEGABYTES = Number(process.env.STOWAGE_BENCH_OBJECT ?? 2_048);
const CONCURRENCY = 16;

/** Listing, many small objects and one large one against rclone, both on the same radosgw of this machine and with as many requests at once. */
export async function cloud() {
  if (!has("rclone")) return void console.log("rclone is not installed: the clouds are not compared");
  const server = await openServer();
  if (!server) return void console.log("radosgw is not installed: the clouds are not compared");
  try {
    await listing(server);
    await smallObjects(server);
    await largeObject(server);
  } finally {
    await closeServer(server);
  }
}

async function listing(server) {
  const bucket = await bucketOn(server, "listing");
  await bucket.fill(KEYS);
  const script = fileURLToPath(new URL("list-bucket.js", import.meta.url));
  const [ours, theirs, rescans] = [[], [], []];
  const work = workOn(server, bucket, "");
  stowage(["init"], work, server.env);
  stowage(["scan"], work, server.env);
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(time(process.execPath, [script, server.endpoint, bucket.name, String(KEYS)], { env: env(server) }));
    theirs.push(rclone(server, ["lsf", "-R", "--format", "pst", "--use-server-modtime", `stowage:${bucket.name}`]));
    rescans.push(stowage(["scan"], work, server.env).seconds);
  }
  report({ name: "list", seconds: ours }, { name: "rclone lsf -R", seconds: theirs }, 1);
  report({ name: "scan again", seconds: rescans }, { name: "rclone lsf -R", seconds: theirs }, 1);
  rmSync(work, { recursive: true });
  await bucket.drop();
}

async function smallObjects(server) {
  const tree = fresh("small");
  for (let index = 0; index < SMALL; index++) {
    const folder = join(tree, `d${index % 50}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${index}.bin`), Buffer.alloc(4096, `${index} `));
  }
  await compareCopies(server, "small objects", tree);
  rmSync(tree, { recursive: true });
}

async function largeObject(server) {
  const tree = fresh("large");
  const file = join(tree, "large.bin");
  writeFileSync(file, "begins");
  truncateSync(file, MEGABYTES * 2 ** 20);
  await compareCopies(server, "one large object", tree);
  rmSync(tree, { recursive: true });
}

/** `stowage apply` of a plan that copies the tree, against `rclone copy` of the same. */
async function compareCopies(server, name, tree) {
  const [ours, theirs] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const [mine, other] = [await bucketOn(server, "ours"), await bucketOn(server, "theirs")];
    const work = workOn(server, mine, `  - { name: from, type: local, path: ${tree} }\n`);
    stowage(["init"], work, server.env);
    stowage(["plan", "-o", "plan.ndjson"], work, server.env);
    warm(tree);
    const { seconds, megabytes } = stowage(["apply", "plan.ndjson"], work, server.env);
    ours.push(seconds);
    if (round === 0) console.log(`${name}: stowage took ${megabytes.toFixed(0)} MB of memory`);
    warm(tree);
    theirs.push(
      rclone(server, [
        "copy",
        tree,
        `stowage:${other.name}`,
        "--exclude",
        ".stowage-*/**",
        "--exclude",
        ".stowage-location",
      ]),
    );
    for (const bucket of [mine, other]) await bucket.drop();
    rmSync(work, { recursive: true });
  }
  report({ name, seconds: ours }, { name: "rclone copy", seconds: theirs }, 1);
}

/** A folder with a storage.yaml over the bucket. */
function workOn(server, bucket, more) {
  const work = fresh("cloud");
  writeFileSync(
    join(work, "storage.yaml"),
    `version: 1
settings: { state: state, settle: 0s, transfer: { concurrency: ${CONCURRENCY} } }
locations:
${more}  - { name: to, type: s3, bucket: ${bucket.name}, endpoint: "${server.endpoint}", region: us-east-1, force_path_style: true, purpose: [backup] }
rules:
${more === "" ? "  - { name: keep, match: {}, action: keep }" : "  - { name: all, match: { location: from }, action: copy, destination: to }"}
`,
  );
  return work;
}

function env(server) {
  const { AWS_CA_BUNDLE: _, ...rest } = process.env;
  return { ...rest, ...server.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
}

const rclone = (server, args) =>
  time("rclone", [...args, "--transfers", String(CONCURRENCY), "--checkers", String(CONCURRENCY), "--config", ""], {
    env: {
      ...env(server),
      RCLONE_CONFIG_STOWAGE_TYPE: "s3",
      RCLONE_CONFIG_STOWAGE_PROVIDER: "Ceph",
      RCLONE_CONFIG_STOWAGE_ENV_AUTH: "true",
      RCLONE_CONFIG_STOWAGE_ENDPOINT: server.endpoint,
      RCLONE_CONFIG_STOWAGE_REGION: "us-east-1",
    },
  });
