import { randomBytes } from "node:crypto";
import { codeOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import type { Stored } from "../store.js";
import { at, type Bucket, trashName } from "./bucket.js";
import { copyInside } from "./copy.js";
import { entryOf, isOwnMetadata } from "./entry.js";
import { provenSource } from "./prove.js";
import { publish } from "./publish.js";
import { hashOf, readObject } from "./read.js";
import { type Sendable, send } from "./send.js";
import { small, uploadOf } from "./upload.js";

/** A key that has no room behind the trash's own folders lies beside its bytes. */
export const LONG = { bytes: ".long", key: ".key" } as const;

/** Copies the object into the trash and proves the copy. @returns the names it has there */
export async function copyToTrash(bucket: Bucket, key: string, found: Stored, run: string): Promise<string[]> {
  const unique = randomBytes(6).toString("hex");
  const name = trashName(bucket, run, `${unique}/${key}`);
  if (Buffer.byteLength(name) <= bucket.store.maxNameBytes) {
    await copyProven(bucket, key, found, name, run);
    return [name];
  }
  const names = [trashName(bucket, run, unique + LONG.key), trashName(bucket, run, unique + LONG.bytes)] as const;
  const bytes = Buffer.from(key);
  if (!(await publish(bucket, names[0], small(bucket, bytes, sha256Hex(bytes)), { absent: true }))) {
    throw new StowageError("INVARIANT", `${at(bucket, key)}: its name in the trash is taken`);
  }
  try {
    await copyProven(bucket, key, found, names[1], run);
  } catch (error) {
    await dropTrash(bucket, [names[0]]);
    throw error;
  }
  return [...names];
}

/** Takes a copy out of the trash again that is not needed. Never fails: what stays is listed by `leftovers`. */
export async function dropTrash({ store }: Bucket, names: readonly string[]): Promise<void> {
  for (const name of names) {
    // The bytes themselves are where they were.
    await store.discard(name).catch(() => undefined);
  }
}

async function copyProven(bucket: Bucket, key: string, found: Stored, name: string, run: string): Promise<void> {
  let hashed: Promise<string> | undefined;
  // Whoever wrote the object may have noted a wrong hash: where that does not fit, the object itself is read for it.
  const sure = (): Promise<string> => {
    hashed ??= found.sha256 === undefined ? hashOf(bucket, key, found) : Promise.resolve(found.sha256);
    return hashed;
  };
  const noted = found.sha256 ?? entryOf(key, found).claim;
  const trash: Trash = { bucket, key, found, name, run };
  const copy =
    (await copyByStore(trash, noted ?? (await sure()))) ??
    (noted === undefined ? undefined : await copyBySending(trash, noted)) ??
    (await copyBySending(trash, await sure()));
  if (copy?.size === found.size && (copy.sha256 === noted || copy.sha256 === (await sure()))) return;
  await dropTrash(bucket, [name]);
  throw new StowageError("READ_BACK", `${at(bucket, key)}: its copy in the trash does not hold the same bytes`, {
    hint: "Nothing was removed. The store is failing: check it before anything is removed there.",
  });
}

interface Trash {
  bucket: Bucket;
  key: string;
  found: Stored;
  name: string;
  run: string;
}

interface Copy {
  size: number;
  sha256: string;
}

async function copyByStore({ bucket, key, found, name, run }: Trash, sha256: string): Promise<Copy | undefined> {
  const object = { name: found.name, bucket: bucket.store.address, token: found.token };
  const { size } = found;
  const upload = uploadOf(bucket, { sha256, size, mtime: entryOf(key, found).mtime, metadata: plain(found) });
  const copy = await copyInside(bucket, key, { object, name, upload, run });
  return copy && { size: copy.stored.size, sha256: copy.sha256 };
}

/** Undefined when the object does not have that hash. */
async function copyBySending({ bucket, key, found, name, run }: Trash, sha256: string): Promise<Copy | undefined> {
  const source: Sendable = {
    sha256,
    size: found.size,
    mtime: entryOf(key, found).mtime,
    metadata: plain(found),
    bytes: () => readObject(bucket, key, found.name, { version: found.token }),
    run,
  };
  try {
    const stored = await send(bucket, key, name, source, provenSource(bucket, key, source));
    return { size: stored.size, sha256: stored.sha256 ?? (await hashOf(bucket, key, stored)) };
  } catch (error) {
    if (codeOf(error) === "CORRUPT") return undefined;
    throw error;
  }
}

/** What the owner noted on the object, as far as every store takes it. */
const plain = ({ metadata = {} }: Stored): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata).filter(([name, value]) => !isOwnMetadata(name) && /^[\x20-\x7e]*$/.test(name + value)),
  );
