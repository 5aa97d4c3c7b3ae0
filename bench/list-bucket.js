// node list-bucket.js ENDPOINT BUCKET COUNT: lists a bucket through the backend, as the commands load it, and nothing else.
import { load } from "../bin/load.js";

const [endpoint, bucket, expected] = process.argv.slice(2);
const store = { type: "s3", bucket, prefix: "", endpoint, region: "us-east-1", forcePathStyle: true };
const backends = await load("open.js").openBackends({
  file: "storage.yaml",
  settings: { transfer: { concurrency: 16, retries: 5 } },
  locations: [{ name: "bench", type: "s3", status: "active", store }],
});
const backend = backends.get("bench");
let count = 0;
for await (const _ of backend.list()) count++;
await backend.close();
if (count !== Number(expected)) throw new Error(`listed ${count} of ${expected} keys`);
