import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type Attempt,
  openRequests,
  type Requests,
  type RequestsOptions,
  unavailable,
} from "../src/backend/requests.js";
import type { Retry } from "../src/backend/retry.js";
import { codeOf, StowageError } from "../src/lib/error.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  // Whatever happened: nothing is left that would keep the process alive.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

interface Opened {
  requests: Requests;
  retries: Retry[];
}

function open(options: Partial<RequestsOptions> = {}): Opened {
  const retries: Retry[] = [];
  const onRetry = (retry: Retry) => retries.push(retry);
  return {
    retries,
    requests: openRequests("bucket", { retries: 5, concurrency: 8, random: () => 0.5, onRetry, ...options }),
  };
}

/** Answers what is in the list, one an attempt; then "ok". */
function server(answers: (Error | string)[]) {
  const attempts: number[] = [];
  const at: number[] = [];
  const body = async ({ number }: Attempt): Promise<string> => {
    attempts.push(number);
    at.push(Date.now());
    const answer = answers.shift() ?? "ok";
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { attempts, at, body };
}

const down = () => unavailable("no answer");
const busy = (retryAfter?: number) => unavailable("slow down", { throttled: true, ...(retryAfter && { retryAfter }) });
const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `${value}`,
    (error: unknown) => codeOf(error) ?? String(error),
  );

async function settled<T>(promise: Promise<T>): Promise<T> {
  const kept = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await vi.runAllTimersAsync();
  const result = await kept;
  if ("error" in result) throw result.error;
  return result.value;
}

describe("trying again", () => {
  it("tries transient errors again, with pauses that double under full jitter", async () => {
    const { requests, retries } = open();
    const { body, attempts } = server([down(), down(), down()]);
    expect(await settled(requests.send(body))).toBe("ok");
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(retries.map(({ delay }) => delay)).toEqual([100, 200, 400]);
    expect(retries[0]).toEqual({
      location: "bucket",
      code: "UNAVAILABLE",
      message: "no answer",
      attempt: 1,
      delay: 100,
    });
  });

  it.each([
    "NOT_FOUND",
    "PRECONDITION",
    "ACCESS_DENIED",
    "CORRUPT",
    "OUT_OF_SPACE",
  ])("passes %s at once", async (code) => {
    const { requests } = open();
    const { body, attempts } = server([new StowageError(code, "an answer")]);
    expect(await outcome(requests.send(body))).toBe(code);
    expect(attempts).toEqual([1]);
  });

  it("gives up with the last error after so many retries", async () => {
    const { requests } = open({ retries: 2 });
    const { body, attempts } = server([down(), down(), unavailable("the last")]);
    await expect(settled(requests.send(body))).rejects.toThrow("the last");
    expect(attempts).toEqual([1, 2, 3]);
  });

  it.each([
    { name: "with again: false", options: {}, request: { again: false } },
    { name: "with no retries", options: { retries: 0 }, request: {} },
  ])("tries once $name, throttled or not", async ({ options, request }) => {
    for (const error of [down(), busy()]) {
      const { requests } = open(options);
      const { body, attempts } = server([error]);
      expect(await outcome(requests.send(body, request))).toBe("UNAVAILABLE");
      expect(attempts).toEqual([1]);
    }
  });

  it("honours Retry-After as the least wait, but not longer than two minutes", async () => {
    const { requests, retries } = open();
    const { body } = server([busy(7_000), busy(3_600_000)]);
    await settled(requests.send(body));
    expect(retries.map(({ delay }) => delay)).toEqual([7_000, 120_000]);
  });

  it("is more patient with a store that asks to slow down than with one that fails", async () => {
    const { requests } = open({ retries: 1 });
    const { body } = server([busy(), busy(), busy(), busy(), busy()]);
    expect(await settled(requests.send(body))).toBe("ok");
  });

  it("tells of retries whoever asks later", async () => {
    const { requests, retries } = open();
    const later: Retry[] = [];
    requests.onRetry = (retry) => later.push(retry);
    await settled(requests.send(server([down()]).body));
    expect([retries.length, later.length]).toEqual([0, 1]);
  });
});

