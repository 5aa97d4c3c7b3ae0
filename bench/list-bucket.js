// node list-bucket.js ENDPOINT BUCKET COUNT: lists a bucket through the backend, and nothing else.
import { openBackend } from "../dist/backend/open.js";

const [endpoint, bucket, expected] = process.argv.slice(2);
const backend = await openBackend({
  name: "bench",
  type: "s3",
  store: { type: "s3", bucket, prefix: "", endpoint, region: "us-east-1", forcePathStyle: true },
});
let count = 0;
for await (const _ of backend.list()) count++;
await backend.close();
if (count !== Number(expected)) throw new Error(`listed ${count} of ${expected} keys`);
