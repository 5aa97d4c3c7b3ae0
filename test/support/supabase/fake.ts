import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FakeSupabase, Refusal } from "./objects.js";
import { routes } from "./routes.js";

export type { FakeSupabase } from "./objects.js";

/**
 * A fake of Supabase Storage, as far as stowage speaks to it: no real server can be had here. It enforces what the real one enforces
 * (the key, names, duplicates, the order of pages, signatures and their end) and lacks what the real one lacks: conditions on removals.
 * It follows the service's published source; that it is right is for the live tests to say.
 */
export async function fakeSupabase(): Promise<FakeSupabase> {
  const secret = randomUUID();
  const fake: FakeSupabase = {
    url: "",
    key: `service.${randomUUID()}`,
    buckets: new Map(),
    uploads: new Map(),
    defects: new Set(),
    seen: [],
    sign: (payload) => {
      const text = Buffer.from(JSON.stringify(payload)).toString("base64url");
      return `${text}.${createHash("sha256")
        .update(secret + text)
        .digest("base64url")}`;
    },
    close: () => closed(server),
  };
  const server = createServer((request, response) => void answer(fake, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

async function answer(fake: FakeSupabase, request: IncomingMessage, response: ServerResponse): Promise<void> {
  fake.seen.push(`${request.method} ${request.url}`);
  try {
    await routes(fake, request, response);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const status = error.statusCode >= 500 || error.statusCode === 412 ? error.statusCode : 400;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ ...error, statusCode: String(error.statusCode) }));
    request.resume();
  }
}

const isRefusal = (error: unknown): error is Refusal =>
  typeof error === "object" && error !== null && "statusCode" in error && "message" in error;

async function closed(server: Server): Promise<void> {
  const ended = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await ended;
}
