import { type ClientRequest, type IncomingHttpHeaders, Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { Socket } from "node:net";
import { queryText } from "./sign.js";

/** What goes out, and is signed. */
export interface Outgoing {
  protocol: string;
  hostname: string;
  port?: number;
  method: string;
  path: string;
  query: Readonly<Record<string, string>>;
  headers: Record<string, string>;
  body?: Uint8Array;
}

/** What comes back, whole. */
export interface Incoming {
  statusCode: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

export type Exchange = (outgoing: Outgoing, signal: AbortSignal) => Promise<Incoming>;

/** The connections of one client, kept open. */
export interface Agents {
  httpAgent: PlainAgent;
  httpsAgent: SecureAgent;
}

export function openAgents(sockets: number): Agents {
  const options = { keepAlive: true, maxSockets: sockets };
  return { httpAgent: new PlainAgent(options), httpsAgent: new SecureAgent(options) };
}

/** Milliseconds. */
const CONNECT = 10_000;

/**
 * Sends one request over the agents' connections and collects the answer: for small ones, of which the SDK's handler makes streams, timers and
 * listeners that take longer than the request itself. Never follows a redirect. Rejects with the error of the connection, or the signal's reason.
 */
export const exchanging =
  ({ httpAgent, httpsAgent }: Agents): Exchange =>
  ({ protocol, hostname, port, method, headers, body, ...rest }, signal) => {
    const secure = protocol === "https:";
    // An address of version 6 stands in brackets in a URL only.
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const query = queryText(rest.query);
    const path = query === "" ? rest.path : `${rest.path}?${query}`;
    const options = { host, method, path, headers, ...(port !== undefined && { port }) };
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const sent = secure
        ? secureRequest({ ...options, agent: httpsAgent })
        : plainRequest({ ...options, agent: httpAgent });
      const stop = () => void sent.destroy(signal.reason);
      const over = () => signal.removeEventListener("abort", stop);
      const fail = (error: unknown): void => {
        over();
        reject(error);
      };
      signal.addEventListener("abort", stop, { once: true });
      sent.on("error", fail);
      sent.on("socket", (socket) => limitConnecting(sent, socket, host));
      sent.on("response", (answer) => {
        const pieces: Buffer[] = [];
        answer.on("data", (piece: Buffer) => void pieces.push(piece));
        answer.on("error", fail);
        answer.on("end", () => {
          over();
          resolve({ statusCode: answer.statusCode ?? 0, headers: plain(answer.headers), body: Buffer.concat(pieces) });
        });
      });
      sent.end(body);
    });
  };

function limitConnecting(sent: ClientRequest, socket: Socket, host: string): void {
  if (!socket.connecting) return;
  const late = setTimeout(() => sent.destroy(notConnected(host)), CONNECT);
  for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(late));
}

/** One text for each; none is told twice but cookies, which mean nothing here. */
const plain = ({ "set-cookie": _, ...headers }: IncomingHttpHeaders): Record<string, string> =>
  headers as Record<string, string>;

const notConnected = (host: string): Error =>
  Object.assign(new Error(`${host} did not accept a connection within ${CONNECT / 1000} seconds`), {
    name: "TimeoutError",
    code: "ETIMEDOUT",
  });
