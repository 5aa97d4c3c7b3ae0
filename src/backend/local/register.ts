import { randomBytes } from "node:crypto";
import { open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { LOCK, TEMPORARY } from "../marker.js";
import type { Register, Registered } from "../shared.js";
import { makeParents } from "./directories.js";
import { type Disk, failure, requireRoot } from "./disk.js";
import { publish } from "./publish.js";

/** Older texts are kept so long that no listing can miss the newest while they change. */
const KEPT = 8;
const STUBBORN = 20;
/** As many digits as the highest number needs that somebody may have planted: the next one has to be seen. */
const NAME = /^\d{12,15}$/;

/**
 * A file system has no conditional replacing, but a name is created by exactly one: each text is a file of its own, named by
 * its number, and the highest number holds. The highest is never removed, so one that was late finds it.
 */
export function localRegister(disk: Disk): Register {
  return {
    read: () => inTerms(disk, async () => await current(disk)),
    write: (text, token) => inTerms(disk, async () => await follow(disk, text, token)),
    honoured: async () => true,
  };
}

async function inTerms<T>(disk: Disk, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw failure(disk, LOCK, error);
  }
}

const fileOf = (disk: Disk, number: number): string => join(disk.root, LOCK, String(number).padStart(12, "0"));

async function current(disk: Disk): Promise<Registered | undefined> {
  for (let attempt = 1; ; attempt++) {
    const number = Math.max(0, ...(await numbers(disk)));
    if (number === 0) return undefined;
    try {
      const text = await readFile(fileOf(disk, number), "utf8");
      return { text, token: tokenOf(number, text) };
    } catch (error) {
      // Followed by others and removed since it was listed.
      if (codeOf(error) !== "ENOENT" || attempt === STUBBORN) throw error;
    }
  }
}

const tokenOf = (number: number, text: string): string => `${number}:${sha256Hex(text)}`;

async function follow(disk: Disk, text: string, token: string | undefined): Promise<string | undefined> {
  if ((await current(disk))?.token !== token) return undefined;
  const number = (token === undefined ? 0 : Number.parseInt(token, 10)) + 1;
  const file = fileOf(disk, number);
  try {
    await writeNew(disk, Buffer.from(text), `${LOCK}/${number}`, file);
  } catch (error) {
    if (codeOf(error) !== "PRECONDITION") throw error;
    return undefined;
  }
  const all = await numbers(disk);
  if (all.some((other) => other > number)) {
    // It was free because it is over already.
    await unlinkIfThere(file);
    return undefined;
  }
  for (const old of all) if (old <= number - KEPT) await unlinkIfThere(fileOf(disk, old));
  return tokenOf(number, text);
}

/** Publishes a small file of stowage's own, durably. @throws `PRECONDITION` when the name is taken */
export async function writeNew(disk: Disk, bytes: Uint8Array, key: string, final: string): Promise<void> {
  const temporary = join(disk.root, TEMPORARY, `own.${randomBytes(8).toString("hex")}`);
  await requireRoot(disk);
  await makeParents(disk, temporary);
  try {
    const handle = await open(temporary, "wx", 0o644);
    let dev: bigint;
    try {
      await handle.writeFile(bytes);
      await handle.sync();
      ({ dev } = await handle.stat({ bigint: true }));
    } finally {
      await handle.close();
    }
    await publish(disk, temporary, key, final, dev);
  } finally {
    await unlinkIfThere(temporary);
  }
}

async function numbers(disk: Disk): Promise<number[]> {
  try {
    return (await readdir(join(disk.root, LOCK))).filter((name) => NAME.test(name)).map(Number);
  } catch (error) {
    if (codeOf(error) === "ENOTDIR") {
      throw new StowageError("UNAVAILABLE", `${disk.location}: ${LOCK} is not a directory`, {
        hint: "The name is stowage's own: rename or remove that file.",
      });
    }
    if (codeOf(error) !== "ENOENT") throw error;
    await requireRoot(disk);
    return [];
  }
}

async function unlinkIfThere(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
