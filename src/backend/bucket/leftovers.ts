import { StowageError } from "../../lib/error.js";
import { collect } from "../../lib/iter.js";
import type { Leftover } from "../backend.js";
import { TEMPORARY, TRASH } from "../marker.js";
import type { Stored } from "../store.js";
import { type Bucket, temporaryName } from "./bucket.js";
import { RECORD } from "./parts.js";
import { contentOf } from "./read.js";
import { LONG } from "./trash.js";
import { endRecorded } from "./unfinished.js";

/** See `Backend.leftovers`. Whether what made a temporary is gone can not be known in a bucket: `dead` is never said. */
export async function* listLeftovers(bucket: Bucket): AsyncGenerator<Leftover> {
  const kinds = ["trash", "temporary"] as const;
  const runs = new Map(kinds.map((kind) => [kind, new Set<string>()]));
  for (const kind of kinds) {
    for await (const { run } of below(bucket, kind, "")) runs.get(kind)?.add(run);
  }
  // Their names begin with their time. There can be millions of leftovers, so they are listed again and not held.
  for (const run of [...new Set([...runs.values()].flatMap((names) => [...names]))].sort()) {
    for (const kind of kinds.filter((each) => runs.get(each)?.has(run))) {
      for await (const leftover of below(bucket, kind, run))
        if (leftover.run === run) yield await named(bucket, leftover);
    }
  }
}

async function* below(bucket: Bucket, kind: Leftover["kind"], begin: string): AsyncGenerator<Leftover> {
  for await (const page of bucket.store.list(folderOf(bucket, kind) + begin)) {
    for (const stored of page) {
      const leftover = leftoverOf(bucket, kind, stored);
      if (leftover) yield leftover;
    }
  }
}

async function named(bucket: Bucket, leftover: Leftover): Promise<Leftover> {
  const long = leftover.kind === "trash" && leftover.handle.endsWith(LONG.bytes) && leftover.key === "";
  return long ? { ...leftover, key: await keyBeside(bucket, leftover.handle) } : leftover;
}

const folderOf = ({ prefix }: Bucket, kind: Leftover["kind"]): string =>
  `${prefix}${kind === "trash" ? TRASH : TEMPORARY}/`;

function leftoverOf(bucket: Bucket, kind: Leftover["kind"], { name, size, modified }: Stored): Leftover | undefined {
  const handle = name.slice(bucket.prefix.length);
  const [, run = "", unique = "", ...rest] = handle.split("/");
  // The name of a long key goes with its bytes.
  if (kind === "trash" && rest.length === 0 && unique.endsWith(LONG.key)) return undefined;
  const key = kind === "trash" ? rest.join("/") : [unique, ...rest].join("/");
  return { kind, key, run, size, since: Math.trunc(modified), handle };
}

const besides = (handle: string): string => handle.slice(0, -LONG.bytes.length) + LONG.key;

/** The key of a trashed object; where it was lost, its bytes were not. */
const keyBeside = async (bucket: Bucket, handle: string): Promise<string> =>
  (await contentOf(bucket, bucket.prefix + besides(handle))) ?? handle;

/** See `Backend.purge`. Nothing but stowage's own trash and temporaries can be named. */
export async function purgeLeftover(bucket: Bucket, { handle, kind }: Leftover): Promise<void> {
  const [folder, run, ...rest] = handle.split("/");
  if (folder !== (kind === "trash" ? TRASH : TEMPORARY) || !run || rest.join("") === "") {
    throw new StowageError("INVARIANT", `${handle} is neither trash nor a temporary`);
  }
  const name = bucket.prefix + handle;
  if (kind === "temporary" && name.endsWith(RECORD)) await endRecorded(bucket, name);
  await bucket.store.discard(name);
  const long = kind === "trash" && rest.length === 1 && handle.endsWith(LONG.bytes);
  if (long) await bucket.store.discard(bucket.prefix + besides(handle));
}

/** See `Backend.tidy`. Never fails: what stays is listed by `leftovers`. */
export async function tidyRun(bucket: Bucket, run: string, signal?: AbortSignal): Promise<void> {
  try {
    const left = await collect(bucket.store.list(temporaryName(bucket, run), signal));
    for (const stored of left.flat()) {
      if (signal?.aborted) return;
      const leftover = leftoverOf(bucket, "temporary", stored);
      if (leftover) await purgeLeftover(bucket, leftover);
    }
  } catch {
    // See above.
  }
}
