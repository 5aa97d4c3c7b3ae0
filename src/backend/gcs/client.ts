import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { GcsStore } from "../../config/config.js";
import { codeOf, StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import { type Attempt, type RequestOptions, type Requests, unavailable } from "../requests.js";
import type { Credentials } from "./credentials.js";
import { refused, saidIn } from "./errors.js";
import { type Http, textOf } from "./http.js";

export interface Ask {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the endpoint, or a whole address that the store gave us. */
  to: string | URL;
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  /** Sent as JSON; or `body` as it is. */
  json?: unknown;
  body?: readonly Uint8Array[];
  /** The object, for messages; the bucket where there is none. */
  name?: string;
  /** Statuses that are answers too, beside 2xx. */
  accept?: readonly number[];
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  /** Undefined when the body is empty. */
  json: unknown;
}

/** The JSON API of one bucket: authorized requests and their errors in the codes of the contract. */
export interface Client {
  readonly bucket: string;
  readonly requests: Requests;
  /** Calls `body` in the ways of `Requests`. Every request is made in here. */
  send<T>(body: (attempt: Attempt) => Promise<T>, options?: RequestOptions): Promise<T>;
  /** One request within an attempt. */
  once(attempt: Attempt, ask: Ask): Promise<Answer>;
  /** The same, with a body that is still to be read. */
  open(attempt: Attempt, ask: Ask): Promise<IncomingMessage>;
  ask(ask: Ask, options?: RequestOptions): Promise<Answer>;
}

/** Thrown within an attempt only: it is `UNAVAILABLE` to the caller, but asking again at once does not make a bucket. */
const NO_BUCKET = "NO_BUCKET";

export const bucketPath = (bucket: string): string => `/storage/v1/b/${encodeURIComponent(bucket)}`;
/** @throws `UNSUPPORTED_NAME` for what the store does not take, and for what would make it the path of something else */
export function objectPath(bucket: string, name: string): string {
  if (name === "" || name === "." || name === ".." || /[\r\n]/.test(name) || name.startsWith(RESERVED)) {
    throw new StowageError("UNSUPPORTED_NAME", `Cloud Storage has no objects named "${printable(name)}"`);
  }
  return `${bucketPath(bucket)}/o/${encodeURIComponent(name)}`;
}
const RESERVED = ".well-known/acme-challenge/";

export function openClient(
  store: GcsStore,
  base: URL,
  http: Http,
  credentials: Credentials,
  requests: Requests,
): Client {
  const { bucket } = store;
  /** A bucket whose readers pay: then every request names the project that pays. */
  let payer: string | undefined;

  async function request(attempt: Attempt, ask: Ask): Promise<{ url: URL; response: IncomingMessage }> {
    const url = typeof ask.to === "string" ? new URL(ask.to, base) : ask.to;
    if (typeof ask.to === "string") addQuery(url, { ...ask.query, userProject: payer });
    const json = ask.json === undefined ? undefined : Buffer.from(JSON.stringify(ask.json));
    const headers = {
      ...(json && { "content-type": "application/json" }),
      ...ask.headers,
      // The address of an upload is enough to write to it, and may be at another host.
      ...(url.origin === base.origin && (await credentials.headers(url))),
    };
    const body = json ? [json] : ask.body;
    const { signal, alive: onSent } = attempt;
    const response = await http.send({ method: ask.method, url, headers, signal, onSent, ...(body && { body }) });
    return { url, response };
  }

  async function open(attempt: Attempt, ask: Ask, first = true): Promise<IncomingMessage> {
    const { url, response } = await request(attempt, ask);
    const status = response.statusCode ?? 0;
    if ((status >= 200 && status < 300) || ask.accept?.includes(status)) return response;
    const text = withheld(ask.to, await textOf(url, response, attempt.signal));
    if (first && status === 401 && credentials.renew()) return open(attempt, ask, false);
    if (first && status === 400 && store.project && payer === undefined && /requester pays/i.test(text)) {
      payer = store.project;
      return open(attempt, ask, false);
    }
    if (status === 404) throw await missing(attempt, ask, text);
    throw refused(about(ask), { status, headers: response.headers, text });
  }

  /** The object, or its bucket: a 404 is told apart by its words, and where they are unknown by looking at the bucket. */
  async function missing(attempt: Attempt, ask: Ask, text: string): Promise<StowageError> {
    const { message } = saidIn(text);
    const none = new StowageError("NOT_FOUND", `${about(ask)} does not exist`);
    if (/^no such object/i.test(message)) return none;
    if (/bucket does not exist/i.test(message) || ask.name === undefined) return noBucket(bucket);
    await once(attempt, { method: "GET", to: `${bucketPath(bucket)}/o`, query: { maxResults: "1", fields: "kind" } });
    return none;
  }

  async function once(attempt: Attempt, ask: Ask): Promise<Answer> {
    const response = await open(attempt, ask);
    const text = await textOf(base, response, attempt.signal);
    const status = response.statusCode ?? 0;
    const json = status < 300 ? parsed(about(ask), text) : undefined;
    // What says that all is well and holds an error is an error.
    if (typeof json === "object" && json !== null && "error" in json) {
      throw unavailable(`${about(ask)}: an error came as a success: ${saidIn(text).message}`);
    }
    return { status, headers: response.headers, json };
  }

  const about = ({ name }: Ask): string => printable(name === undefined ? `gs://${bucket}` : `gs://${bucket}/${name}`);
  const send: Client["send"] = async (body, options) => {
    try {
      return await requests.send(body, options);
    } catch (error) {
      if (codeOf(error) !== NO_BUCKET) throw error;
      const hint = "Create it, or correct `bucket` in storage.yaml.";
      throw unavailable(`the bucket gs://${bucket} does not exist`, { hint });
    }
  };
  const ask: Client["ask"] = (one, options) => send((attempt) => once(attempt, one), options);
  return { bucket, requests, send, once, open, ask };
}

const noBucket = (bucket: string) => new StowageError(NO_BUCKET, `the bucket gs://${bucket} does not exist`);

/** Without the address of an upload, which some errors quote: it is as good as a password for that one name. */
const withheld = (to: string | URL, text: string): string =>
  typeof to === "string"
    ? text
    : [to.href, to.pathname, ...to.searchParams.values()].reduce((left, secret) => left.replaceAll(secret, "…"), text);

function addQuery(url: URL, query: Record<string, string | undefined>): void {
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
}

function parsed(about: string, text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unavailable(`${about}: the answer is not JSON`, { cause: error });
  }
}
