import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { StowageError } from "../lib/error.js";
import type { Entry, WriteSource } from "./backend.js";
import type { Disk } from "./local/disk.js";

/** What a thread is to do: to write a small file, of which it is told what `WriteSource` says, or to look at a key. */
export type Order = { id: number; disk: Pick<Disk, "location" | "root" | "hardLinks" | "enough">; key: string } & (
  | ({ is: "write" } & Writing)
  | { is: "stat" }
);

export interface Writing {
  file: NonNullable<WriteSource["file"]>;
  path: string;
  sha256: string;
  size: number;
  mtime: bigint;
  run?: string;
}

/** What became of an order. `unread`: nothing was written, because the source is not as it should be. */
export type Reply = { id: number } & (
  | { is: "done"; entry: Entry | undefined }
  | { is: "unread" }
  | { is: "failed"; code?: string; message: string; hint?: string | undefined }
);

/** Threads that write small files, and look at them. */
export interface Hands {
  /** `idle`: none has begun yet. `broken`: one ended by itself, or could not begin; then there is the ordinary way. */
  state(): "idle" | "ready" | "broken";
  /** As `Backend.write`; undefined when the source can not be read as it should be: the ordinary way tells why. */
  write(disk: Disk, key: string, writing: Writing, signal: AbortSignal | undefined): Promise<Entry | undefined>;
  /** As `Backend.stat`. */
  stat(disk: Disk, key: string): Promise<Entry | undefined>;
  /** Ends what has nothing to do. */
  close(): Promise<void>;
}

/** While some wait for the disk, others go on. */
const THREADS = Math.min(4, Math.max(2, availableParallelism()));

/** Worker threads run JavaScript only: from the sources, take the built one. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/backend/local/hand.js" : "../backend/local/hand.js",
  import.meta.url,
);

interface Waiting {
  resolve: (entry: Entry | undefined) => void;
  reject: (error: unknown) => void;
}

let shared: Hands | undefined;

/** One set of threads for all locations on this machine. */
export function hands(): Hands {
  shared ??= openHands();
  return shared;
}

/** Starts a thread when it is needed. */
function openHands(): Hands {
  const threads: Thread[] = [];
  const aborted = new Int32Array(new SharedArrayBuffer(4));
  const abort = (): void => void Atomics.store(aborted, 0, 1);
  let watched: AbortSignal | undefined;
  let orders = 0;
  const watch = (signal: AbortSignal | undefined): void => {
    if (signal === watched) return;
    watched?.removeEventListener("abort", abort);
    watched = signal;
    Atomics.store(aborted, 0, signal?.aborted ? 1 : 0);
    signal?.addEventListener("abort", abort);
  };
  const free = (): Thread => {
    const idle = threads.find(({ waiting }) => waiting.size === 0);
    if (!idle && threads.length < THREADS) threads.push(openThread(aborted));
    return idle ?? threads.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
  };
  const about = ({ location, root, hardLinks, enough }: Disk, key: string) => {
    orders += 1;
    return { id: orders, disk: { location, root, hardLinks, enough }, key };
  };
  return {
    state: () => (threads.some(({ ended }) => ended()) ? "broken" : threads.length > 0 ? "ready" : "idle"),
    write(disk, key, writing, signal) {
      watch(signal);
      return free().carryOut({ ...about(disk, key), is: "write", ...writing });
    },
    stat: (disk, key) => free().carryOut({ ...about(disk, key), is: "stat" }),
    async close() {
      if (threads.some(({ waiting }) => waiting.size > 0)) return;
      watch(undefined);
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
}

interface Thread {
  waiting: ReadonlyMap<number, Waiting>;
  ended(): boolean;
  carryOut(order: Order): Promise<Entry | undefined>;
  close(): Promise<void>;
}

function openThread(aborted: Int32Array): Thread {
  const worker = new Worker(WORKER, {
    workerData: { stowageHand: true, aborted },
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  const waiting = new Map<number, Waiting>();
  let queued: Order[] = [];
  let ended: StowageError | undefined;
  const end = (why: string): void => {
    // What it has done by then is for a look at the storage to say (I6).
    ended = new StowageError("UNAVAILABLE", `a thread that writes files has ended: ${why}`);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on("error", (error) => end(String(error)));
  worker.on("exit", (code) => end(`exit ${code}`));
  worker.on("message", (replies: Reply[]) => {
    for (const reply of replies) {
      const order = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (order) settle(order, reply);
    }
    if (waiting.size === 0) worker.unref();
  });
  worker.unref();
  const send = (): void => {
    worker.postMessage(queued);
    queued = [];
  };
  return {
    waiting,
    ended: () => ended !== undefined,
    carryOut: (order) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        if (waiting.size === 0) worker.ref();
        waiting.set(order.id, { resolve, reject });
        if (queued.push(order) === 1) setImmediate(send);
      }),
    async close() {
      await worker.terminate();
    },
  };
}

function settle({ resolve, reject }: Waiting, reply: Reply): void {
  if (reply.is === "done") resolve(reply.entry);
  else if (reply.is === "unread") resolve(undefined);
  else reject(errorOf(reply));
}

const errorOf = ({ code, message, hint }: Extract<Reply, { is: "failed" }>): Error =>
  code === undefined ? new Error(message) : new StowageError(code, message, hint === undefined ? {} : { hint });
