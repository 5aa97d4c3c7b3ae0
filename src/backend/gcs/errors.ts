import type { IncomingHttpHeaders } from "node:http";
import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

/** An answer that is no success. */
export interface Refusal {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** What the store says in words, and its reason as one word. */
export interface Said {
  message: string;
  reason: string;
}

const THROTTLED = new Set(["rateLimitExceeded", "userRateLimitExceeded", "slowDown"]);
const FULL = new Set(["quotaExceeded", "storageQuotaExceeded", "insufficientStorage"]);
const PERMISSIONS = "Give the identity the roles of docs/backends/gcs.md.";

/** Reads JSON errors, XML errors of signed links and the plain text of downloads. */
export function saidIn(text: string): Said {
  const parsed = parsedJson(text);
  const error = isObject(parsed) && isObject(parsed["error"]) ? parsed["error"] : undefined;
  // A page of HTML explains nothing.
  if (!error) return { message: text.trimStart().startsWith("<") ? "" : text.trim().slice(0, 300), reason: "" };
  const first: unknown = Array.isArray(error["errors"]) ? error["errors"][0] : undefined;
  const reason = isObject(first) ? first["reason"] : undefined;
  return { message: String(error["message"] ?? ""), reason: typeof reason === "string" ? reason : "" };
}

/**
 * The error of a refusal in the codes of the backend contract; `about` names what was asked for. A 404 is `NOT_FOUND` here: whether
 * it is the object or the bucket is told by who can look.
 */
export function refused(about: string, refusal: Refusal): StowageError {
  const { status } = refusal;
  const { message, reason } = saidIn(refusal.text);
  const says = `${about}: ${message || "no reason given"} (${status})`;
  if (status === 404) return new StowageError("NOT_FOUND", says);
  if (status === 412 || status === 304) return new StowageError("PRECONDITION", `${about} is not as expected any more`);
  if (FULL.has(reason) || status === 507) return new StowageError("OUT_OF_SPACE", says);
  if (THROTTLED.has(reason) || status === 429)
    return unavailable(says, { throttled: true, ...waiting(refusal.headers) });
  if (status === 401) {
    return new StowageError("ACCESS_DENIED", `${about}: the credentials are not accepted (401)`, {
      hint: "Check credentials_path, or sign in again: `gcloud auth application-default login`.",
    });
  }
  if (status === 403) return new StowageError("ACCESS_DENIED", says, { hint: PERMISSIONS });
  if (status === 400 && /(md5|crc32c|checksum|hash).*(match|differ)|doesn.t match/i.test(message)) {
    return new StowageError("CORRUPT", `${about}: the bytes that arrived are not those that were sent`);
  }
  if (status === 400 && /object name|invalid name/i.test(message)) return new StowageError("UNSUPPORTED_NAME", says);
  if (status === 408 || status >= 500) {
    return unavailable(says, waiting(refusal.headers));
  }
  return new StowageError("STORE_REFUSED", says, {
    hint: "Check the location's bucket, storage_class and encryption.",
  });
}

/** `Retry-After`, in seconds or as a date. */
function waiting(headers: IncomingHttpHeaders): { retryAfter?: number } {
  const value = headers["retry-after"];
  if (value === undefined) return {};
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return wait >= 0 ? { retryAfter: wait } : {};
}

function parsedJson(text: string): unknown {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
