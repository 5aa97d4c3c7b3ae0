import type { StorageClient } from "@supabase/storage-js";
import type { SupabaseStore } from "../../config/config.js";
import { StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { Attempt, RequestOptions, Requests } from "../requests.js";
import { broken, refused } from "./error.js";

/** A bucket, opened: what the parts of the adapter share. */
export interface Supabase {
  bucket: string;
  /** `supabase://host/bucket` */
  address: string;
  /** Without a slash at its end. */
  url: string;
  requests: Requests;
  limits: SupabaseLimits;
  /** One request of our own. @returns a success */
  fetch(what: string, path: string, init: RequestInit): Promise<Response>;
  /** The SDK with headers of this one request. */
  sdk(what: string, signal: AbortSignal, headers?: Record<string, string>): StorageClient;
}

/** Sizes in bytes. */
export interface SupabaseLimits {
  /** What is sent in one request; larger objects go in pieces of this size. The service takes pieces of 6 MiB only. */
  piece: number;
  /** Names in one page of a listing; the service gives 1,000 at most. */
  page: number;
}

export const LIMITS: SupabaseLimits = { piece: 6 << 20, page: 1000 };

/** Loads the SDK. Sends nothing. */
export async function openClient(
  store: SupabaseStore,
  requests: Requests,
  limits: Partial<SupabaseLimits>,
): Promise<Supabase> {
  const sdk = await import("@supabase/storage-js");
  const base = store.url.replace(/\/+$/, "");
  const url = base.endsWith("/storage/v1") ? base : `${base}/storage/v1`;
  const keys = { authorization: `Bearer ${store.key}`, apikey: store.key };
  return {
    bucket: store.bucket,
    address: `supabase://${new URL(url).host}/${store.bucket}`,
    url,
    requests,
    limits: { ...LIMITS, ...limits },
    fetch: (what, path, init) => answered(what, new URL(`${url}${path}`), withHeaders(init, keys)),
    sdk: (what, signal, headers = {}) =>
      new sdk.StorageClient(url, { ...keys, ...headers }, (to, init) => answered(what, to, { ...init, signal })),
  };
}

const withHeaders = (init: RequestInit, keys: Record<string, string>): RequestInit => ({
  ...init,
  headers: { ...Object.fromEntries(new Headers(init.headers)), ...keys },
});

/** Redirects are not followed: they would take the key elsewhere. */
async function answered(what: string, to: Parameters<typeof fetch>[0], init: RequestInit): Promise<Response> {
  const response = await fetch(to, { ...init, redirect: "error" });
  if (!response.ok) throw await refused(what, response);
  return response;
}

/** Sends one request about an object, and puts what goes wrong in the terms of the backend contract. */
export async function send<T>(
  { requests }: Supabase,
  name: string,
  body: (attempt: Attempt, what: string) => Promise<T>,
  options: RequestOptions = {},
): Promise<T> {
  const what = printable(name);
  return await requests.send(async (attempt) => {
    try {
      return await body(attempt, what);
    } catch (error) {
      throw broken(what, error, options.signal);
    }
  }, options);
}

/** The SDK hands errors back, and wraps those that it does not know. */
export function dataOf<R extends { data: unknown; error: Error | null }>({ data, error }: R): NonNullable<R["data"]> {
  if (error) throw "originalError" in error ? error.originalError : error;
  return data as NonNullable<R["data"]>;
}

/** What the service takes: letters, digits and some signs of ASCII. */
const TAKEN = /^[\w/!\-.*'() &$@=;:+,?]+$/;

/** The name in a path. @throws `UNSUPPORTED_NAME` for what the service does not take */
export function pathOf(name: string): string {
  if (!TAKEN.test(name)) {
    throw new StowageError("UNSUPPORTED_NAME", `${printable(name)} has characters that Supabase does not take`, {
      hint: "Supabase takes the letters a-z and A-Z, digits, space and _/!-.*'()&$@=;:+,? in names; its S3 endpoint is not freer.",
    });
  }
  return encodeURI(name).replaceAll("?", "%3F");
}
