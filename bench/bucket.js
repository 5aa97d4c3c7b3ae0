import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";

const SCRIPT = fileURLToPath(new URL("../test/support/s3/radosgw.sh", import.meta.url));

/** The server that `S3_ENDPOINT` names, or a radosgw of our own; undefined where there is none. */
export async function openServer() {
  const { S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
  if (S3_ENDPOINT) return { endpoint: S3_ENDPOINT, env: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }, ours: false };
  if (!existsSync("/usr/bin/radosgw")) return undefined;
  const { stdout, status, stderr } = spawnSync("bash", [SCRIPT, "start"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`radosgw did not start: ${stderr}`);
  const said = Object.fromEntries([...stdout.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
  const { S3_ENDPOINT: endpoint, ...env } = said;
  return { endpoint, env, ours: true };
}

export async function closeServer({ ours }) {
  if (ours) spawnSync("bash", [SCRIPT, "stop"], { stdio: "inherit" });
}

/** A new bucket, and what the benchmarks do with it by themselves. */
export async function bucketOn({ endpoint, env }, purpose) {
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
    /** Empty objects in folders of 500, like a library. */
    async fill(count) {
      let next = 0;
      const put = async () => {
        while (next < count) {
          const index = next++;
          const key = `album-${String(Math.floor(index / 500)).padStart(4, "0")}/image-${String(index).padStart(7, "0")}.jpg`;
          await client.send(new PutObjectCommand({ Bucket: name, Key: key, Body: "" }));
        }
      };
      await Promise.all(Array.from({ length: 32 }, put));
    },
    async drop() {
      for (;;) {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
        if (Contents.length === 0) break;
        const Objects = Contents.map(({ Key }) => ({ Key }));
        await client.send(new DeleteObjectsCommand({ Bucket: name, Delete: { Objects, Quiet: true } }));
      }
      await client.send(new DeleteBucketCommand({ Bucket: name }));
      client.destroy();
    },
  };
}
