import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { openRequests } from "../src/backend/requests.js";
import { s3Store } from "../src/backend/s3.js";
import { uploadOf } from "./support/s3/upload.js";

/** Takes what is sent slowly, but without a stop. */
let taken = 0;
const server = createServer(async (request, response) => {
  if (request.method !== "PUT") return void response.end("<VersioningConfiguration></VersioningConfiguration>");
  for await (const piece of request) {
    taken += (piece as Buffer).length;
    await sleep(1);
  }
  response.setHeader("etag", '"0123"').end();
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

it("sends an object for as long as it gets on, however slow the line is", async () => {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = { type: "s3", bucket: "b", prefix: "", endpoint, forcePathStyle: true, region: "us-east-1" } as const;
  const requests = openRequests("there", { retries: 0, concurrency: 4, timeout: 1_500 });
  const store = await s3Store({ ...config, credentials: { accessKeyId: "a", secretAccessKey: "b" } }, requests);
  const whole = Buffer.alloc(64 << 20, 1);
  const started = performance.now();
  await store.put("x", { ...uploadOf(whole), whole, safeParts: false }, { absent: true });
  expect(taken).toBe(whole.length);
  expect(performance.now() - started).toBeGreaterThan(1_500);
  await store.close();
});