describe("the budget of retries", () => {
  it("lets an outage not multiply the load: of repetitions that fail a burst, a fifth of the answers, ten a second", async () => {
    const { requests } = open({ retries: 1_000, concurrency: 1_000, random: () => 0 });
    let sent = 0;
    const controller = new AbortController();
    const all = many(500, () =>
      outcome(
        requests.send(
          async () => {
            if (sent++ % 2 === 0) throw down();
            throw busy();
          },
          { signal: controller.signal },
        ),
      ),
    );
    await vi.advanceTimersByTimeAsync(20_000);
    controller.abort();
    await Promise.all(all);
    expect(sent - 500).toBeLessThanOrEqual(100 + 20 * 10);
  });

  it("never refuses a retry, only delays it", async () => {
    const { requests } = open({ retries: 100, concurrency: 400, random: () => 0 });
    const results = await settled(
      Promise.all(many(400, () => server([busy()])).map(({ body }) => requests.send(body))),
    );
    expect(results.every((result) => result === "ok")).toBe(true);
  });
});

describe("how much at once (AIMD)", () => {
  /** The largest number of requests that were on their way together, of `count`, each taking 10 ms. */
  async function peak(requests: Requests, count: number, answer: () => Error | undefined = () => undefined) {
    let now = 0;
    let most = 0;
    const body = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 10));
      now--;
      const error = answer();
      if (error) throw error;
    };
    await settled(Promise.allSettled(many(count, () => requests.send(body, { again: false }))));
    return most;
  }

  it("never sends more at once than it may", async () => {
    expect(await peak(open({ concurrency: 8 }).requests, 100)).toBe(8);
  });

  it("halves once for all that were throttled together, and comes back by one a round", async () => {
    const { requests } = open({ concurrency: 8 });
    await peak(requests, 8, busy);
    expect(await peak(requests, 4)).toBe(4);
    expect(await peak(requests, 100)).toBe(8);
    await peak(requests, 8, busy);
    await peak(requests, 1);
    await peak(requests, 4, busy);
    expect(await peak(requests, 2)).toBe(2);
    // One round of two answers raised it by about one.
    expect(await peak(requests, 3)).toBe(3);
  });

  it("never goes below one", async () => {
    const { requests } = open({ concurrency: 4 });
    for (let round = 0; round < 3; round++) await peak(requests, 1, busy);
    expect(await peak(requests, 1)).toBe(1);
  });

  it("does not ask less because of errors that are answers", async () => {
    const { requests } = open({ concurrency: 4 });
    await peak(requests, 20, () => new StowageError("NOT_FOUND", "none"));
    expect(await peak(requests, 20)).toBe(4);
  });
});

