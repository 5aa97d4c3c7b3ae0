import { createServer, type IncomingHttpHeaders, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Fault, kind, randomly, scripted } from "./support/faults.js";
import { type FaultProxy, openProxy } from "./support/proxy.js";

/** What the server got; a request whose body did not come whole counts as broken. */
interface Got {
  method: string;
  path: string;
  body: string;
  host: string | undefined;
  broken: boolean;
}

let server: Server;
let proxy: FaultProxy;
let got: Got[];
const ANSWER = "0123456789".repeat(100);
const PAGE =
  "<List><KeyCount>2</KeyCount><Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents><Token>t</Token></List>";

beforeEach(async () => {
  got = [];
  server = createServer((incoming, outgoing) => {
    const entry: Got = {
      ...{ method: incoming.method ?? "", path: incoming.url ?? "", body: "", broken: true },
      host: incoming.headers.host,
    };
    got.push(entry);
    incoming
      .on("error", () => undefined)
      .on("data", (piece: Buffer) => {
        entry.body += piece.toString();
      });
    incoming.on("end", () => {
      entry.broken = false;
      const body = entry.path.includes("list-type") ? PAGE : ANSWER;
      outgoing.setHeader("content-length", body.length).end(entry.method === "HEAD" ? undefined : body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await openProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(async () => {
  await proxy.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Answer {
  status?: number;
  headers?: IncomingHttpHeaders;
  body: string;
  /** The connection broke, or nothing came for 200 ms. */
  error?: string;
}

function ask(method: string, path: string, body = "", headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const answer: Answer = { body: "" };
    const end = (error?: string) => resolve({ ...answer, ...(error !== undefined && { error }) });
    const sent = request(
      `${proxy.url}${path}`,
      { method, headers: { "content-length": Buffer.byteLength(body), ...headers }, agent: false },
      (response) => {
        answer.status = response.statusCode ?? 0;
        answer.headers = response.headers;
        response.on("data", (piece: Buffer) => {
          answer.body += piece.toString();
        });
        response.on("end", () => end()).on("error", () => end("broken"));
      },
    );
    sent.setTimeout(1_000, () => {
      sent.destroy();
      end("silent");
    });
    sent.on("error", () => end("broken")).end(body);
  });
}

const inject = (fault: Fault) => {
  proxy.faults = scripted(() => true, fault);
};

describe("the fault proxy", () => {
  it("passes requests and answers unchanged, the Host header as well", async () => {
    const answer = await ask("PUT", "/bucket/key%20%2B?x=1", "bytes", { host: "signed.example:1234" });
    expect(answer).toMatchObject({ status: 200, body: ANSWER });
    expect(got).toEqual([
      { method: "PUT", path: "/bucket/key%20%2B?x=1", body: "bytes", host: "signed.example:1234", broken: false },
    ]);
    expect((await ask("HEAD", "/bucket/key")).headers?.["content-length"]).toBe(String(ANSWER.length));
  });

  it.each<{ name: string; fault: Fault; answer: Partial<Answer>; arrives: boolean }>([
    {
      name: "an error with Retry-After",
      fault: { kind: "status", status: 503, retryAfter: 7 },
      answer: { status: 503 },
      arrives: false,
    },
    {
      name: "expired credentials",
      fault: { kind: "status", status: 403, code: "ExpiredToken" },
      answer: { status: 403 },
      arrives: false,
    },
    { name: "an error under 200", fault: { kind: "error-body" }, answer: { status: 200 }, arrives: false },
    {
      name: "a reset at once",
      fault: { kind: "reset", when: "before" },
      answer: { error: "broken", body: "" },
      arrives: false,
    },
    {
      name: "a reset within the answer",
      fault: { kind: "reset", when: "response" },
      answer: { error: "broken" },
      arrives: true,
    },
    { name: "a lost answer", fault: { kind: "lost" }, answer: { error: "broken", body: "" }, arrives: true },
    {
      name: "a truncated answer",
      fault: { kind: "truncate" },
      answer: { status: 200, body: ANSWER.slice(0, 500), error: "broken" },
      arrives: true,
    },
    {
      name: "a quietly truncated answer",
      fault: { kind: "truncate", quiet: true },
      answer: { status: 200, body: ANSWER.slice(0, 500) },
      arrives: true,
    },
    {
      name: "a stalled answer",
      fault: { kind: "stall", when: "answer" },
      answer: { error: "silent", body: "" },
      arrives: true,
    },
    {
      name: "a stalled body",
      fault: { kind: "stall", when: "body" },
      answer: { error: "silent", body: ANSWER.slice(0, 500) },
      arrives: true,
    },
    {
      name: "another object from the middle on",
      fault: { kind: "swap", bytes: Buffer.alloc(1_000, "x") },
      answer: { status: 200, body: ANSWER.slice(0, 500) + "x".repeat(500) },
      arrives: true,
    },
  ])("injects $name", async ({ fault, answer, arrives }) => {
    inject(fault);
    const result = await ask("PUT", "/bucket/key", "bytes");
    expect(result).toMatchObject(answer);
    if (fault.kind === "status" && fault.retryAfter) expect(result.headers?.["retry-after"]).toBe("7");
    if (fault.kind === "error-body") expect(result.body).toContain("<Code>InternalError</Code>");
    expect(got.length).toBe(arrives ? 1 : 0);
    expect(proxy.count(`fault:${fault.kind}`)).toBe(1);
    expect(await ask("GET", "/bucket/key")).toMatchObject({ status: 200, body: ANSWER });
  });

  it("breaks a request when half of it arrived", async () => {
    inject({ kind: "reset", when: "request" });
    expect((await ask("PUT", "/bucket/key", "x".repeat(100_000))).error).toBe("broken");
    await expect.poll(() => got.length).toBe(1);
    expect(got[0]?.broken).toBe(true);
    expect(got[0]?.body.length).toBeLessThanOrEqual(50_000);
  });

  it("lets something happen before a request arrives", async () => {
    const order: string[] = [];
    inject({ kind: "hook", run: async () => void order.push(`before ${got.length}`) });
    expect((await ask("GET", "/bucket/key")).status).toBe(200);
    expect([order, got.length]).toEqual([["before 0"], 1]);
  });

  it("leaves a page of a listing out, or lists it twice, and keeps its token", async () => {
    const list = () => ask("GET", "/bucket?list-type=2").then(({ body }) => body);
    const keys = (xml: string) => [...xml.matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1]).join("");
    expect(keys(await list())).toBe("ab");
    proxy.faults = scripted(kind("list"), { kind: "page", what: "missing" }, { kind: "page", what: "repeated" });
    const missing = await list();
    expect([keys(missing), missing.includes("<Token>t</Token>")]).toEqual(["", true]);
    expect(missing).toContain("<KeyCount>0</KeyCount>");
    const repeated = await list();
    expect(keys(repeated)).toBe("abab");
    expect(repeated).toContain("<KeyCount>4</KeyCount>");
  });

  it.each([
    ["GET", "/b?list-type=2&prefix=x", "list"],
    ["GET", "/b/?versions", "versions"],
    ["GET", "/b?versioning", "other"],
    ["GET", "/b/k", "get"],
    ["HEAD", "/b/k", "head"],
    ["PUT", "/b/k", "put"],
    ["POST", "/b/k?uploads", "create"],
    ["PUT", "/b/k?partNumber=1&uploadId=u", "part"],
    ["POST", "/b/k?uploadId=u", "complete"],
    ["DELETE", "/b/k?uploadId=u", "abort"],
    ["DELETE", "/b/k?versionId=v", "remove"],
    ["GET", "/b/k?tagging", "other"],
  ])("counts %s %s as %s", async (method, path, what) => {
    await ask(method, path);
    expect([proxy.seen[0]?.kind, proxy.count(what), proxy.count(method)]).toEqual([what, 1, 1]);
  });

  it("does the same for the same seed, in about the shares asked for", async () => {
    const shares = [
      { share: 0.3, fault: { kind: "status", status: 503 } as const },
      { share: 0.05, fault: { kind: "lost" } as const },
    ];
    const seen = { method: "GET", path: "/", kind: "get", number: 1 };
    const draw = () => {
      const faults = randomly(7, shares);
      return Array.from({ length: 10_000 }, () => faults(seen)?.kind);
    };
    const kinds = draw();
    expect(draw()).toEqual(kinds);
    expect(kinds.filter((fault) => fault === "status").length / 10_000).toBeCloseTo(0.3, 1);
    expect(kinds.filter((fault) => fault === "lost").length / 10_000).toBeCloseTo(0.05, 1);
  });
});
