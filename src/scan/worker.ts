import { parentPort, workerData } from "node:worker_threads";
import { earlyReader } from "./early.js";
import { fileHasher } from "./hash.js";
import { mediaTypeOf } from "./media.js";
import type { HashChunk, HashTask, Shared, Task, TaskResult } from "./pool.js";
import { walk } from "./walk.js";

// A thread of the scan's pool: lists directories and hashes files, one task at a time, with synchronous calls only.

const { flags, counters, index } = workerData as Shared;

const control = {
  aborted: () => Atomics.load(flags, 0) !== 0,
  wanted: () => Atomics.load(flags, 1) !== 0,
  progress(files: number, bytes: number) {
    counters[2 * index] = (counters[2 * index] ?? 0) + files;
    counters[2 * index + 1] = (counters[2 * index + 1] ?? 0) + bytes;
  },
};
const hashFile = fileHasher(control);
const readEarly = earlyReader();

function hashAll(task: HashTask): HashChunk {
  const files = task.files.split("\0");
  const keys: string[] = [];
  const hashes: string[] = [];
  const mimes: string[] = [];
  const mediaTypes: string[] = [];
  const chunk = { problems: [] } as Pick<HashChunk, "problems">;
  for (let at = 0; at < files.length; at += 2) {
    if (control.aborted()) break;
    const [key = "", version = ""] = [files[at], files[at + 1]];
    const hashed = hashFile(`${task.root}/${key}`, version, task.bare);
    if (hashed.kind === "aborted") break;
    if (hashed.kind === "hashed") {
      keys.push(key);
      hashes.push(hashed.sha256);
      if (task.bare) continue;
      mimes.push(hashed.mime);
      mediaTypes.push(mediaTypeOf(hashed.mime));
    } else {
      chunk.problems.push({ key, code: hashed.kind, message: hashed.message });
    }
  }
  const pack = (values: string[]) => values.join("\0");
  const kinds = task.bare ? {} : { mimes: pack(mimes), mediaTypes: pack(mediaTypes) };
  return { ...chunk, files: keys.length, keys: pack(keys), hashes: pack(hashes), ...kinds };
}

function run(task: Task): TaskResult {
  return task.kind === "walk" ? walk(task, control, readEarly) : hashAll(task);
}

parentPort?.on("message", (task: Task) => parentPort?.postMessage(run(task)));
