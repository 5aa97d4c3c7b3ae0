import { codeOf, StowageError } from "../../lib/error.js";
import type { RemoveOptions } from "../backend.js";
import type { Stored } from "../store.js";
import { absent, at, type Bucket, changed, nameOf } from "./bucket.js";
import { requireVersion } from "./look.js";
import { requireRemovable } from "./removable.js";
import { copyToTrash, dropTrash } from "./trash.js";

/** See `Backend.remove`. Removals of one key run one after the other. */
export async function removeObject(bucket: Bucket, key: string, options: RemoveOptions): Promise<void> {
  const name = nameOf(bucket, key);
  await exclusively(bucket, name, async () => {
    const conditional = await requireRemovable(bucket);
    const found = await requireVersion(bucket, key, name, options.version);
    const trashed = options.trash ? await copyToTrash(bucket, key, found, options.run) : [];
    try {
      await options.confirm();
    } catch (error) {
      // The object itself is where it was: what has to go is its copy.
      await dropTrash(bucket, trashed);
      throw error;
    }
    await carryOut(bucket, key, found, { trashed, conditional });
  });
}

async function exclusively(bucket: Bucket, name: string, body: () => Promise<void>): Promise<void> {
  const before = bucket.removing.get(name) ?? Promise.resolve();
  const mine = before.then(body);
  const over = mine.catch(() => undefined);
  bucket.removing.set(name, over);
  try {
    await mine;
  } finally {
    if (bucket.removing.get(name) === over) bucket.removing.delete(name);
  }
}

interface Removal {
  trashed: readonly string[];
  conditional: boolean;
}

async function carryOut(bucket: Bucket, key: string, found: Stored, removal: Removal): Promise<void> {
  const { store } = bucket;
  try {
    if (removal.conditional) return await store.remove(found.name, found.token);
    await requireVersion(bucket, key, found.name, found.token);
    await store.discard(found.name);
  } catch (error) {
    await settle(bucket, key, found, removal, error);
  }
}

/** What became of a removal that was not plainly acknowledged is for the store to say (I6). */
async function settle(bucket: Bucket, key: string, found: Stored, removal: Removal, error: unknown): Promise<void> {
  const code = codeOf(error);
  const there = await bucket.store.head(found.name);
  if (there?.token === found.token) {
    // A request without an answer may still be on its way: then the copy will be all that is left.
    if (code !== "UNAVAILABLE") await dropTrash(bucket, removal.trashed);
    throw code === "PRECONDITION" || code === "NOT_FOUND"
      ? changed(bucket, key, "while it was being removed", error)
      : error;
  }
  // The answer was lost, and the removal done.
  if (!there && code === "UNAVAILABLE") return;
  // Somebody else was at it. What this version held is not there any more, so its copy stays in the trash.
  if (!there) throw code === "PRECONDITION" || code === "NOT_FOUND" ? absent(bucket, key, error) : error;
  throw new StowageError("PRECONDITION", `${at(bucket, key)} was replaced while it was being removed`, {
    hint: "Run `stowage scan` and plan again.",
    cause: error,
  });
}