describe("the circuit breaker", () => {
  /** Ten errors in a row. */
  async function breakCircuit(requests: Requests): Promise<void> {
    for (let n = 0; n < 10; n++) await outcome(requests.send(async () => Promise.reject(down()), { again: false }));
  }

  it("rests after ten errors in a row, then lets one request through, and the others after it", async () => {
    const { requests } = open();
    expect(requests.pausedFor()).toBe(0);
    await breakCircuit(requests);
    expect(requests.pausedFor()).toBe(750);
    const { body, at } = server([]);
    const before = Date.now();
    const slow = async (attempt: Attempt) => {
      const result = body(attempt);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return result;
    };
    await settled(Promise.all(many(5, () => requests.send(slow))));
    // The first tries alone; then one more at a time each round.
    expect(at.map((when) => when - before)).toEqual([750, 800, 800, 850, 850]);
    expect(requests.pausedFor()).toBe(0);
  });

  it("rests longer each time the probe fails, 30 seconds at most", async () => {
    const { requests, retries } = open({ retries: 1 });
    await breakCircuit(requests);
    const { body, at } = server(many(8, down));
    const before = Date.now();
    expect(await settled(requests.send(body))).toBe("ok");
    expect(retries.map(({ delay }) => delay)).toEqual([1500, 3000, 6000, 12000, 22500, 22500, 22500, 22500]);
    expect(at[0]! - before).toBe(750);
  });

  it("fails what waits with UNAVAILABLE when patience is over, what comes later at once, and still finds the store when it is back", async () => {
    const { requests } = open({ retries: 1 });
    await breakCircuit(requests);
    const before = Date.now();
    const all = many(20, () => outcome(requests.send(async () => Promise.reject(down()))));
    await vi.advanceTimersByTimeAsync(5 * 60_000 + 30_000);
    expect(new Set(await Promise.all(all))).toEqual(new Set(["UNAVAILABLE"]));
    expect(Date.now() - before).toBeLessThan(6 * 60_000);
    // The rest is over and the next one tries; it fails as well, and who comes then is told at once.
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await outcome(requests.send(async () => Promise.reject(down())))).toBe("UNAVAILABLE");
    const late = Date.now();
    await expect(requests.send(async () => "late")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "bucket has not answered for 5 minutes",
    });
    expect(Date.now()).toBe(late);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await settled(requests.send(async () => "back"))).toBe("back");
    expect(await settled(requests.send(async () => "again"))).toBe("again");
  });

  it("fails what waits at once when it is given up, whether it waits for its turn or for the next attempt", async () => {
    const { requests } = open();
    await breakCircuit(requests);
    const { body, attempts } = server([]);
    const [turn, next] = [requests.send(body), requests.send(async () => Promise.reject(down()))].map(outcome);
    await vi.advanceTimersByTimeAsync(2_000);
    const before = Date.now();
    requests.giveUp();
    await vi.advanceTimersByTimeAsync(0);
    expect(await Promise.race([next, "waits"])).toBe("UNAVAILABLE");
    expect(Date.now()).toBe(before);
    expect(["UNAVAILABLE", "ok"]).toContain(await turn);
    expect(attempts.length).toBeLessThanOrEqual(1);
  });

  it.each(["NOT_FOUND", "PRECONDITION"])("takes %s for an answer: the store is there", async (code) => {
    const { requests } = open();
    for (let n = 0; n < 30; n++) {
      const error = n % 5 === 0 ? new StowageError(code, "an answer") : down();
      await outcome(requests.send(async () => Promise.reject(error), { again: false }));
    }
    expect(requests.pausedFor()).toBe(0);
  });

  it("ends the waiting with ABORTED, and takes a stopped probe for no answer", async () => {
    const { requests } = open();
    await breakCircuit(requests);
    const controller = new AbortController();
    const { body, attempts } = server([]);
    const waiting = outcome(requests.send(body, { signal: controller.signal }));
    await vi.advanceTimersByTimeAsync(100);
    controller.abort();
    expect(await waiting).toBe("ABORTED");
    expect(attempts).toEqual([]);

    const second = new AbortController();
    const probe = outcome(requests.send(() => new Promise(() => undefined), { signal: second.signal }));
    await vi.advanceTimersByTimeAsync(800);
    second.abort();
    expect(await probe).toBe("ABORTED");
    expect(requests.pausedFor()).toBe(1500);
  });

  it("refuses nobody because the clock ticked while the rest began", async () => {
    const { requests } = open();
    const { now } = Date;
    let ticks = 0;
    let ticking = true;
    const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + (ticking ? ++ticks : ticks));
    await breakCircuit(requests);
    ticking = false;
    expect(await settled(requests.send(async () => "ok"))).toBe("ok");
    spy.mockRestore();
  });

  it("lets the request that tries open what it waits for", async () => {
    const { requests } = open();
    await breakCircuit(requests);
    const upload = requests.send(() => requests.send(async () => "bytes", { urgent: true }));
    expect(await settled(upload)).toBe("bytes");
    expect(requests.pausedFor()).toBe(0);
  });

  it("waits as long as the store wished when it sent it to rest", async () => {
    const { requests } = open();
    for (let n = 0; n < 10; n++)
      await outcome(requests.send(async () => Promise.reject(busy(20_000)), { again: false }));
    expect(requests.pausedFor()).toBe(20_000);
  });
});

