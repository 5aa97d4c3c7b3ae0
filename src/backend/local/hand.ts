import { parentPort, workerData } from "node:worker_threads";
import { codeOf, messageOf, StowageError } from "../../lib/error.js";
import type { Entry } from "../backend.js";
import type { Order, Reply, Writing } from "../hands.js";
import { type Disk, openDisk } from "./disk.js";
import { readFile } from "./read.js";
import { statFile } from "./stat.js";
import { writeFile } from "./write.js";

/** A thread that writes small files: see hands.ts. All that wait for the disk at one moment wait for it together. */
const { aborted } = workerData as { aborted: Int32Array };
const signal = {
  get aborted() {
    return Atomics.load(aborted, 0) === 1;
  },
} as AbortSignal;

const disks = new Map<string, Disk>();
let replies: Reply[] = [];

parentPort?.on("message", (orders: Order[]) => {
  for (const order of orders) void carryOut(order).then(answer);
});

function answer(reply: Reply): void {
  if (replies.push(reply) > 1) return;
  setImmediate(() => {
    parentPort?.postMessage(replies);
    replies = [];
  });
}

async function carryOut(order: Order): Promise<Reply> {
  const { id } = order;
  const reading = { unread: false };
  try {
    const disk = diskAt(order.disk);
    const entry = order.is === "stat" ? await statFile(disk, order.key) : await write(disk, order, reading);
    return { id, is: "done", entry };
  } catch (error) {
    if (reading.unread) return { id, is: "unread" };
    const code = error instanceof StowageError ? error.code : undefined;
    const hint = error instanceof StowageError ? error.hint : undefined;
    return { id, is: "failed", ...(code !== undefined && { code }), message: told(error), hint };
  }
}

function write(disk: Disk, order: Extract<Order, { is: "write" }>, reading: { unread: boolean }): Promise<Entry> {
  const { key, file, path, sha256, size, mtime, run } = order;
  const source = { file, path, sha256, size, mtime, signal, ...(run !== undefined && { run }) };
  return writeFile(disk, key, { ...source, bytes: () => bytesOf(file, reading) });
}

/** What nobody foresaw is told with its stack. */
const told = (error: unknown): string =>
  codeOf(error) === undefined && error instanceof Error ? (error.stack ?? error.message) : messageOf(error);

function diskAt({ location, root, hardLinks, enough }: Order["disk"]): Disk {
  const known = disks.get(root);
  if (known) return known;
  const disk = openDisk(location, root, { hardLinks, enough });
  disks.set(root, disk);
  return disk;
}

async function* bytesOf(
  { location, root, key, version }: Writing["file"],
  reading: { unread: boolean },
): AsyncGenerator<Uint8Array> {
  try {
    yield* readFile(diskAt({ location, root, hardLinks: true, enough: undefined }), key, { version, signal });
  } catch (error) {
    reading.unread = true;
    throw error;
  }
}
