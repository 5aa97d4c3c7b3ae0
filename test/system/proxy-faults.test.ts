import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { Backend, Entry } from "../../src/backend/backend.js";
import type { RequestsOptions } from "../../src/backend/requests.js";
import { sha256Hex } from "../../src/lib/json.js";
import type { Fault, Faults, Seen } from "../support/faults.js";
import { FULL } from "../support/figures.js";
import { bytesOf, each, hashAt, keysOf, openWorld, outcomeOf, readAll, sourceOf, type World } from "./proxy-kit.js";

const server = inject("radosgw");

/** Short enough for a test, long enough for a busy machine. */
const QUICK = { retries: 3, timeout: 1_500, stall: 700, patience: 2_000, random: () => 0.1 };

const LIMITS = { largest: 8 << 20, single: 8 << 20, part: 5 << 20, page: 10 };
const AT_ONCE = 8;

const FAULTS: { name: string; fault: Fault }[] = [
  { name: "500", fault: { kind: "status", status: 500 } },
  { name: "503", fault: { kind: "status", status: 503 } },
  { name: "503 with Retry-After", fault: { kind: "status", status: 503, retryAfter: 0.2 } },
  { name: "429", fault: { kind: "status", status: 429, code: "TooManyRequests" } },
  { name: "a reset before the request", fault: { kind: "reset", when: "before" } },
  { name: "a reset within the request", fault: { kind: "reset", when: "request" } },
  { name: "a reset within the answer", fault: { kind: "reset", when: "response" } },
  { name: "a lost answer", fault: { kind: "lost" } },
  { name: "a truncated answer", fault: { kind: "truncate" } },
  { name: "a quietly truncated answer", fault: { kind: "truncate", quiet: true } },
  { name: "no answer for ever", fault: { kind: "stall", when: "answer" } },
  { name: "a body that stalls", fault: { kind: "stall", when: "body" } },
  { name: "200 with an error in its body", fault: { kind: "error-body" } },
];

/** Of those that look alike to the client, one each. */
const LASTING = /^(500|503|a lost answer|a quietly truncated answer|no answer for ever|200 with an error in its body)$/;

interface Operation {
  name: string;
  /** Those it is tried with; all where unset. */
  faults?: RegExp;
  prepare(direct: Backend): Promise<void>;
  /** What the backend does once and for all, and is not looked at here. */
  prime?(there: Backend): Promise<void>;
  run(there: Backend, entry: Entry | undefined): Promise<unknown>;
  /** What must be true whatever happened; `ok`: the operation said it is done. */
  holds(direct: Backend, ok: boolean, answer: unknown): Promise<void>;
}

const CONTENT = bytesOf("content", 200_000);
/** More than is held in memory, and no more than needed: the server keeps removed objects for hours. */
const LARGE = bytesOf("large", (8 << 20) + 1_000);
const HASH = sha256Hex(CONTENT);
const NAMES = Array.from({ length: 25 }, (_, n) => `k${String(n).padStart(2, "0")}`);

const put = (key: string, bytes: Buffer) => async (direct: Backend) => void (await direct.write(key, sourceOf(bytes)));
const nothing = async (): Promise<void> => undefined;

/** All of it or nothing. */
const published = (key: string, hash: string) => async (direct: Backend, ok: boolean) => {
  const there = await hashAt(direct, key);
  if (ok) expect(there).toBe(hash);
  else expect([hash, undefined]).toContain(there);
};

const OPERATIONS: Operation[] = [
  {
    name: "write",
    prepare: nothing,
    run: (there) => there.write("new", sourceOf(CONTENT)),
    holds: published("new", HASH),
  },
  {
    name: "write in parts",
    faults: /^(503|a reset within the request|a lost answer|a quietly truncated answer|200 with an error in its body)$/,
    prepare: nothing,
    run: (there) => there.write("large", sourceOf(LARGE)),
    holds: published("large", sha256Hex(LARGE)),
  },
  {
    name: "read",
    prepare: put("key", CONTENT),
    run: (there, entry) => readAll(there, "key", entry?.version),
    holds: async (_, ok, answer) => void (ok && expect(CONTENT.equals(answer as Buffer)).toBe(true)),
  },
  {
    name: "stat",
    prepare: put("key", CONTENT),
    run: (there) => there.stat("key"),
    holds: async (direct, ok, answer) => void (ok && expect(answer).toEqual(await direct.stat("key"))),
  },
  {
    name: "stat of nothing",
    prepare: nothing,
    run: (there) => there.stat("key"),
    holds: async (_, ok, answer) => void (ok && expect(answer).toBeUndefined()),
  },
  {
    name: "list",
    prepare: (direct) => each(NAMES.length, 8, (n) => put(NAMES[n] ?? "", bytesOf(`${n}`, n))(direct)),
    run: (there) => keysOf(there),
    holds: async (_, ok, answer) => void (ok && expect(answer).toEqual(NAMES)),
  },
  {
    name: "remove",
    prepare: put("key", CONTENT),
    // Before its first removal a backend finds out what the store honours.
    async prime(there) {
      const { version } = await there.write("another", sourceOf(CONTENT));
      await there.remove("another", { version, run: "run", trash: false, confirm: nothing });
    },
    run: (there, entry) =>
      there.remove("key", { version: entry?.version ?? "", run: "run", trash: true, confirm: nothing }),
    async holds(direct, ok) {
      const there = await hashAt(direct, "key");
      if (ok) expect(there).toBeUndefined();
      // I1: it is where it was, or in the trash.
      if (there !== undefined) return expect(there).toBe(HASH);
      const trash: string[] = [];
      for await (const { kind, key } of direct.leftovers()) if (kind === "trash") trash.push(key);
      expect(trash).toEqual(["key"]);
    },
  },
];