describe("time and cancellation", () => {
  it("ends an attempt without a sign of life after a minute, fires its signal and tries again", async () => {
    const { requests } = open();
    const signals: AbortSignal[] = [];
    const body = ({ signal, number }: Attempt): Promise<string> => {
      signals.push(signal);
      return number === 1 ? new Promise(() => undefined) : Promise.resolve("ok");
    };
    const before = Date.now();
    expect(await settled(requests.send(body))).toBe("ok");
    expect(Date.now() - before).toBe(60_100);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it("lets an attempt take as long as it shows signs of life", async () => {
    const { requests } = open({ timeout: 1_000 });
    const { body, attempts } = server([]);
    const slow = async (attempt: Attempt) => {
      for (let n = 0; n < 50; n++) {
        await new Promise((resolve) => setTimeout(resolve, 900));
        attempt.alive();
      }
      return body(attempt);
    };
    expect(await settled(requests.send(slow))).toBe("ok");
    expect(attempts).toEqual([1]);
  });

  it.each([
    { name: "before it began", after: -1 },
    { name: "during the attempt", after: 10 },
    { name: "between two attempts", after: 150 },
  ])("stops with ABORTED $name, without waiting for the request", async ({ after }) => {
    const { requests } = open();
    const controller = new AbortController();
    if (after < 0) controller.abort();
    let inner: AbortSignal | undefined;
    const sent = outcome(
      requests.send(
        async ({ signal, number }) => {
          inner = signal;
          await new Promise((resolve) => setTimeout(resolve, number === 1 ? 100 : 1));
          throw down();
        },
        { signal: controller.signal },
      ),
    );
    await vi.advanceTimersByTimeAsync(Math.max(0, after));
    controller.abort();
    expect(await sent).toBe("ABORTED");
    if (after === 10) expect(inner?.aborted).toBe(true);
    await vi.runAllTimersAsync();
  });

  it("takes back its place in the queue", async () => {
    const { requests } = open({ concurrency: 1 });
    const controller = new AbortController();
    const first = requests.send(() => new Promise<string>((resolve) => setTimeout(resolve, 100, "first")));
    const stopped = outcome(requests.send(server([]).body, { signal: controller.signal }));
    const last = requests.send(server([]).body);
    controller.abort();
    expect(await stopped).toBe("ABORTED");
    expect(await settled(Promise.all([first, last]))).toEqual(["first", "ok"]);
  });

  it("swallows no late error of an attempt that was given up", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", note);
    const { requests } = open({ timeout: 10, retries: 0 });
    const late = () => new Promise<never>((_resolve, reject) => setTimeout(reject, 100, new Error("late")));
    expect(await settled(outcome(requests.send(late)))).toBe("UNAVAILABLE");
    await vi.runAllTimersAsync();
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 5));
    vi.useFakeTimers();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("bodies", () => {
  const piece = new Uint8Array([1, 2, 3]);

  async function* pieces(gap: number, count: number): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < count; n++) {
      await new Promise((resolve) => setTimeout(resolve, gap));
      yield piece;
    }
  }

  const read = async (bytes: AsyncIterable<Uint8Array>): Promise<number> => {
    let size = 0;
    for await (const { length } of bytes) size += length;
    return size;
  };

  it("passes the same bytes, however long the reader takes", async () => {
    const { requests } = open({ stall: 100 });
    const slow = async () => {
      let size = 0;
      for await (const { length } of requests.watched(pieces(90, 5))) {
        size += length;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      return size;
    };
    expect(await settled(slow())).toBe(15);
  });

  it("ends a body that stalls with UNAVAILABLE and gives up its source", async () => {
    const { requests } = open({ stall: 100 });
    let destroyed = false;
    const source = Object.assign(pieces(101, 2), {
      destroy: () => {
        destroyed = true;
      },
    });
    expect(await settled(outcome(read(requests.watched(source))))).toBe("UNAVAILABLE");
    expect(destroyed).toBe(true);
  });

  it("ends with ABORTED as soon as the signal fires", async () => {
    const { requests } = open();
    const controller = new AbortController();
    const reading = outcome(read(requests.watched(pieces(1_000, 5), controller.signal)));
    await vi.advanceTimersByTimeAsync(2_500);
    controller.abort();
    expect(await reading).toBe("ABORTED");
    await vi.runAllTimersAsync();
  });

  it("gives up its source when the reader stops", async () => {
    const { requests } = open();
    let ended = false;
    const source = (async function* () {
      try {
        for (;;) yield piece;
      } finally {
        ended = true;
      }
    })();
    for await (const _ of requests.watched(source)) break;
    expect(ended).toBe(true);
  });

  it("passes the source's own error", async () => {
    const { requests } = open();
    const source = (async function* () {
      yield piece;
      throw new StowageError("PRECONDITION", "replaced");
    })();
    expect(await outcome(read(requests.watched(source)))).toBe("PRECONDITION");
  });
});

describe("what an upload waits for", () => {
  it("is asked at once, however many places are taken: two uploads that wait for each other's sources end", async () => {
    const [a, b] = [open({ concurrency: 1 }).requests, open({ concurrency: 1 }).requests];
    const copy = (to: Requests, from: Requests) =>
      to.send(async () => await from.send(async () => "bytes", { urgent: true }));
    expect(await settled(Promise.all([copy(a, b), copy(b, a), copy(a, a)]))).toEqual(["bytes", "bytes", "bytes"]);
  });
});
