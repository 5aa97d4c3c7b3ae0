import { parentPort, workerData } from "node:worker_threads";
import type { Answer, Order, Reply, Writing, Written } from "../hands.js";
import { told, untold } from "../told.js";
import { type Disk, openDisk } from "./disk.js";
import { readMarker } from "./marker.js";
import { readFile, readSmall } from "./read.js";
import { removeFile } from "./remove.js";
import { statFile } from "./stat.js";
import { writeFile } from "./write.js";

/** A thread that works on small files: see hands.ts. All that wait for the disk at one moment wait for it together. */
const { aborted } = workerData as { aborted: Int32Array };
const signal = {
  get aborted() {
    return Atomics.load(aborted, 0) === 1;
  },
} as AbortSignal;

const disks = new Map<string, Disk>();
let replies: Reply[] = [];

/** Who waits for the word of the thread that gave the order. */
const asking = new Map<number, (answer: Answer) => void>();

parentPort?.on("message", (messages: (Order | Answer)[]) => {
  for (const message of messages) {
    if (message.is !== "answer") void carryOut(message).then(reply);
    else asking.get(message.id)?.(message);
  }
});

// It listens from now on.
parentPort?.postMessage(replies);

function reply(one: Reply): void {
  if (replies.push(one) > 1) return;
  setImmediate(() => {
    parentPort?.postMessage(replies);
    replies = [];
  });
}

async function carryOut(order: Order): Promise<Reply> {
  const { id } = order;
  const reading: Reading = { unread: false, whole: false, linked: false };
  try {
    return { id, is: "done", value: await resultOf(order, reading) };
  } catch (error) {
    const { unread, linked } = reading;
    return unread ? { id, is: "unread", linked } : { id, is: "failed", linked, ...told(error) };
  }
}

type Value = Extract<Reply, { is: "done" }>["value"];

/** What became of the source of a file that is written. */
interface Reading {
  unread: boolean;
  whole: boolean;
  /** It got a second name. */
  linked: boolean;
}

async function resultOf(order: Order, reading: Reading): Promise<Value> {
  const disk = diskAt(order.disk);
  switch (order.is) {
    case "stat":
      return await statFile(disk, order.key);
    case "marker":
      return await readMarker(disk);
    case "read":
      return await readSmall(disk, order.key, order.version);
    case "write":
      return await write(disk, order, reading);
    case "remove": {
      const { id, key, version, run, trash, shared } = order;
      let left: string | undefined;
      const otherName = (now: string): void => {
        left = now;
      };
      const confirm = () => confirmed(id);
      await removeFile(disk, key, { version, run, trash, confirm, ...(shared && { otherName }) });
      return left;
    }
  }
}

/** @throws what the last look was refused with */
async function confirmed(id: number): Promise<void> {
  const { refused } = await new Promise<Answer>((resolve) => {
    asking.set(id, resolve);
    reply({ id, is: "confirm" });
  });
  asking.delete(id);
  if (refused) throw untold(refused);
}

async function write(disk: Disk, order: Extract<Order, { is: "write" }>, reading: Reading): Promise<Written> {
  const { key, file, path, sha256, size, mtime, run } = order;
  const bytes = () => bytesOf(file, reading);
  const onLink = () => void Object.assign(reading, { linked: true });
  const entry = await writeFile(disk, key, {
    file: { ...file, onLink },
    path,
    sha256,
    size,
    mtime,
    run,
    signal,
    bytes,
  });
  return { entry, whole: reading.whole };
}

function diskAt({ location, root, hardLinks, enough }: Order["disk"]): Disk {
  const known = disks.get(root);
  if (known) return known;
  const disk = openDisk(location, root, { hardLinks, enough });
  disks.set(root, disk);
  return disk;
}

async function* bytesOf(
  { location, root, key, version }: Writing["file"],
  reading: Reading,
): AsyncGenerator<Uint8Array> {
  try {
    yield* readFile(diskAt({ location, root, hardLinks: true, enough: undefined }), key, { version, signal });
    reading.whole = true;
  } catch (error) {
    reading.unread = true;
    throw error;
  }
}
