import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it } from "vitest";
import { openRequests } from "../src/backend/requests.js";
import { s3Store } from "../src/backend/s3.js";
import { uploadOf } from "./support/s3/upload.js";

const SIZE = 64 << 20;
const TIMEOUT = 1_500;

/** Takes what is sent slowly, but without a stop: in all for longer than the time-out. */
let taken = 0;
const server = createServer(async (request, response) => {
  if (request.method !== "PUT") return void response.end("<VersioningConfiguration></VersioningConfiguration>");
  const until = performance.now() + 1.4 * TIMEOUT;
  for await (const piece of request) {
    const { length } = piece as Buffer;
    // The time left is spread over what is left to take, so that it takes this long on any machine.
    await sleep(Math.max(0, ((until - performance.now()) * length) / (SIZE - taken)));
    taken += length;
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
  const requests = openRequests("there", { retries: 0, concurrency: 4, timeout: TIMEOUT });
  const store = await s3Store({ ...config, credentials: { accessKeyId: "a", secretAccessKey: "b" } }, requests);
  const whole = Buffer.alloc(SIZE, 1);
  await store.put("x", { ...uploadOf(whole), whole, safeParts: false }, { absent: true });
  expect(taken).toBe(whole.length);
  await store.close();
});
