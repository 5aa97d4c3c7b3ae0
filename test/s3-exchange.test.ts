import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Incoming, type Line, openLine } from "../src/backend/s3/exchange.js";

let server: Server | undefined;
let line: Line | undefined;
afterEach(() => {
  line?.close();
  server?.closeAllConnections();
  server?.close();
});

/** Sends one request to a server that answers so. */
async function sent(answer: RequestListener, signal = new AbortController().signal): Promise<Incoming> {
  server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  line = openLine(4);
  const { port } = server.address() as AddressInfo;
  const request = { protocol: "http:", hostname: "127.0.0.1", port, method: "PUT", path: "/b/a%20b" };
  const more = { query: { "x-id": "PutObject", a: "1 2" }, headers: { "x-own": "yes" }, body: Buffer.from("bytes") };
  return await line.exchange({ ...request, ...more }, signal);
}

describe("a small request", () => {
  it("goes out with all that it was signed with, and its answer comes back whole", async () => {
    const seen: unknown[] = [];
    const answer = await sent(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      seen.push(request.method, request.url, request.headers["x-own"], Buffer.concat(pieces).toString());
      response.writeHead(200, { etag: '"e"', "set-cookie": ["a", "b"] });
      response.write("first, ");
      response.end("then the rest");
    });
    expect(seen).toEqual(["PUT", "/b/a%20b?a=1%202&x-id=PutObject", "yes", "bytes"]);
    expect([answer.statusCode, answer.headers["etag"], Buffer.from(answer.body).toString()]).toEqual([
      200,
      '"e"',
      "first, then the rest",
    ]);
  });

  it("is not sent on to where the answer points", async () => {
    let asked = 0;
    const answer = await sent((_, response) => {
      asked += 1;
      response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
    });
    expect([answer.statusCode, asked]).toEqual([307, 1]);
  });

  it.each<[string, RequestListener]>([
    [
      "breaks off",
      (_, response) => void response.writeHead(200, { "content-length": "9" }).write("1", () => response.destroy()),
    ],
    ["never comes", (request) => void request.socket.destroy()],
  ])("fails when the answer %s", async (_, answer) => {
    await expect(sent(answer)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("ends with the reason of its signal", async () => {
    const controller = new AbortController();
    const reason = new Error("stopped");
    await expect(sent(() => controller.abort(reason), controller.signal)).rejects.toBe(reason);
    await expect(sent(() => undefined, controller.signal)).rejects.toBe(reason);
  });
});
