/** What can go wrong between a client and its server. */
export type Fault =
  /** Answered by the proxy itself; nothing reaches the server. 503 is S3's SlowDown. */
  | { kind: "status"; status: number; code?: string; retryAfter?: number | string }
  /** The connection breaks: before anything is read, when half of the request is sent on, when half of the answer is out. */
  | { kind: "reset"; when: "before" | "request" | "response" }
  /** The server does it, the client sees a reset; `run` comes between the two. */
  | { kind: "lost"; run?: () => Promise<void> }
  /** The server does it, the client is told of an error. */
  | { kind: "done"; status: number }
  /** The answer ends half way: the connection is closed, or (quietly) as if that were all. */
  | { kind: "truncate"; quiet?: boolean }
  /** Half of the answer, or none of it, and then nothing for ever. */
  | { kind: "stall"; when: "answer" | "body" }
  /** The server does nothing and 200 carries an error in its body, as S3 does for Complete and Copy. */
  | { kind: "error-body"; code?: string }
  /** A listing's page without its keys, but with its token; or with the keys of the page before once more. */
  | { kind: "page"; what: "missing" | "repeated" }
  /** The second half of the answer's body is of another object. */
  | { kind: "swap"; bytes: Uint8Array }
  /** Something happens at the server before the request arrives there. */
  | { kind: "hook"; run: () => Promise<void> };

/** A request as the proxy sees it. */
export interface Seen {
  method: string;
  /** With its query. */
  path: string;
  /** In the terms of S3: get head put part create complete abort copy list versions remove other. */
  kind: string;
  /** From 1, of all requests. */
  number: number;
  /** What was done to it. */
  fault?: Fault;
  /** What the client was answered; unset where it got no answer. */
  status?: number;
  /** The exchange is over, one way or the other. */
  closed?: true;
}

export type Faults = (seen: Seen) => Fault | undefined;

/** The kind of an S3 request; every other protocol falls under its method. */
export function kindOf(method: string, path: string, copies: boolean): string {
  const query = new URL(path, "http://proxy").searchParams;
  const isBucket = /^\/[^/]*\/?$/.test(path.split("?")[0] ?? "");
  if (method === "GET" && isBucket)
    return query.has("versions") ? "versions" : query.has("list-type") ? "list" : "other";
  if (isBucket || query.has("tagging")) return "other";
  if (query.has("uploads")) return "create";
  if (query.has("uploadId")) {
    return ({ PUT: "part", POST: "complete", DELETE: "abort" } as Record<string, string>)[method] ?? "other";
  }
  if (method === "PUT") return copies ? "copy" : "put";
  return ({ GET: "get", HEAD: "head", DELETE: "remove" } as Record<string, string>)[method] ?? "other";
}

/** Numbers 0 ≤ x < 1, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Each fault with its share of all requests. */
export function randomly(seed: number, shares: { share: number; fault: Fault }[]): Faults {
  const random = seeded(seed);
  return () => {
    let left = random();
    for (const { share, fault } of shares) {
      if (left < share) return fault;
      left -= share;
    }
    return undefined;
  };
}

/** These faults, one for each request that fits, then none. */
export function scripted(fits: (seen: Seen) => boolean, ...faults: (Fault | undefined)[]): Faults {
  const left = [...faults];
  return (seen) => (fits(seen) ? left.shift() : undefined);
}

export const kind =
  (...kinds: string[]) =>
  (seen: Seen): boolean =>
    kinds.includes(seen.kind);
