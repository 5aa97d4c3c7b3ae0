import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, DeleteObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { openRequests } from "../dist/backend/requests.js";
import { s3Store } from "../dist/backend/s3.js";
import { fresh } from "./measure.js";

/** Of the user that the script makes. */
const KEYS = { AWS_ACCESS_KEY_ID: "stowageaccess", AWS_SECRET_ACCESS_KEY: "stowagesecretkey0123456789" };
const SCRIPT = fileURLToPath(new URL("../test/support/s3/radosgw.sh", import.meta.url));

/** The server that `S3_ENDPOINT` names, or a radosgw of our own; undefined where there is none. */
export async function openServer() {
  const { S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
  if (S3_ENDPOINT) return { endpoint: S3_ENDPOINT, env: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } };
  if (!existsSync("/usr/bin/radosgw")) return undefined;
  const directory = fresh("radosgw");
  const [port, monitor] = [await freePort(), await freePort()];
  const started = spawnSync("bash", [SCRIPT, "start", directory, String(port), String(monitor), String(process.pid)], {
    encoding: "utf8",
    // Room for the large object twice.
    env: { ...process.env, STOWAGE_RADOSGW_BYTES: String(8 * 2 ** 30) },
  });
  if (started.status !== 0) throw new Error(`radosgw did not start: ${started.stderr}`);
  return { endpoint: `http://127.0.0.1:${port}`, env: KEYS, directory };
}

export function closeServer({ directory }) {
  if (directory) spawnSync("bash", [SCRIPT, "stop", directory], { stdio: "inherit" });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function free(directory) {
  const args = ["-c", join(directory, "ceph.conf"), "gc", "process", "--include-all"];
  const { status, stderr } = spawnSync("radosgw-admin", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`radosgw-admin ended with ${status}: ${stderr}`);
}

/** A new bucket. It goes with its server: nobody drops it. */
export async function bucketOn({ endpoint, env, directory }, purpose) {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const name = `bench-${purpose}-${randomBytes(4).toString("hex")}`;
  await client.send(new CreateBucketCommand({ Bucket: name }));
  return {
    name,
    /** Deletes the few objects that are there, and has a server of our own give its memory back: it would otherwise do that hours later. */
    async empty() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
      for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: name, Key }));
      if (directory) free(directory);
    },
    /** Empty objects in folders of 500, like a library. Most of the time is the server's. */
    async fill(count) {
      const requests = openRequests("bench", { retries: 5, concurrency: 32 });
      const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
      const there = { type: "s3", bucket: name, prefix: "", endpoint, region: "us-east-1", forcePathStyle: true };
      const store = await s3Store({ ...there, credentials: { accessKeyId, secretAccessKey } }, requests);
      const whole = Buffer.alloc(0);
      const sha256 = createHash("sha256").digest("hex");
      let next = 0;
      const put = async () => {
        while (next < count) {
          const index = next++;
          const key = `album-${String(Math.floor(index / 500)).padStart(4, "0")}/image-${String(index).padStart(7, "0")}.jpg`;
          await store.put(key, { sha256, size: 0, metadata: {}, whole }, { absent: true });
        }
      };
      await Promise.all(Array.from({ length: 32 }, put));
      await store.close();
    },
  };
}
