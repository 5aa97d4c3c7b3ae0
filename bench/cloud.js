import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bucketOn, closeServer, openServer } from "./bucket.js";
import { fresh, has, report, stowage, time, warm } from "./measure.js";

const ROUNDS = Number(process.env.STOWAGE_BENCH_ROUNDS ?? 3);
const KEYS = Number(process.env.STOWAGE_BENCH_KEYS ?? 200_000);
const SMALL = Number(process.env.STOWAGE_BENCH_SMALL ?? 5_000);
const MEGABYTES = Number(process.env.STOWAGE_BENCH_OBJECT ?? 2_048);
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
  const [ours, theirs, rescans] = [[], [], []];
  const work = workOn(server, bucket);
  stowage(["init"], work, server.env);
  console.log(`first scan of ${KEYS} keys: ${stowage(["scan"], work, server.env).seconds.toFixed(1)} s`);
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(time(process.execPath, [LIST, server.endpoint, bucket.name, String(KEYS)], { env: env(server) }));
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
  const [ours, theirs] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const [mine, other] = [await bucketOn(server, "ours"), await bucketOn(server, "theirs")];
    const work = workOn(server, mine, tree);
    ours.push(applied("small objects up", work, server, COPY_UP, tree));
    theirs.push(copied(server, tree, `stowage:${other.name}`));
    for (const bucket of [mine, other]) await bucket.drop();
    rmSync(work, { recursive: true });
  }
  report({ name: "small objects up", seconds: ours }, { name: "rclone copy", seconds: theirs }, 1);
  rmSync(tree, { recursive: true });
}

/** Dropped objects stay in the server's memory for hours, so that all rounds read the same two. */
async function largeObject(server) {
  const tree = fresh("large");
  writeFileSync(join(tree, "large.bin"), "begins");
  truncateSync(join(tree, "large.bin"), MEGABYTES * 2 ** 20);
  const [mine, other] = [await bucketOn(server, "ours"), await bucketOn(server, "theirs")];
  const work = workOn(server, mine, tree);
  const up = applied("one large object up", work, server, COPY_UP, tree);
  report(
    { name: "large object up", seconds: [up] },
    { name: "rclone copy", seconds: [copied(server, tree, `stowage:${other.name}`)] },
    1,
  );
  rmSync(join(tree, "large.bin"));
  const [ours, theirs] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(applied("one large object down", work, server, copyDown(round)));
    const to = fresh("down");
    theirs.push(rclone(server, ["copy", `stowage:${other.name}`, to]));
    rmSync(to, { recursive: true });
  }
  report({ name: "large object down", seconds: ours }, { name: "rclone copy", seconds: theirs }, 1);
  for (const bucket of [mine, other]) await bucket.drop();
  for (const folder of [tree, work]) rmSync(folder, { recursive: true });
}

const COPY_UP = "match: { location: from }, action: copy, destination: to";
const copyDown = (round) =>
  `match: { location: to }, action: copy, place: key, destination: from, key: "round-${round}/{filename}"`;

/** Seconds of `stowage apply` alone. */
function applied(name, work, server, rule, tree) {
  const file = join(work, "storage.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace(/^rules:[\s\S]*/m, `rules:\n  - { name: all, ${rule} }\n`));
  stowage(["init"], work, server.env);
  stowage(["plan", "-o", "plan.ndjson"], work, server.env);
  if (tree) warm(tree);
  const { seconds, megabytes } = stowage(["apply", "plan.ndjson"], work, server.env);
  console.log(`${name}: stowage took ${seconds.toFixed(1)} s and ${megabytes.toFixed(0)} MB of memory`);
  return seconds;
}

function copied(server, tree, to) {
  warm(tree);
  return rclone(server, ["copy", tree, to, "--exclude", ".stowage-*/**", "--exclude", ".stowage-location"]);
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