/**
 * Answers to HEAD have no body. And a store may take its time for parts, for putting them together and for copies: there silence is no fault for
 * a minute.
 */
function canHappen(fault: Fault, { kind }: Seen): boolean {
  if (kind === "head") return fault.kind !== "error-body" && !(fault.kind === "stall" && fault.when === "body");
  return fault.kind !== "stall" || !/^(complete|copy|part)$/.test(kind);
}

interface Attempt {
  outcome: string;
  /** The kinds of requests it took. */
  kinds: string[];
}

describe.skipIf(!server)("each fault at each request, through the whole stack, to radosgw", () => {
  let world: World;
  beforeAll(async () => {
    if (server) world = await openWorld(server, { versioned: true, limits: LIMITS });
  });
  afterAll(() => world?.dispose());

  /** The operation under these faults, at a place of its own, and the look at what it left there. */
  async function attempt(
    operation: Operation,
    faults: Faults,
    options: Partial<RequestsOptions> = {},
  ): Promise<Attempt> {
    const { proxy, direct, through, close } = await world.place();
    await operation.prepare(direct);
    const there = await through({ ...QUICK, ...options });
    const entry = await direct.stat("key");
    await operation.prime?.(there);
    proxy.seen.length = 0;
    proxy.faults = faults;
    let answer: unknown;
    const outcome = await outcomeOf(
      operation.run(there, entry).then((value) => {
        answer = value;
      }),
    );
    const kinds = proxy.seen.map((seen) => seen.kind);
    proxy.faults = () => undefined;
    await operation.holds(direct, outcome === "ok", answer);
    await close();
    return { outcome, kinds };
  }

  describe.each(OPERATIONS)("$name", (operation) => {
    // The sample takes a fifth of them: each fault at several operations, and each operation under several faults.
    const shift = OPERATIONS.indexOf(operation);
    const faults = FAULTS.filter(({ name }) => operation.faults?.test(name) ?? true).filter(
      (_, index) => FULL || (index + shift) % 5 === 0,
    );
    let calm: Attempt;
    beforeAll(async () => {
      calm = await attempt(operation, () => undefined);
      expect(calm.outcome).toBe("ok");
    });

    it.each(faults)("gets over $name, at any of its requests", async ({ fault }) => {
      const results: string[] = [];
      await each(calm.kinds.length, AT_ONCE, async (n) => {
        const { outcome, kinds } = await attempt(operation, (seen) =>
          seen.number === n + 1 && canHappen(fault, seen) ? fault : undefined,
        );
        results.push(`${n + 1} ${kinds[n]}: ${outcome}`);
      });
      expect(results.filter((result) => !result.endsWith(": ok"))).toEqual([]);
    });

    it.each(
      faults.filter(({ name }) => LASTING.test(name)),
    )("ends with $name at every request, and leaves nothing wrong", async ({ fault }) => {
      const { outcome } = await attempt(operation, (seen) => (canHappen(fault, seen) ? fault : undefined), {
        retries: 1,
      });
      expect(outcome).toBe("UNAVAILABLE");
    });

    it("ends when the credentials expire at any of its requests, and takes that for nothing else", async () => {
      const fault: Fault = { kind: "status", status: 403, code: "ExpiredToken" };
      const outcomes: string[] = [];
      await each(calm.kinds.length, AT_ONCE, async (n) => {
        const { outcome } = await attempt(operation, ({ number }) => (number > n ? fault : undefined));
        outcomes[n] = outcome;
      });
      expect(outcomes[0]).toBe("ACCESS_DENIED");
      // When all was done or known before: what the operation says is held against the truth all the same.
      expect(outcomes.filter((outcome) => outcome !== "ACCESS_DENIED" && outcome !== "ok")).toEqual([]);
    });
  });
});
