import * as http from "node:http";
import * as https from "node:https";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

export interface HttpRequest {
  method: string;
  url: URL;
  headers: Record<string, string>;
  /** Sent one after the other; their length is declared. */
  body?: readonly Uint8Array[];
  signal: AbortSignal;
  /** Told whenever a part of the body has left. */
  onSent?: () => void;
}

export interface Http {
  /**
   * Resolves when the head of the answer is there, whatever its status. Throws `UNAVAILABLE` when there is none or the signal fired. The
   * signal ends with the head: who reads the body ends it by leaving its iteration.
   */
  send(request: HttpRequest): Promise<http.IncomingMessage>;
  close(): void;
}

const PIECE = 256 << 10;

/** HTTP over connections that are kept: bodies as they are, no redirects, no retries, nothing decompressed. */
export function openHttp(secure: boolean, sockets = 64): Http {
  const options = { keepAlive: true, maxSockets: sockets, scheduling: "lifo" as const };
  const agent = secure ? new https.Agent(options) : new http.Agent(options);
  const request = secure ? https.request : http.request;
  return {
    send: ({ method, url, headers, body = [], signal, onSent }) =>
      new Promise((resolve, reject) => {
        const length = body.reduce((sum, part) => sum + part.length, 0);
        const sized = length > 0 || method !== "GET" ? { "content-length": String(length) } : {};
        const sent = request(url, { method, agent, headers: { ...headers, ...sized } });
        const stop = () => sent.destroy(new Error("stopped"));
        const done = () => signal.removeEventListener("abort", stop);
        signal.addEventListener("abort", stop, { once: true });
        sent.once("response", (response) => {
          done();
          resolve(response);
        });
        // Stays after the response: a connection that breaks then is told by the body.
        sent.on("error", (error) => {
          done();
          reject(broken(url.host, error));
        });
        for (const piece of pieces(body)) sent.write(piece, onSent);
        sent.end();
        if (signal.aborted) stop();
      }),
    close: () => agent.destroy(),
  };
}

/** In pieces, so that one can tell whether they leave. */
function* pieces(body: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of body) {
    for (let at = 0; at < part.length; at += PIECE) yield part.subarray(at, at + PIECE);
  }
}

/** A connection that could not be made, or broke. */
export function broken(host: string, error: unknown): StowageError {
  if (error instanceof StowageError) return error;
  return unavailable(`${host} does not answer: ${codeOf(error) ?? messageOf(error)}`, { cause: error });
}

/** All of a short answer. */
export async function textOf(url: URL, response: http.IncomingMessage, signal: AbortSignal): Promise<string> {
  const stop = () => response.destroy(new Error("stopped"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const pieces: Buffer[] = [];
  try {
    for await (const piece of response) pieces.push(piece as Buffer);
  } catch (error) {
    throw broken(url.host, error);
  } finally {
    signal.removeEventListener("abort", stop);
  }
  return Buffer.concat(pieces).toString();
}
