import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Incoming, type Line, type Outgoing, openLine } from "../src/backend/s3/exchange.js";

let server: Server | undefined;
let line: Line | undefined;
afterEach(() => {
  line?.close();
  server?.closeAllConnections();
  server?.close();
});

const never = new AbortController().signal;

async function listening(answer: RequestListener): Promise<number> {
  server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  line = await openLine(4);
  return (server.address() as AddressInfo).port;
}

const requestTo = (port: number): Outgoing => ({
  ...{ protocol: "http:", hostname: "127.0.0.1", port, method: "PUT", path: "/b/a%20b" },
  ...{ query: { "x-id": "PutObject", a: "1 2" }, headers: { "x-own": "yes" }, body: Buffer.from("bytes") },
});

/** Sends one request to a server that answers so. */
async function sent(answer: RequestListener, signal = never): Promise<Incoming> {
  const port = await listening(answer);
  return await (line as Line).exchange(requestTo(port), signal);
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

  it("goes over a connection that is there, also after a HEAD", async () => {
    let connections = 0;
    const port = await listening((_, response) => void response.writeHead(200, { "content-length": 0 }).end());
    server?.on("connection", () => {
      connections += 1;
    });
    const { body: _, ...head } = { ...requestTo(port), method: "HEAD" };
    for (let asked = 0; asked < 10; asked++) await line?.exchange(head, never);
    // A connection is only free again a moment after its answer.
    expect(connections).toBeLessThanOrEqual(2);
  });

  it("has one text for each header, also where the answer repeats one", async () => {
    const { headers } = await sent((_, response) => {
      response.writeHead(200, [
        "ETag",
        '"a"',
        "ETag",
        '"b"',
        "x-amz-meta-k",
        "1",
        "x-amz-meta-k",
        "2",
        "set-cookie",
        "c",
      ]);
      response.end();
    });
    expect(headers).toMatchObject({ etag: '"a"', "x-amz-meta-k": "1, 2" });
    expect(headers["set-cookie"]).toBeUndefined();
  });

  it("fails as the system has it when nobody listens", async () => {
    const port = await listening(() => undefined);
    server?.close();
    await once(server as Server, "close");
    await expect(line?.exchange(requestTo(port), never)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("ends when all is closed, and is not begun after that", async () => {
    const port = await listening(() => line?.close());
    await expect(line?.exchange(requestTo(port), never)).rejects.toMatchObject({ code: "ABORTED" });
    await expect(line?.exchange(requestTo(port), never)).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("ends when all is closed while it is still connected", async () => {
    line = await openLine(4);
    // An address of nobody (RFC 5737): where it is not refused at once, nothing answers.
    const asked = line.exchange({ ...requestTo(9), hostname: "192.0.2.1" }, never);
    setTimeout(() => line?.close(), 50);
    await expect(asked).rejects.toBeInstanceOf(Error);
  });
});
