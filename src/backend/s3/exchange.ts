import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type * as Undici from "undici";
import type { buildConnector, Dispatcher, Pool } from "undici";
import { StowageError } from "../../lib/error.js";
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

/** Connections for small requests, kept open. */
export interface Line {
  /**
   * Sends one request and collects the answer: for small ones, of which Node's own client makes streams, timers and listeners that take longer than
   * the request itself. Never follows a redirect, and never sends twice. Rejects with the error of the connection, the signal's reason, or
   * `ABORTED` once it is closed.
   */
  exchange: Exchange;
  /** Also breaks off what is being connected or asked. */
  close(): void;
}

/** Milliseconds for a connection, up to the end of TLS's part of it. */
const CONNECT = 10_000;

/** Opens no more than so many connections to one host, and those when they are needed. */
export async function openLine(connections: number): Promise<Line> {
  const { Pool, buildConnector } = await loadUndici();
  const pools = new Map<string, Pool>();
  const connecting = new Set<Socket>();
  const connector = buildConnector({ timeout: CONNECT });
  const connect: buildConnector.connector = (options, callback) => {
    // The pool would leave it be until it is connected, and the process would wait for that.
    const socket = connector(options, (...connected) => {
      connecting.delete(socket);
      callback(...connected);
    }) as unknown as Socket;
    connecting.add(socket);
  };
  // How long an answer may take is for the signal to say.
  const options: Pool.Options = { connections, connect, headersTimeout: 0, bodyTimeout: 0 };
  const poolOf = (origin: string): Pool => {
    const pool = pools.get(origin) ?? new Pool(origin, options);
    pools.set(origin, pool);
    return pool;
  };
  return {
    exchange({ protocol, hostname, port, method, path, query, headers, body }, signal) {
      const pool = poolOf(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`);
      const asked = queryText(query);
      const target = asked === "" ? path : `${path}?${asked}`;
      // By itself it would connect anew after each HEAD.
      const rest = { headers, body: body ?? null, reset: false };
      return dispatched(pool, { method: method as Dispatcher.HttpMethod, path: target, ...rest }, signal);
    },
    close() {
      for (const pool of pools.values()) void pool.destroy();
      for (const socket of connecting) socket.destroy();
    },
  };
}

/** The parts that are needed: the whole of the library takes three times as long to load. */
async function loadUndici(): Promise<Pick<typeof Undici, "Pool" | "buildConnector">> {
  // @ts-expect-error They are declared for the library as a whole only.
  const { default: Pool } = await import("undici/lib/dispatcher/pool.js");
  // @ts-expect-error
  const { default: buildConnector } = await import("undici/lib/core/connect.js");
  return { Pool, buildConnector };
}

function dispatched(pool: Pool, outgoing: Dispatcher.DispatchOptions, signal: AbortSignal): Promise<Incoming> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    let under: Dispatcher.DispatchController | undefined;
    let head: Omit<Incoming, "body"> = { statusCode: 0, headers: {} };
    const pieces: Buffer[] = [];
    const stop = (): void => {
      under?.abort(signal.reason);
      reject(signal.reason);
    };
    const over = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop, { once: true });
    pool.dispatch(outgoing, {
      onRequestStart(controller) {
        under = controller;
        // It waited for a connection until now.
        if (signal.aborted) controller.abort(signal.reason);
      },
      onResponseStart(_, statusCode, headers) {
        head = { statusCode, headers: plain(headers) };
      },
      onResponseData: (_, piece) => void pieces.push(piece),
      onResponseEnd() {
        over();
        resolve({ ...head, body: pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces) });
      },
      onResponseError(_, error) {
        over();
        reject(asSystem(error));
      },
    });
  });
}

/** Of these only the first counts, as in Node: https://nodejs.org/api/http.html#messageheaders */
const ONCE = new Set([
  "age",
  "content-length",
  "content-type",
  "etag",
  "expires",
  "last-modified",
  "location",
  "retry-after",
  "server",
]);

/** One text for each; cookies mean nothing here. */
function plain({ "set-cookie": _, ...headers }: IncomingHttpHeaders): Record<string, string> {
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value)) headers[name] = ONCE.has(name) ? value[0] : value.join(", ");
  }
  return headers as Record<string, string>;
}

/** What the system would call it, where the library has its own word. */
const SYSTEM: Record<string, string> = { UND_ERR_SOCKET: "ECONNRESET", UND_ERR_CONNECT_TIMEOUT: "ETIMEDOUT" };
const CLOSED = new Set(["UND_ERR_DESTROYED", "UND_ERR_CLOSED"]);

function asSystem(error: Error & { code?: string }): Error {
  const { code = "", message } = error;
  if (CLOSED.has(code)) return new StowageError("ABORTED", "the connection was closed", { cause: error });
  return code in SYSTEM ? Object.assign(new Error(message), { code: SYSTEM[code], cause: error }) : error;
}
