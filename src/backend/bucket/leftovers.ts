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
  const found: Leftover[] = [];
  for (const kind of ["trash", "temporary"] as const) {
    for await (const page of bucket.store.list(folderOf(bucket, kind))) {
      for (const stored of page) {
        const leftover = leftoverOf(bucket, kind, stored);
        if (leftover) found.push(leftover);
      }
    }
  }
  for (const leftover of found.sort((a, b) => a.since - b.since || (a.handle < b.handle ? -1 : 1))) {
    const long = leftover.kind === "trash" && leftover.handle.endsWith(LONG.bytes) && leftover.key === "";
    yield long ? { ...leftover, key: await keyBeside(bucket, leftover.handle) } : leftover;
  }
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
export async function tidyRun(bucket: Bucket, run: string): Promise<void> {
  try {
    const left = await collect(bucket.store.list(temporaryName(bucket, run)));
    for (const stored of left.flat()) {
      const leftover = leftoverOf(bucket, "temporary", stored);
      if (leftover) await purgeLeftover(bucket, leftover);
    }
  } catch {
    // See above.
  }
}
