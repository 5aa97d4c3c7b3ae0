import { codeOf, StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

/** What was asked for, in messages: `s3://bucket/name`, and the host that was asked. */
export interface About {
  what: string;
  host: string;
}

/** Codes that stay inside this backend. */
export const INTERNAL = {
  /** An `UNAVAILABLE` that is not gone in a moment: it is not tried again. */
  down: "S3_DOWN",
  noUpload: "S3_NO_UPLOAD",
  /** The bucket lives in another region, see `regionIn`. */
  region: "S3_REGION",
} as const;

type Kind = keyof typeof SENTENCES;

const KINDS: Record<string, Kind> = {
  NoSuchBucket: "noBucket",
  NoSuchKey: "absent",
  NoSuchVersion: "absent",
  NotFound: "absent",
  NoSuchUpload: "noUpload",
  PreconditionFailed: "changed",
  ConditionalRequestConflict: "changed",
  InvalidObjectState: "archived",
  InvalidAccessKeyId: "unknownKey",
  UnrecognizedClientException: "unknownKey",
  SignatureDoesNotMatch: "wrongSecret",
  ExpiredToken: "expired",
  ExpiredTokenException: "expired",
  TokenRefreshRequired: "expired",
  InvalidToken: "expired",
  CredentialsProviderError: "noCredentials",
  RequestTimeTooSkewed: "skewed",
  QuotaExceeded: "full",
  XMinioStorageFull: "full",
  InsufficientStorage: "full",
  KeyTooLongError: "name",
  KeyTooLong: "name",
  InvalidObjectName: "name",
  InvalidURI: "name",
  XMinioInvalidObjectName: "name",
  BadDigest: "corrupt",
  InvalidDigest: "corrupt",
  XAmzContentSHA256Mismatch: "corrupt",
  XAmzContentChecksumMismatch: "corrupt",
  SlowDown: "throttled",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  RequestLimitExceeded: "throttled",
  TooManyRequests: "throttled",
  NotImplemented: "notOffered",
  InvalidRange: "range",
  OperationAborted: "trouble",
  RequestTimeout: "trouble",
  InternalError: "trouble",
  PermanentRedirect: "region",
  TemporaryRedirect: "trouble",
  AuthorizationHeaderMalformed: "region",
  IllegalLocationConstraintException: "region",
};

const BY_STATUS: Record<number, Kind> = {
  ...{ 301: "region", 307: "trouble", 401: "denied", 403: "denied", 404: "absent", 408: "trouble" },
  ...{ 412: "changed", 416: "range", 429: "throttled", 501: "notOffered", 503: "throttled", 507: "full" },
};

/** Kind → code, what is said after the name of what was asked for, and the next step. */
const SENTENCES = {
  noBucket: [INTERNAL.down, "the bucket does not exist", "Check bucket, region and endpoint of the location."],
  absent: ["NOT_FOUND", "does not exist"],
  noUpload: [INTERNAL.noUpload, "the upload in parts is not known any more"],
  changed: ["PRECONDITION", "is not as expected any more: it exists already, was changed or is being written"],
  archived: ["ARCHIVED", "lies in an archived class and can not be read before it is restored"],
  unknownKey: ["ACCESS_DENIED", "the access key is not known there", "Check the access key and the endpoint."],
  wrongSecret: ["ACCESS_DENIED", "the secret key does not fit the access key", "Check the secret access key."],
  expired: ["ACCESS_DENIED", "the session's credentials have expired", "Sign in again, then run the command again."],
  noCredentials: [
    "ACCESS_DENIED",
    "no credentials were found",
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write profile: or credentials: under the location.",
  ],
  denied: ["ACCESS_DENIED", "access is denied", "docs/backends/s3.md lists the permissions that are needed."],
  skewed: ["UNAVAILABLE", "this machine's clock differs too much from the store's", "Set the clock."],
  full: ["OUT_OF_SPACE", "the quota is used up or the store is full"],
  name: ["UNSUPPORTED_NAME", "the store does not take this name"],
  corrupt: ["CORRUPT", "the bytes that arrived are not those that were sent; nothing was stored"],
  throttled: ["UNAVAILABLE", "the store asks for fewer requests"],
  trouble: ["UNAVAILABLE", "the store has a problem"],
  notOffered: ["UNSUPPORTED", "the store does not offer this"],
  range: ["PRECONDITION", "is shorter than expected"],
  region: [INTERNAL.region, "the bucket is in another region", "Write its region: under the location."],
  refused: ["STORE_REFUSED", "the store refused", "Check storage_class and encryption of the location."],
} as const satisfies Record<string, readonly [code: string, says: string, hint?: string]>;

/** Certificates and names: nothing that a moment changes. */
const HOPELESS = /^(CERT_|ERR_TLS|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|ERR_INVALID_URL|ENOTFOUND)/;
const NO_REGION = /region is missing/i;

/**
 * An error of the SDK in the codes of the backend contract. The SDK's own error is not kept as the cause: it carries signed
 * requests. `INTERNAL` codes are turned into contract codes by who asked.
 */
export function s3Error(error: unknown, about: About): StowageError {
  if (error instanceof StowageError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (NO_REGION.test(message)) {
    return new StowageError(INTERNAL.down, `${about.what}: no region is known`, {
      hint: "Write region: under the location, or set AWS_REGION.",
    });
  }
  const status = statusOf(error);
  if (status !== undefined || KINDS[name]) return answered(about, name, message, status ?? 0, headersOf(error));
  const code = codeOf(error) ?? name;
  const says = `${about.what}: ${about.host} does not answer (${code})`;
  if (HOPELESS.test(code)) return new StowageError(INTERNAL.down, says, { hint: "Check the endpoint." });
  return unavailable(says);
}

function answered(about: About, name: string, message: string, status: number, headers: Headers): StowageError {
  // Under 2xx something came that is no answer: cut off, or garbled on its way.
  const isTrouble = status >= 500 || (status >= 200 && status < 300);
  const kind = KINDS[name] ?? BY_STATUS[status] ?? (isTrouble ? "trouble" : "refused");
  const [code, says, hint]: readonly [string, string, string?] = SENTENCES[kind];
  const own = message === "" || /^unknown/i.test(message) ? undefined : message;
  const detail = [SPEAKING.has(kind) ? own : undefined, name === "" ? undefined : name, status].filter(Boolean);
  const text = `${about.what}: ${says} (${detail.join(", ")})`;
  if (code === "UNAVAILABLE") {
    const wait = retryAfter(headers["retry-after"]);
    return unavailable(text, {
      ...(kind === "throttled" && { throttled: true }),
      ...(wait !== undefined && { retryAfter: wait }),
      ...(hint !== undefined && { hint }),
    });
  }
  return new StowageError(code, text, hint === undefined ? {} : { hint });
}

/** Kinds for which the store's own words help, and hold no secret. */
const SPEAKING = new Set<Kind>(["denied", "refused", "trouble", "notOffered", "full", "name"]);

type Headers = Record<string, string | undefined>;

interface Answer {
  $metadata?: { httpStatusCode?: number };
  $response?: { headers?: Headers; statusCode?: number };
  Region?: string;
}

const answerOf = (error: unknown): Answer => (typeof error === "object" && error !== null ? error : {});

const statusOf = (error: unknown): number | undefined => {
  const { $metadata, $response } = answerOf(error);
  return $metadata?.httpStatusCode ?? $response?.statusCode;
};

const headersOf = (error: unknown): Headers => answerOf(error).$response?.headers ?? {};

/** The region that the store named in its answer. */
export const regionIn = (error: unknown): string | undefined =>
  headersOf(error)["x-amz-bucket-region"] ?? answerOf(error).Region;

/** `Retry-After`, in seconds or as a date; milliseconds. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return wait >= 0 ? wait : undefined;
}

export const noBucket = ({ store }: { store: { bucket: string } }): StowageError => {
  const [, says, hint] = SENTENCES.noBucket;
  return new StowageError("UNAVAILABLE", `s3://${store.bucket}: ${says}`, { hint });
};

/** The same error in the codes of the contract, for those outside. */
export function published(error: unknown): unknown {
  if (!(error instanceof StowageError)) return error;
  const { message, hint } = error;
  const details = hint === undefined ? {} : { hint };
  if (error.code === INTERNAL.down || error.code === INTERNAL.region) {
    return new StowageError("UNAVAILABLE", message, details);
  }
  return error;
}
