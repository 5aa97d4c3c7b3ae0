import type { Dispatcher, Pool } from "undici";
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
   * the request itself. Never follows a redirect, and never sends twice. Rejects with the error of the connection, or the signal's reason.
   */
  exchange: Exchange;
  close(): void;
}

/** Milliseconds. */
const CONNECT = 10_000;

/** Opens no more than so many connections to one host, and those when they are needed. */
export function openLine(connections: number): Line {
  const pools = new Map<string, Promise<Pool>>();
  // How long an answer may take is for the signal to say.
  const options: Pool.Options = { connections, connect: { timeout: CONNECT }, headersTimeout: 0, bodyTimeout: 0 };
  const poolOf = (origin: string): Promise<Pool> => {
    const pool = pools.get(origin) ?? openPool(origin, options);
    pools.set(origin, pool);
    return pool;
  };
  return {
    async exchange({ protocol, hostname, port, method, path, query, headers, body }, signal) {
      const pool = await poolOf(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`);
      const asked = queryText(query);
      const target = asked === "" ? path : `${path}?${asked}`;
      return await dispatched(
        pool,
        { method: method as Dispatcher.HttpMethod, path: target, headers, body: body ?? null },
        signal,
      );
    },
    close: () => {
      for (const pool of pools.values()) void pool.then((opened) => opened.destroy());
    },
  };
}

/** The whole of the library takes three times as long to load. */
async function openPool(origin: string, options: Pool.Options): Promise<Pool> {
  // @ts-expect-error It is declared for the library as a whole only.
  const part: { default: typeof Pool } = await import("undici/lib/dispatcher/pool.js");
  return new part.default(origin, options);
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
        // One text for each; none is told twice but cookies, which mean nothing here.
        head = { statusCode, headers: headers as Record<string, string> };
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

/** What the system would call it, where the library has its own word. */
const SYSTEM: Record<string, string> = { UND_ERR_SOCKET: "ECONNRESET", UND_ERR_CONNECT_TIMEOUT: "ETIMEDOUT" };

function asSystem(error: Error & { code?: string }): Error {
  const code = SYSTEM[error.code ?? ""];
  return code === undefined ? error : Object.assign(new Error(error.message), { code, cause: error });
}
