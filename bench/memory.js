import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fresh, medians, ran, tell } from "./measure.js";
import { SIZES } from "./sizes.js";

const { gigabytes: GIGABYTES } = SIZES;
const LIMIT = 256;
const SERVER = fileURLToPath(new URL("discard-server.js", import.meta.url));

/** One huge object to a store and back: every command of it has to do with little memory, whatever the size. */
export async function memory() {
  const server = spawn(process.execPath, [SERVER], { stdio: ["ignore", "pipe", "inherit"] });
  const work = fresh("memory");
  try {
    const [endpoint] = await once(createInterface({ input: server.stdout }), "line");
    mkdirSync(join(work, "disk"));
    writeFileSync(join(work, "disk", "huge.bin"), "");
    truncateSync(join(work, "disk", "huge.bin"), GIGABYTES * 2 ** 30);
    await measured(work, endpoint, "up", "action: move, from: [disk], destination: store");
    await measured(work, endpoint, "down", "action: move, from: [store], destination: disk");
    if (statSync(join(work, "disk", "huge.bin")).size !== GIGABYTES * 2 ** 30) throw new Error("it did not come back");
  } finally {
    server.kill();
    rmSync(work, { recursive: true });
  }
}

async function measured(work, endpoint, way, rule) {
  writeFileSync(
    join(work, "storage.yaml"),
    `version: 1
settings: { state: state, settle: 0s }
locations:
  - { name: disk, type: local, path: disk, purpose: [organized] }
  - { name: store, type: s3, bucket: bucket, endpoint: "${endpoint}", region: us-east-1, force_path_style: true, purpose: [backup] }
rules:
  - { name: all, match: {}, ${rule} }
`,
  );
  const env = { AWS_ACCESS_KEY_ID: "discard", AWS_SECRET_ACCESS_KEY: "discard" };
  for (const args of [["init"], ["plan", "-o", "plan.ndjson"], ["apply", "plan.ndjson"]]) {
    const ours = medians([await ran(args, work, env)]);
    tell({ name: `${GIGABYTES} GiB ${way}: ${args[0]}`, ours, limits: { megabytes: LIMIT } });
  }
}
