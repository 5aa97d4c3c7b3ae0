import { compareKeys } from "../../lib/key.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import { bucketPath, type Client } from "./client.js";
import { FIELDS, resourceOf, storedOf } from "./object.js";

/** Requests on their way at once, of one listing. */
const PARALLEL = 8;
/** A folder with more folders than this is listed in one row: each of them would cost a request. */
const MOST_FOLDERS = 32;
const DEEPEST = 3;

/** A part of the listing that is still to be asked for. */
interface Part {
  prefix: string;
  depth: number;
  /** Where the last page ended. */
  after?: { token: string; name: string };
}

interface Page {
  objects: Stored[];
  folders: string[];
  next?: string;
}

/**
 * Everything below a prefix. What does not fit into a page is looked at by folders: where these are few, they are listed at the same time. Pages
 * come in the order of names; one that does not is a listing gone wrong and throws.
 */
export async function* list(client: Client, prefix: string, signal?: AbortSignal): AsyncIterable<Stored[]> {
  const parts: Part[] = [{ prefix, depth: 0 }];
  const running = new Set<Promise<Done>>();
  try {
    while (parts.length > 0 || running.size > 0) {
      for (let part = parts.shift(); part; part = running.size < PARALLEL ? parts.shift() : undefined) {
        const promise: Promise<Done> = listPart(client, part, signal).then((found) => ({ ...found, promise }));
        running.add(promise);
      }
      const done = await Promise.race(running);
      running.delete(done.promise);
      parts.push(...done.rest);
      if (done.objects.length > 0) yield done.objects;
    }
  } finally {
    // Who stops reading, or was told of one error, does not want the others.
    for (const promise of running) promise.catch(() => undefined);
  }
}

interface Found {
  objects: Stored[];
  rest: Part[];
}
type Done = Found & { promise: Promise<Done> };

async function listPart(client: Client, part: Part, signal: AbortSignal | undefined): Promise<Found> {
  const page = await pageOf(client, part, {}, signal);
  inOrder(client, part, page);
  if (page.next === undefined) return { objects: page.objects, rest: [] };
  if (!part.after && part.depth < DEEPEST) {
    const level = await pageOf(client, part, { delimiter: "/" }, signal);
    if (level.next === undefined && level.folders.length <= MOST_FOLDERS) {
      const depth = part.depth + 1;
      return { objects: level.objects, rest: level.folders.map((prefix) => ({ prefix, depth })) };
    }
  }
  const name = page.objects.at(-1)?.name ?? part.after?.name ?? "";
  return { objects: page.objects, rest: [{ ...part, after: { token: page.next, name } }] };
}

async function pageOf(
  client: Client,
  { prefix, after }: Part,
  query: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const { json } = await client.ask(
    {
      method: "GET",
      to: `${bucketPath(client.bucket)}/o`,
      query: {
        ...query,
        prefix,
        pageToken: after?.token,
        maxResults: "1000",
        fields: `nextPageToken,prefixes,items(${FIELDS})`,
      },
    },
    { signal },
  );
  const about = `gs://${client.bucket}`;
  if (typeof json !== "object" || json === null) throw unavailable(`${about}: the answer is no listing`);
  const { items = [], prefixes = [], nextPageToken: next } = json as ListAnswer;
  const objects = items.map((item) => storedOf(resourceOf(about, item)));
  return { objects, folders: prefixes, ...(next ? { next } : {}) };
}

interface ListAnswer {
  items?: unknown[];
  prefixes?: string[];
  nextPageToken?: string;
}

function inOrder(client: Client, { after }: Part, { objects, next }: Page): void {
  const first = objects[0]?.name;
  const repeated = after !== undefined && first !== undefined && compareKeys(first, after.name) <= 0;
  if (repeated || (next !== undefined && next === after?.token)) {
    throw unavailable(`gs://${client.bucket}: a page of the listing came twice`);
  }
}
