import type { SupabaseStore } from "../config/config.js";
import { codeOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import type { Requests } from "./requests.js";
import type { ObjectStore, ReadRequest } from "./store.js";
import { dataOf, openClient, pathOf, type Supabase, type SupabaseLimits, send } from "./supabase/client.js";
import { broken } from "./supabase/error.js";
import { list } from "./supabase/list.js";
import { etagOf, head } from "./supabase/stored.js";
import { upload } from "./supabase/upload.js";

export type { SupabaseLimits } from "./supabase/client.js";

/** S3 itself takes 1,024 bytes, of which the service puts the project, the bucket and the version into each name. */
const MAX_NAME = 900;
const TWO_HOURS = 2 * 3_600_000;

/**
 * A bucket of Supabase Storage. Its API can not remove or replace under a condition: `remove` does not pretend to, so such a location is
 * append-only unless the owner allows it. It does not copy either: the service's copy knows no condition on its source.
 */
export async function supabaseStore(
  store: SupabaseStore,
  requests: Requests,
  limits: Partial<SupabaseLimits> = {},
): Promise<ObjectStore> {
  const supabase = await openClient(store, requests, limits);
  return {
    address: supabase.address,
    maxNameBytes: MAX_NAME,
    listsMetadata: false,
    versioned: async () => false,
    head: (name, signal) => head(supabase, name, signal),
    list: (prefix, signal) => list(supabase, prefix, signal),
    read: (name, request) => read(supabase, name, request),
    put: (name, what, condition) => upload(supabase, name, what, condition),
    remove: async (name) => {
      throw new StowageError("APPEND_ONLY", `${printable(name)}: Supabase can not remove an object under a condition`);
    },
    discard: (name) => discard(supabase, name),
    presign: (name, options) => presign(supabase, name, options),
    close: async () => undefined,
  };
}

async function* read(supabase: Supabase, name: string, request: ReadRequest): AsyncGenerator<Uint8Array> {
  const body = await opened(supabase, name, request);
  if (body) yield* supabase.requests.watched(piecesOf(body, name, request.signal), request.signal);
}

/** Newer versions of the service heed If-Match, older ones do not; probing tells. */
async function opened(supabase: Supabase, name: string, { token, start = 0, signal }: ReadRequest) {
  const path = pathOf(name);
  const headers = {
    "accept-encoding": "identity",
    "cache-control": "no-cache",
    ...(start > 0 && { range: `bytes=${start}-` }),
    ...(token !== undefined && { "if-match": `"${etagOf(name, token)}"` }),
  };
  return await send(
    supabase,
    name,
    async (attempt, what) => {
      const to = `/object/authenticated/${supabase.bucket}/${path}`;
      const response = await supabase.fetch(what, to, { headers, signal: attempt.signal });
      if (start === 0 || response.status === 206) return response.body;
      await response.body?.cancel();
      throw new StowageError("STORE_REFUSED", `${what}: the store does not read from the middle of an object`);
    },
    { signal, urgent: true },
  );
}

type Body = NonNullable<Response["body"]>;

/** What breaks on the way in the terms of the contract. Giving up ends the connection, also while a piece is awaited. */
function piecesOf(body: Body, name: string, signal: AbortSignal | undefined) {
  const reader = body.getReader();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    } catch (error) {
      throw broken(printable(name), error, signal);
    } finally {
      stop();
    }
  }
  // Why it could not be ended does not matter any more.
  const stop = () => void reader.cancel().catch(() => undefined);
  return Object.assign(pieces(), { destroy: stop });
}

/** The service answers with what it removed; nothing at all where a policy forbids it. */
async function discard(supabase: Supabase, name: string): Promise<void> {
  pathOf(name);
  const removed = await send(supabase, name, async ({ signal }, what) =>
    dataOf(await supabase.sdk(what, signal).from(supabase.bucket).remove([name])),
  );
  if (removed.length > 0 || !(await head(supabase, name))) return;
  throw new StowageError("ACCESS_DENIED", `${printable(name)} was not removed`, {
    hint: "A policy on storage.objects has to allow `delete` and `select`: docs/backends/supabase.md shows it.",
  });
}

async function presign(
  supabase: Supabase,
  name: string,
  { method, expires }: { method: "GET" | "PUT"; expires: number },
): Promise<string> {
  const path = pathOf(name);
  if (method === "PUT" && expires !== TWO_HOURS) {
    throw new StowageError(
      "UNSUPPORTED",
      "links to write with live for two hours in Supabase, no longer and no shorter",
      {
        hint: "Ask for one with `--expires 2h`.",
      },
    );
  }
  if (name.includes("?"))
    throw new StowageError("UNSUPPORTED", "Supabase makes no links to names with a question mark");
  return await send(supabase, name, async ({ signal }, what) => {
    const files = supabase.sdk(what, signal).from(supabase.bucket);
    if (method === "PUT") return dataOf(await files.createSignedUploadUrl(path)).signedUrl;
    return dataOf(await files.createSignedUrl(path, Math.ceil(expires / 1000))).signedUrl;
  }).catch((error: unknown) => {
    throw codeOf(error) === "NOT_FOUND" ? new StowageError("NOT_FOUND", `${printable(name)} does not exist`) : error;
  });
}
