import { markerAt } from "../backend/inside.js";
import { MARKER } from "../backend/marker.js";
import { sql } from "../catalog/sql.js";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import type { LocationTask, Outcome } from "./record.js";
import { ANY_NAME, dirOf, excluded } from "./stage.js";

/** What the listing shows of another location: it would count one copy twice. */
export interface Nested extends Outcome {
  error?: StowageError;
}

/**
 * Looks whether another location of this configuration lies inside this one, by its marker in the listing: roots and addresses do not tell of a
 * bucket that is mounted as a directory, or of a folder of a share that is mounted on its own (S14). Folders that `exclude` takes out do not count.
 */
export async function findNested(task: LocationTask): Promise<Nested | undefined> {
  const { catalog, location, backend, uuids } = task;
  const keys = await catalog.rows(sql<{ key: string }>`
    SELECT marker AS key FROM (
      SELECT marker, ${dirOf(sql`marker`)} || '/' || ${ANY_NAME} AS key FROM (
        SELECT key AS marker FROM work.walk WHERE suffix(key, ${`/${MARKER}`})
        UNION SELECT key FROM file_locations WHERE location = ${location.name} AND state <> 'missing'
          AND suffix(key, ${`/${MARKER}`}) AND ${dirOf(sql`key`)} IN (SELECT dir FROM work.same)
      )
    ) WHERE NOT ${excluded(location.exclude)} ORDER BY marker`);
  try {
    for (const { key } of keys) {
      const other = uuids.get((await markerAt(backend, key)) ?? "");
      if (other !== undefined && other !== location.name) return sameStorage(location.name, other, key);
    }
    return undefined;
  } catch (error) {
    return { status: "suspect", suspect: messageOf(error, location.name), hint: "Scan again when it answers." };
  }
}

function sameStorage(outer: string, inner: string, key: string): Nested {
  const suspect = `${printable(key)} is the marker of "${inner}"`;
  const hint = `Two names for one storage would count one copy twice: remove one of them in storage.yaml, or \`exclude\` that folder. If it is a copy of "${inner}", delete the marker in it.`;
  const message = `the locations "${outer}" and "${inner}" are one storage: ${outer}:${suspect}`;
  return {
    status: "suspect",
    suspect,
    hint,
    error: new StowageError("SAME_STORAGE", message, { hint, exit: ExitCode.error }),
  };
}
