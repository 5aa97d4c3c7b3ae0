import { codeOf } from "../lib/error.js";
import type { Backend } from "./backend.js";
import { MARKER, uuidOf } from "./marker.js";

/** No marker is longer. */
const LIMIT = 4096;

/**
 * Whether a location is a folder of another, both of them buckets, however each is addressed: by another host name, through another protocol.
 * Then the outer one shows the inner one's marker. False where it may not look there. @throws what `stat` and `read` of the outer one throw
 */
export async function isInside(inner: Backend, uuid: string, outer: Backend): Promise<boolean> {
  const [below, above] = [prefixOf(inner), prefixOf(outer)];
  if (below === undefined || above === undefined || below === above || !below.startsWith(above)) return false;
  return (await markerAt(outer, below.slice(above.length) + MARKER)) === uuid.toLowerCase();
}

/** The UUID in a marker below the root; undefined where none can be read. @throws what `stat` and `read` throw */
export async function markerAt(backend: Backend, key: string): Promise<string | undefined> {
  try {
    return uuidOf(await textOf(backend, key));
  } catch (error) {
    if (MISSING.has(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

const MISSING = new Set(["ACCESS_DENIED", "NOT_FOUND", "PRECONDITION", "UNSUPPORTED_NAME"]);

/** What all names of the location begin with in its bucket; undefined for what is none. */
const prefixOf = (backend: Backend): string | undefined => backend.objectOf?.("x", "").name.slice(0, -1);

async function textOf(backend: Backend, key: string): Promise<string> {
  const there = await backend.stat(key);
  if (!there || there.size > LIMIT) return "";
  const pieces: Buffer[] = [];
  for await (const piece of backend.read(key, { version: there.version })) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString("utf8");
}
