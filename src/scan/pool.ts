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
}

/** The files that have a hash, as NUL-separated columns, and what kept the others from having one. */
export interface HashChunk {
  files: number;
  keys: string;
  hashes: string;
  mimes: string;
  mediaTypes: string;
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

type Seat = { worker: Worker; done?: { resolve: (result: TaskResult) => void; reject: (error: unknown) => void } };

/** More threads than cores keep a cold disk or a network mount busy; beyond eight they only cost memory. */
const THREADS = Math.min(8, Math.max(4, availableParallelism()));

/** Worker threads run JavaScript only: from the sources, take the built one. */
const WORKER = new URL(import.meta.url.endsWith(".ts") ? "../../dist/scan/worker.js" : "./worker.js", import.meta.url);

export function openPool(size = THREADS): Pool {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const counters = new Float64Array(new SharedArrayBuffer(16 * size));
  const idle: Seat[] = [];
  const waiting: ((seat: Seat) => void)[] = [];
  const seats: Seat[] = [];
  idle.push(open());

  /** The first thread starts at once, the others when there is work for them: a small location needs one. */
  function open(): Seat {
    const shared: Shared = { flags, counters, index: seats.length };
    const worker = new Worker(WORKER, { workerData: shared, execArgv: [] });
    const seat: Seat = { worker };
    const fail = (error: unknown) => {
      seat.done?.reject(new StowageError("INTERNAL", "a scanning thread ended", { cause: error }));
    };
    worker.on("message", (result: TaskResult) => {
      const { done } = seat;
      delete seat.done;
      release(seat);
      done?.resolve(result);
    });
    worker.on("error", fail);
    worker.on("exit", (code) => fail(new Error(`exit code ${code}`)));
    seats.push(seat);
    return seat;
  }

  function release(seat: Seat): void {
    const next = waiting.shift();
    if (next) next(seat);
    else idle.push(seat);
  }

  async function run(task: Task): Promise<TaskResult> {
    const seat =
      idle.pop() ?? (seats.length < size ? open() : await new Promise<Seat>((resolve) => waiting.push(resolve)));
    return new Promise((resolve, reject) => {
      seat.done = { resolve, reject };
      seat.worker.postMessage(task);
    });
  }

  return {
    size,
    walk: (task) => run(task) as Promise<WalkChunk>,
    hash: (task) => run(task) as Promise<HashChunk>,
    progress() {
      const total = { files: 0, bytes: 0 };
      for (let index = 0; index < size; index++) {
        total.files += counters[2 * index] ?? 0;
        total.bytes += counters[2 * index + 1] ?? 0;
      }
      return total;
    },
    reset: () => void counters.fill(0),
    want: (more) => void Atomics.store(flags, 1, more ? 1 : 0),
    abort: () => void Atomics.store(flags, 0, 1),
    close: async () => void (await Promise.all(seats.map((seat) => seat.worker.terminate()))),
  };
}
