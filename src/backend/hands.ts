import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { StowageError } from "../lib/error.js";
import type { Entry, RemoveOptions } from "./backend.js";
import type { Disk } from "./local/disk.js";
import type { LocalFile } from "./local-file.js";
import { type Told, told, untold } from "./told.js";

/** What a thread is to do: to write a small file, of which it is told what `WriteSource` says, to read one, to look at a key or the marker, or to remove. */
export type Order = { id: number; disk: Pick<Disk, "location" | "root" | "hardLinks" | "enough">; key: string } & (
  | ({ is: "write" } & Writing)
  | ({ is: "remove" } & Removing)
  | { is: "read"; version: string }
  | { is: "stat" | "marker" }
);

export type Removing = Omit<RemoveOptions, "confirm" | "otherName"> & { shared: boolean };

export interface Writing {
  file: LocalFile;
  path: string;
  sha256: string;
  size: number;
  mtime: bigint;
  run: string | undefined;
}

/** A small file that was written; `whole`: its source was read to its end, as the version that was asked for. */
export interface Written {
  entry: Entry;
  whole: boolean;
}

/**
 * What became of an order. `unread`: nothing was written, because the source is not as it should be; `linked`: it had a second name for a while.
 * `confirm`: may it be removed now?
 */
export type Reply = { id: number; linked?: boolean } & (
  | { is: "done"; value: Entry | Written | Uint8Array | string | undefined }
  | { is: "unread" | "confirm" }
  | ({ is: "failed" } & Told)
);

/** The answer to `confirm`. */
export interface Answer {
  id: number;
  is: "answer";
  refused?: Told;
}

/** Threads that read and write small files, and look at them. */
export interface Hands {
  /** They can work. Else, and after one has ended by itself, there is the ordinary way. */
  ready(): boolean;
  /** Starts the first thread, unless that was done before. Not waited for: meanwhile there is the ordinary way. */
  start(): void;
  /** As `Backend.write`; undefined when the source can not be read as it should be: the ordinary way tells why. */
  write(disk: Disk, key: string, writing: Writing, signal: AbortSignal | undefined): Promise<Written | undefined>;
  /** All bytes of a small file, if it is of that version; undefined when the file is large. As `Backend.read`. */
  read(disk: Disk, key: string, version: string): Promise<Uint8Array | undefined>;
  /** As `Backend.stat`, `marker` and `remove`. */
  stat(disk: Disk, key: string): Promise<Entry | undefined>;
  marker(disk: Disk): Promise<string | undefined>;
  remove(disk: Disk, key: string, options: RemoveOptions): Promise<void>;
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
  /** With the value that belongs to the order. */
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  confirm?: (() => Promise<void>) | undefined;
  onLink?: (() => void) | undefined;
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
    const able = threads.filter((thread) => thread.ready());
    const idle = able.find(({ waiting }) => waiting.size === 0);
    if (!idle && threads.length < THREADS) threads.push(openThread(aborted));
    return idle ?? able.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
  };
  const about = ({ location, root, hardLinks, enough }: Disk, key: string) => {
    orders += 1;
    return { id: orders, disk: { location, root, hardLinks, enough }, key };
  };
  return {
    ready: () => threads.some((thread) => thread.ready()) && !threads.some((thread) => thread.ended()),
    start() {
      if (threads.length === 0) threads.push(openThread(aborted));
    },
    write(disk, key, writing, signal) {
      watch(signal);
      const { id, disk: place } = about(disk, key);
      const { file: given, path, sha256, size, mtime, run } = writing;
      const { onLink, ...file } = given;
      // One shape for all: objects that are spread into each other take several times as long to make and to send.
      return free().carryOut({ id, disk: place, key, is: "write", file, path, sha256, size, mtime, run }, { onLink });
    },
    read: (disk, key, version) => free().carryOut({ ...about(disk, key), is: "read", version }),
    stat: (disk, key) => free().carryOut({ ...about(disk, key), is: "stat" }),
    marker: (disk) => free().carryOut({ ...about(disk, ""), is: "marker" }),
    async remove(disk, key, { confirm, otherName, version, run, trash }) {
      const shared = otherName !== undefined;
      const order = { ...about(disk, key), is: "remove", version, run, trash, shared } as const;
      const left = await free().carryOut<string | undefined>(order, { confirm });
      if (left !== undefined) otherName?.(left);
    },
    async close() {
      if (threads.some(({ waiting }) => waiting.size > 0)) return;
      watch(undefined);
      await Promise.all(threads.splice(0).map((thread) => thread.close()));
    },
  };
}

interface Thread {
  waiting: ReadonlyMap<number, Waiting>;
  /** It listens. */
  ready(): boolean;
  ended(): boolean;
  carryOut<T>(order: Order, asks?: Pick<Waiting, "confirm" | "onLink">): Promise<T>;
  close(): Promise<void>;
}

function openThread(aborted: Int32Array): Thread {
  const worker = new Worker(WORKER, {
    workerData: { stowageHand: true, aborted },
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  const waiting = new Map<number, Waiting>();
  let queued: (Order | Answer)[] = [];
  let listens = false;
  let ended: StowageError | undefined;
  const end = (why: string): void => {
    // What it has done by then is for a look at the storage to say (I6).
    ended = new StowageError("UNAVAILABLE", `a thread that works on files has ended: ${why}`);
    for (const { reject, confirm } of waiting.values()) reject(confirm ? halfRemoved(why) : ended);
    waiting.clear();
  };
  const send = (message: Order | Answer): void => {
    if (queued.push(message) > 1) return;
    setImmediate(() => {
      worker.postMessage(queued);
      queued = [];
    });
  };
  worker.on("error", (error) => end(String(error)));
  worker.on("exit", (code) => end(`exit ${code}`));
  worker.on("message", (replies: Reply[]) => {
    listens = true;
    for (const reply of replies) {
      const order = waiting.get(reply.id);
      if (!order) continue;
      if (reply.is === "confirm") {
        void answered(reply.id, order).then(send);
      } else {
        waiting.delete(reply.id);
        if (reply.linked) order.onLink?.();
        settle(order, reply);
      }
    }
    if (waiting.size === 0) worker.unref();
  });
  worker.unref();
  return {
    waiting,
    ready: () => listens,
    ended: () => ended !== undefined,
    carryOut: (order, asks) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        if (waiting.size === 0) worker.ref();
        waiting.set(order.id, { resolve, reject, ...asks });
        send(order);
      }),
    async close() {
      await worker.terminate();
    },
  };
}

/** It may have been put aside, removed, or neither. That its name is gone does not say which: the next run finds out, and gives it its name back. */
const halfRemoved = (why: string): StowageError =>
  new StowageError("PRECONDITION", `a thread that was removing the file has ended: ${why}`, {
    hint: "Run `stowage apply` again: what was not removed gets its name back.",
  });

/** Without a word there is none that could allow it. */
async function answered(id: number, { confirm }: Waiting): Promise<Answer> {
  try {
    if (!confirm) throw new StowageError("INVARIANT", "nobody can confirm the removal");
    await confirm();
    return { id, is: "answer" };
  } catch (error) {
    return { id, is: "answer", refused: told(error) };
  }
}

function settle({ resolve, reject }: Waiting, reply: Exclude<Reply, { is: "confirm" }>): void {
  if (reply.is === "done") resolve(reply.value as never);
  else if (reply.is === "unread") resolve(undefined as never);
  else if (reply.is === "failed") reject(untold(reply));
}
