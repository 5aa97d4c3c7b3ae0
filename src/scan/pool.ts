import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { StowageError } from "../lib/error.js";
import type { Problem } from "./directory.js";
import type { WalkChunk, WalkTask } from "./walk.js";

/** Files to hash; `files` has their keys and versions in turn, NUL-separated. */
export interface HashTask {
  kind: "hash";
  root: string;
  files: string;
  /** Nobody wants to know what kind of files they are. */
  bare?: boolean;
}

/** The files that have a hash, as NUL-separated columns, and what kept the others from having one. */
export interface HashChunk {
  files: number;
  keys: string;
  hashes: string;
  /** Unset: not looked at. */
  mimes?: string;
  mediaTypes?: string;
  /** How each hash is known; by reading, where no chunk of the same reader has it. */
  proofs?: string;
  problems: Problem[];
}

export type Task = WalkTask | HashTask;
export type TaskResult = WalkChunk | HashChunk;

/** What the threads share: `flags` = [aborted, work wanted], `counters` = files and bytes of each thread. */
export interface Shared {
  flags: Int32Array;
  counters: Float64Array;
  index: number;
}

export interface Pool {
  readonly size: number;
  walk(task: WalkTask): Promise<WalkChunk>;
  hash(task: HashTask): Promise<HashChunk>;
  /** Files and bytes since the last `reset`. */
  progress(): { files: number; bytes: number };
  reset(): void;
  /** Asks listing threads to hand back the rest of their work. */
  want(more: boolean): void;
  /** Running tasks return soon, with what they have. */
  abort(): void;
  close(): Promise<void>;
}

/** More threads than processors keep a cold disk or a network mount busy; beyond eight they only cost memory. */
const THREADS = Math.max(8, Math.min(16, availableParallelism()));

/** Worker threads run JavaScript only: from the sources, take the built one. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/scan/worker.js" : "../scan/worker.js",
  import.meta.url,
);

export function openPool(size = THREADS): Pool {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const counters = new Float64Array(new SharedArrayBuffer(16 * size));
  const threads: Thread[] = [];
  const idle: Thread[] = [];
  const waiting: ((thread: Thread) => void)[] = [];
  const start = (): Thread => {
    const thread = openThread({ flags, counters, index: threads.length });
    threads.push(thread);
    return thread;
  };
  // The first thread starts at once, the others when there is work for them: a small location needs one.
  idle.push(start());

  async function run(task: Task): Promise<TaskResult> {
    const free = idle.pop() ?? (threads.length < size ? start() : undefined);
    const thread = free ?? (await new Promise<Thread>((resolve) => waiting.push(resolve)));
    try {
      return await thread.run(task);
    } finally {
      // Also one that has ended, which refuses at once: who waits for it would wait for ever.
      const next = waiting.shift();
      if (next) next(thread);
      else idle.push(thread);
    }
  }

  return {
    size,
    walk: (task) => run(task) as Promise<WalkChunk>,
    hash: (task) => run(task) as Promise<HashChunk>,
    progress: () => ({
      files: counters.reduce((sum, count, index) => (index % 2 === 0 ? sum + count : sum), 0),
      bytes: counters.reduce((sum, count, index) => (index % 2 === 1 ? sum + count : sum), 0),
    }),
    reset: () => void counters.fill(0),
    want: (more) => void Atomics.store(flags, 1, more ? 1 : 0),
    abort: () => void Atomics.store(flags, 0, 1),
    close: async () => void (await Promise.all(threads.map((thread) => thread.close()))),
  };
}

/** One worker, which does one task at a time. */
interface Thread {
  run(task: Task): Promise<TaskResult>;
  close(): Promise<unknown>;
}

function openThread(shared: Shared): Thread {
  const worker = new Worker(WORKER, { workerData: shared, execArgv: [] });
  let current: { resolve: (result: TaskResult) => void; reject: (error: unknown) => void } | undefined;
  let ended: StowageError | undefined;
  const end = (cause: unknown) => {
    ended ??= new StowageError("INTERNAL", "a scanning thread ended", { cause });
    current?.reject(ended);
  };
  worker.on("message", (result: TaskResult) => current?.resolve(result));
  worker.on("error", end);
  worker.on("exit", (code) => end(new Error(`exit code ${code}`)));
  return {
    run: (task) =>
      new Promise((resolve, reject) => {
        // A thread that ended before it got its task would never answer.
        if (ended) return reject(ended);
        current = { resolve, reject };
        worker.postMessage(task);
      }),
    close: () => worker.terminate(),
  };
}
