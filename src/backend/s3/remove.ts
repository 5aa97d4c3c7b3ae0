import { codeOf, StowageError } from "../../lib/error.js";
import { headObject } from "./look.js";
import { tokenParts } from "./object.js";
import type { Session } from "./session.js";
import { absent, deletion, replaced, takeBack, versionsOf } from "./versions.js";

/**
 * Removes the object while it has the token. In a versioned bucket it becomes an older version below a delete marker, and it is looked at what
 * lies below: where the store did not mind the condition and hid another version, the marker is taken back.
 */
export async function removeObject(session: Session, name: string, token: string): Promise<void> {
  return (await session.versioned()) ? hide(session, name, token) : erase(session, name, token);
}

async function erase(session: Session, name: string, token: string): Promise<void> {
  let attempts = 0;
  try {
    await session.ask(name, ({ signal, number }) => {
      attempts = number;
      return deletion(session, name, signal, { IfMatch: tokenParts(token).etag });
    });
  } catch (error) {
    if (codeOf(error) !== "PRECONDITION" && codeOf(error) !== "NOT_FOUND") throw error;
    if (await headObject(session, name)) throw error;
    // An earlier attempt removed it, and its answer was lost.
    if (attempts < 2) throw new StowageError("NOT_FOUND", `${name} does not exist`);
  }
}

async function hide(session: Session, name: string, token: string): Promise<void> {
  const { etag, versionId } = tokenParts(token);
  const marker = await session.ask(name, async ({ signal, number }) => {
    if (number > 1 && (await isHidden(session, name, versionId, signal))) return undefined;
    try {
      const { VersionId, DeleteMarker } = await deletion(session, name, signal, { IfMatch: etag });
      // Some stores add no marker where nothing can be seen.
      if (!DeleteMarker) throw absent(name);
      return VersionId ?? "null";
    } catch (error) {
      // Refused for want of an object, or for want of this one: the versions tell.
      if (!["PreconditionFailed", "NoSuchKey", "NotFound"].includes(error instanceof Error ? error.name : ""))
        throw error;
      const [latest] = await versionsOf(session, name, signal);
      throw latest && !latest.marker ? replaced(name) : absent(name);
    }
  });
  if (marker === undefined) return;
  const [below] = await session.ask(name, ({ signal }) => versionsOf(session, name, signal, marker));
  if (below && !below.marker && below.id === versionId) return;
  await takeBack(session, name, marker);
  throw below && !below.marker ? replaced(name) : absent(name);
}

/** An earlier attempt has hidden the version, and its answer was lost. Throws when it is another that can be seen, or was hidden. */
async function isHidden(session: Session, name: string, versionId: string | undefined, signal: AbortSignal) {
  const versions = await versionsOf(session, name, signal);
  const top = versions.find(({ marker }) => !marker);
  if (top?.id !== versionId) throw replaced(name);
  return versions[0]?.marker === true;
}

/** Removes whatever is there; in a versioned bucket it stays below a delete marker. */
export async function discard(session: Session, name: string): Promise<void> {
  await session.ask(name, ({ signal }) => deletion(session, name, signal, {}));
}
