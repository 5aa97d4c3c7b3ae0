import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Fault, type Faults, kindOf, type Seen } from "./faults.js";

/**
 * A loopback proxy in front of a server, that does to requests what networks and clouds do. The Host header stays what the client
 * signed. It never caches and never repeats a request.
 */
export interface FaultProxy {
  url: string;
  /** Decides for each request; set it at any time. */
  faults: Faults;
  /** All requests so far, in the order they came. */
  seen: Seen[];
  /** How many of a kind (`kindOf`, a method, `fault:reset`), or all. */
  count(what?: string): number;
  close(): Promise<void>;
}

export async function openProxy(upstream: string, faults: Faults = () => undefined): Promise<FaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const pages: Pages = { last: [] };
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url: path = "/" } = incoming;
    const kind = kindOf(method, path, incoming.headers["x-amz-copy-source"] !== undefined);
    const seen: Seen = { method, path, kind, number: proxy.seen.length + 1 };
    proxy.seen.push(seen);
    const fault = proxy.faults(seen);
    if (fault) seen.fault = fault;
    outgoing.on("finish", () => {
      seen.status = outgoing.statusCode;
    });
    outgoing.on("close", () => {
      seen.closed = true;
    });
    // A client that went away is one of the things that happen here.
    outgoing.on("error", () => undefined);
    incoming.on("error", () => undefined);
    serve({ upstream: new URL(upstream), agent, pages }, incoming, outgoing, seen).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    seen: [],
    count: (what) => proxy.seen.filter((seen) => what === undefined || isA(seen, what)).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
  return proxy;
}

const isA = ({ method, kind, fault }: Seen, what: string): boolean =>
  what === method || what === kind || (fault !== undefined && what === `fault:${fault.kind}`);

interface Way {
  upstream: URL;
  agent: Agent;
  pages: Pages;
}

/** The `<Contents>` of the last page of a listing that went by whole. */
interface Pages {
  last: string[];
}

async function serve(way: Way, incoming: IncomingMessage, outgoing: ServerResponse, seen: Seen): Promise<void> {
  const { fault } = seen;
  switch (fault?.kind) {
    case "status":
      return refuse(incoming, outgoing, seen.method, fault.status, fault.code, fault.retryAfter);
    case "error-body":
      return refuse(incoming, outgoing, seen.method, 200, fault.code ?? "InternalError");
    case "reset":
      if (fault.when === "before") return reset(outgoing);
      if (fault.when === "request") return breakRequest(way, incoming, outgoing);
      break;
    case "hook":
      await fault.run();
      break;
  }
  const answer = await forward(way, incoming, outgoing);
  if (fault === undefined || fault.kind === "hook") {
    if (seen.kind !== "list") return pipe(answer, outgoing);
    const body = await read(answer);
    way.pages.last = contentsOf(body.toString());
    return reply(answer, outgoing, body);
  }
  const body = await read(answer);
  if (fault.kind === "lost") await fault.run?.();
  answered(way, fault, answer, outgoing, body);
}

/** What is done to an answer that is there. */
function answered(way: Way, fault: Fault, answer: IncomingMessage, outgoing: ServerResponse, body: Buffer): void {
  const half = body.subarray(0, Math.floor(body.length / 2));
  if (fault.kind === "lost") reset(outgoing);
  else if (fault.kind === "done") sayError(outgoing, outgoing.req.method, fault.status);
  else if (fault.kind === "reset") partly(answer, outgoing, half, () => reset(outgoing));
  else if (fault.kind === "truncate" && !fault.quiet) partly(answer, outgoing, half, () => outgoing.socket?.end());
  else if (fault.kind !== "stall") reply(answer, outgoing, changed(way, fault, body, half));
  else if (fault.when === "body") partly(answer, outgoing, half, () => undefined);
}

function changed(way: Way, fault: Fault, body: Buffer, half: Buffer): Buffer {
  if (fault.kind === "truncate") return half;
  if (fault.kind === "swap") return Buffer.concat([half, fault.bytes.subarray(half.length, body.length)]);
  return fault.kind === "page" ? Buffer.from(otherPage(way.pages, fault.what, body.toString())) : body;
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  method: string,
  status: number,
  code = status === 503 ? "SlowDown" : "InternalError",
  retryAfter?: number | string,
): void {
  if (retryAfter !== undefined) outgoing.setHeader("retry-after", retryAfter);
  // As servers do: the request is read to its end, or the client would see a reset in place of the answer.
  incoming.resume().on("end", () => sayError(outgoing, method, status, code));
}

function sayError(outgoing: ServerResponse, method = "GET", status = 500, code = "InternalError"): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>by the proxy</Message></Error>`;
  outgoing.writeHead(status, { "content-type": "application/xml" }).end(method === "HEAD" ? undefined : body);
}

function reset(outgoing: ServerResponse): void {
  outgoing.socket?.resetAndDestroy();
}

function send(way: Way, incoming: IncomingMessage) {
  const { hostname, port } = way.upstream;
  const { method, url: path, headers } = incoming;
  return request({ hostname, port, agent: way.agent, method, path, headers, setHost: false });
}

function forward(way: Way, incoming: IncomingMessage, outgoing: ServerResponse): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = send(way, incoming).on("response", resolve).on("error", reject);
    outgoing.on("close", () => {
      if (!outgoing.writableEnded) sent.destroy();
    });
    incoming.pipe(sent);
  });
}

/** Half of the request's body reaches the server. */
function breakRequest(way: Way, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const sent = send(way, incoming).on("error", () => undefined);
  const half = Math.floor(Number(incoming.headers["content-length"] ?? 0) / 2);
  const end = () =>
    setImmediate(() => {
      sent.destroy();
      reset(outgoing);
    });
  let passed = 0;
  sent.flushHeaders();
  if (half === 0) sent.write("", end);
  incoming.on("data", (piece: Buffer) => {
    if (passed >= half) return;
    const part = piece.subarray(0, half - passed);
    passed += part.length;
    sent.write(part, passed >= half ? end : undefined);
  });
}

function pipe(answer: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.on("error", () => outgoing.destroy());
  answer.pipe(outgoing);
}

function reply(answer: IncomingMessage, outgoing: ServerResponse, body: Buffer): void {
  const { "content-length": length, "transfer-encoding": _, ...headers } = answer.headers;
  // To HEAD, the length is that of the object.
  const size = outgoing.req.method === "HEAD" ? length : String(body.length);
  outgoing.writeHead(answer.statusCode ?? 502, { ...headers, ...(size !== undefined && { "content-length": size }) });
  outgoing.end(body);
}

/** The head of the whole answer, part of its body, then what comes. */
function partly(answer: IncomingMessage, outgoing: ServerResponse, body: Buffer, then: () => void): void {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  outgoing.flushHeaders();
  if (body.length === 0) setImmediate(then);
  else outgoing.write(body, () => setImmediate(then));
}

async function read(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

const CONTENTS = /<Contents>.*?<\/Contents>/gs;

const contentsOf = (xml: string): string[] => xml.match(CONTENTS) ?? [];

/** As a store that believes what it says: the count of keys is that of the page. */
function otherPage(pages: Pages, what: "missing" | "repeated", xml: string): string {
  const first = xml.search(/<Contents>/);
  const again = what === "repeated" && first >= 0 ? xml.slice(0, first) + pages.last.join("") + xml.slice(first) : xml;
  const page = what === "missing" ? xml.replace(CONTENTS, "") : again;
  return page.replace(/<KeyCount>\d+<\/KeyCount>/, `<KeyCount>${contentsOf(page).length}</KeyCount>`);
}
