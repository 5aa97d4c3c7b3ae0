import { createHash, randomBytes } from "node:crypto";
import { link, lstat, mkdir, open, readdir, rmdir, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Backend, Features } from "../backend/backend.js";
import { failure } from "../backend/local/disk.js";
import { setMtime } from "../backend/local/mtime.js";
import { TEMPORARY } from "../backend/marker.js";
import { codeOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";

/** A throw-away corner of a location. */
interface Corner {
  path(name: string): string;
  make(name: string): Promise<string>;
  /** To be cleared too, if it is there by then. */
  willMake(name: string): void;
  clear(): Promise<void>;
}

/**
 * Finds out what a directory's file system can do, with throw-away files among stowage's temporaries. Touches nothing
 * else, and leaves nothing behind, also of a probe that was killed.
 * @throws `READ_ONLY`, `ACCESS_DENIED` and the other codes of a backend when it can not be written to
 */
export async function probe(location: string, root: string): Promise<Features> {
  return await inCorner(location, root, async (corner) => ({
    foldsCase: await isOne(corner, "CASE", "case"),
    foldsUnicode: await isOne(corner, "\u00e9", "e\u0301"),
    hardLinks: await hardLinks(corner),
    mtimeGranularity: await granularity(corner),
    maxNameBytes: await longestName(corner),
    readsBack: true,
  }));
}

/** Finds out what a location can do, whatever it is. @throws as `probe` does */
export async function probeBackend(backend: Backend, signal?: AbortSignal): Promise<Features> {
  if (backend.root !== undefined) return await probe(backend.location, backend.root);
  return backend.probe ? await backend.probe(signal) : backend.features;
}

/** Writes a throw-away file among stowage's temporaries. @throws as `probe` does */
export async function requireWritable(location: string, root: string): Promise<void> {
  await inCorner(location, root, async () => undefined);
}

async function inCorner<T>(location: string, root: string, body: (corner: Corner) => Promise<T>): Promise<T> {
  try {
    const corner = await openCorner(join(root, TEMPORARY));
    try {
      await removeOld(join(root, TEMPORARY), await corner.make("now"));
      return await body(corner);
    } finally {
      await corner.clear();
    }
  } catch (error) {
    throw failure({ location }, "", error);
  }
}

const PREFIX = "probe.";
/** Nanoseconds; a probe takes a moment. */
const OLD = 600_000_000_000n;

/** What a killed probe left: of a process that is gone, or old by the clock of the storage itself. */
async function removeOld(directory: string, fresh: string): Promise<void> {
  const now = (await lstat(fresh, { bigint: true })).ctimeNs;
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const file = join(directory, name);
    const found = await lstat(file, { bigint: true }).catch(unless("ENOENT"));
    if (!found?.isFile() || !(isOrphan(name) || now - found.ctimeNs > OLD)) continue;
    await unlink(file).catch(unless("ENOENT"));
  }
}

/** Made by a process of this machine that is gone. */
function isOrphan(name: string): boolean {
  const [, host, pid] = name.split(".");
  if (host !== HOST || pid === undefined || !/^\d+$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

async function openCorner(directory: string): Promise<Corner> {
  // Not with the parents: the root is never made here.
  await mkdir(directory).catch(unless("EEXIST"));
  if (!(await lstat(directory)).isDirectory()) {
    throw new StowageError("PRECONDITION", `${printable(directory)} is not a directory`, {
      hint: "The name is stowage's own, and a symbolic link there would lead out of the location: rename or remove it.",
    });
  }
  const prefix = `${PREFIX}${HOST}.${process.pid}.${randomBytes(6).toString("hex")}.`;
  const made = new Set<string>();
  const path = (name: string) => join(directory, prefix + name);
  return {
    path,
    async make(name) {
      const handle = await open(path(name), "wx");
      made.add(path(name));
      await handle.close();
      return path(name);
    },
    willMake: (name) => void made.add(path(name)),
    async clear() {
      for (const file of made) await unlink(file).catch(unless("ENOENT"));
      // Others may have temporaries there.
      await rmdir(directory).catch(unless("ENOTEMPTY", "EEXIST", "ENOENT"));
    },
  };
}

const unless =
  (...codes: string[]) =>
  (error: unknown): undefined => {
    if (!codes.includes(codeOf(error) ?? "")) throw error;
  };

/** Whether a file made under one name is found under the other. */
async function isOne(corner: Corner, name: string, other: string): Promise<boolean> {
  await corner.make(name);
  return lstat(corner.path(other)).then(
    () => true,
    (error: unknown) => {
      unless("ENOENT", "EILSEQ", "EINVAL")(error);
      return false;
    },
  );
}

async function hardLinks(corner: Corner): Promise<boolean> {
  const file = await corner.make("file");
  corner.willMake("link");
  try {
    await link(file, corner.path("link"));
  } catch {
    // Whatever the reason is: where it fails here, it would fail for a file.
    return false;
  }
  return (await lstat(file)).nlink === 2;
}

const STEPS = [1n, 100n, 1_000n, 1_000_000n, 10_000_000n, 1_000_000_000n, 2_000_000_000n];

/** The coarsest step that explains how an odd time came back, in nanoseconds. */
async function granularity(corner: Corner): Promise<number> {
  const time = 1_500_000_001_123_456_789n;
  const handle = await open(await corner.make("time"), "r+");
  try {
    await setMtime(handle, time);
  } finally {
    await handle.close();
  }
  const { mtimeNs } = await lstat(corner.path("time"), { bigint: true });
  const away = mtimeNs > time ? mtimeNs - time : time - mtimeNs;
  return Number(STEPS.find((step) => away < step) ?? 2_000_000_000n);
}

/** The longest name up to 255 bytes, found by halving. */
async function longestName(corner: Corner): Promise<number> {
  const base = Buffer.byteLength(corner.path("").split("/").pop() ?? "");
  const fits = async (length: number) => {
    try {
      await corner.make("n".repeat(length - base));
      return true;
    } catch (error) {
      unless("ENAMETOOLONG", "EINVAL", "ENOENT")(error);
      return false;
    }
  };
  if (await fits(255)) return 255;
  let [low, high] = [base + 1, 254];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (await fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
