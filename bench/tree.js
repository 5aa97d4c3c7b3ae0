import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { HOME } from "./measure.js";

/** The same numbers in every run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function noise(size, next) {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at += 4) bytes.writeUInt32LE((next() * 2 ** 32) >>> 0, at);
  return bytes;
}

const EXTENSIONS = ["jpg", "png", "txt", "json", "mp4", "bin", "md", "webp"];
const OLDEST = Date.parse("2020-01-01T00:00:00Z") / 1000;
const YEARS = 5 * 365 * 86_400;

/** Whether it was made to its end, and nobody has removed it since. */
const isMade = (root) => existsSync(`${root}.done`) && existsSync(root);

/** `files` different small files (0.5 to 11 KiB) in folders of 100; made once. */
export function smallFiles(files) {
  const root = join(HOME, `small-${files}`);
  if (isMade(root)) return root;
  console.log(`making ${files} small files in ${root} …`);
  const next = random(42);
  const bytes = noise(1 << 20, next);
  for (let index = 0; index < files; index++) {
    const folder = `project-${String(Math.floor(index / 2_000)).padStart(3, "0")}/set-${Math.floor(index / 100) % 20}`;
    const path = join(root, folder, `file-${index}.${EXTENSIONS[index % EXTENSIONS.length]}`);
    if (index % 100 === 0) mkdirSync(dirname(path), { recursive: true });
    const size = Math.floor(2 ** (9 + next() * 4.5));
    const content = Buffer.from(bytes.subarray(0, size));
    content.writeUInt32LE(index, 0);
    writeFileSync(path, content);
    const time = OLDEST + next() * YEARS;
    utimesSync(path, time, time);
  }
  writeFileSync(`${root}.done`, "");
  return root;
}

/** `files` different files of `megabytes` MiB; made once. */
export function bigFiles(files, megabytes) {
  const root = join(HOME, `big-${files}x${megabytes}`);
  if (isMade(root)) return root;
  console.log(`making ${files} files of ${megabytes} MiB in ${root} …`);
  mkdirSync(root, { recursive: true });
  const bytes = noise(1 << 20, random(7));
  for (let index = 0; index < files; index++) {
    const file = openSync(join(root, `video-${index}.bin`), "w");
    for (let part = 0; part < megabytes; part++) {
      bytes.writeUInt32LE(index * 65_536 + part, 0);
      writeSync(file, bytes);
    }
  }
  writeFileSync(`${root}.done`, "");
  return root;
}

/** `files` empty files in folders of 1,000; made once. */
export function emptyFiles(files) {
  const root = join(HOME, `empty-${files}`);
  if (isMade(root)) return root;
  console.log(`making ${files} empty files in ${root} …`);
  for (let index = 0; index < files; index++) {
    const folder = join(root, `part-${Math.floor(index / 50_000)}`, `folder-${Math.floor(index / 1_000)}`);
    if (index % 1_000 === 0) mkdirSync(folder, { recursive: true });
    closeSync(openSync(join(folder, `file-${index}.${EXTENSIONS[index % EXTENSIONS.length]}`), "w"));
  }
  writeFileSync(`${root}.done`, "");
  return root;
}

/** A copy of a tree with its times; made once. */
export function copyTree(tree) {
  const twin = `${tree}-twin`;
  if (isMade(twin)) return twin;
  console.log(`copying ${tree} …`);
  mkdirSync(twin, { recursive: true });
  copyInto(tree, twin);
  writeFileSync(`${twin}.done`, "");
  return twin;
}

/** Copies a tree with its times to a folder that is there. */
export function copyInto(tree, folder) {
  const { status } = spawnSync("cp", ["-a", `${tree}/.`, folder], { stdio: "inherit" });
  if (status !== 0) throw new Error(`${tree} can not be copied`);
  spawnSync("sh", ["-c", `rm -rf "$0"/.stowage-*`, folder]);
}
