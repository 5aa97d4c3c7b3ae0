import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";

/** As much of the SDK's `RestError` as is looked at. */
interface ServiceError {
  name?: string;
  message?: string;
  code?: string;
  statusCode?: number;
  response?: { headers: { get(name: string): string | undefined } };
}

const BY_CODE: Record<string, { code: string; hint?: string }> = {
  BlobNotFound: { code: "NOT_FOUND" },
  ConditionNotMet: { code: "PRECONDITION" },
  TargetConditionNotMet: { code: "PRECONDITION" },
  SourceConditionNotMet: { code: "PRECONDITION" },
  CannotVerifyCopySource: { code: "PRECONDITION" },
  BlobAlreadyExists: { code: "PRECONDITION" },
  // What a link that may only create answers where a blob is.
  UnauthorizedBlobOverwrite: { code: "PRECONDITION" },
  // Another upload to the same name was committed in between, and that dropped our blocks.
  InvalidBlockList: { code: "PRECONDITION" },
  // Another program has blocks with ids of another length under this name.
  InvalidBlobOrBlock: {
    code: "PRECONDITION",
    hint: "Another program is uploading this blob, or did not finish: try again, or in a week.",
  },
  InvalidRange: { code: "PRECONDITION" },
  BlobArchived: { code: "ARCHIVED" },
  BlobBeingRehydrated: { code: "ARCHIVED", hint: "It is on its way back: try again in some hours." },
  InvalidResourceName: { code: "UNSUPPORTED_NAME" },
  InvalidUri: { code: "UNSUPPORTED_NAME" },
  OutOfRangeInput: { code: "UNSUPPORTED_NAME" },
  ContainerNotFound: {
    code: "UNAVAILABLE",
    hint: "Check `container` and the account; stowage never creates a container.",
  },
  ContainerBeingDeleted: { code: "UNAVAILABLE" },
  ContainerDisabled: { code: "UNAVAILABLE" },
  Md5Mismatch: { code: "UNAVAILABLE" },
  Crc64Mismatch: { code: "UNAVAILABLE" },
  AuthenticationFailed: {
    code: "ACCESS_DENIED",
    hint: "Check the account, its key or the SAS (is it expired?), and the clock of this machine.",
  },
  AuthorizationPermissionMismatch: {
    code: "ACCESS_DENIED",
    hint: "The credentials lack a permission: docs/backends/azure.md lists those that plan and apply need.",
  },
  AuthorizationFailure: {
    code: "ACCESS_DENIED",
    hint: "The account's firewall or shared-key setting refuses this caller.",
  },
  AuthorizationSourceIPMismatch: { code: "ACCESS_DENIED", hint: "The SAS is for another IP address." },
  AccountIsDisabled: { code: "ACCESS_DENIED" },
  LeaseIdMissing: { code: "ACCESS_DENIED", hint: "Another program holds a lease on the blob." },
  BlobImmutableDueToPolicy: {
    code: "ACCESS_DENIED",
    hint: "An immutability policy or a legal hold protects the blob.",
  },
  SnapshotsPresent: {
    code: "ACCESS_DENIED",
    hint: "The blob has snapshots, which would go with it: stowage never deletes those.",
  },
};

/** The error in the terms of the backend contract. Carries neither the request nor its address, which may hold a SAS. */
export function azureError(error: unknown, what: string, stopped?: AbortSignal): StowageError {
  if (error instanceof StowageError) return error;
  if (stopped?.aborted) return new StowageError("ABORTED", "stopped on request");
  const failed: ServiceError = typeof error === "object" && error !== null ? error : { message: String(error) };
  const said = failed.response?.headers.get("x-ms-error-code") ?? failed.code ?? "";
  const message = `${what}: ${sentenceOf(failed, said)}`;
  const known = BY_CODE[said];
  if (known && known.code !== "UNAVAILABLE") return new StowageError(known.code, message, hintOf(known.hint));
  if (known || failed.statusCode === undefined) return unavailable(message, hintOf(known?.hint));
  return byStatus(failed, failed.statusCode, message);
}

function byStatus(failed: ServiceError, status: number, message: string): StowageError {
  // 501: what a server that imitates the service has left out.
  if (status === 408 || status === 429 || (status >= 500 && status !== 501)) {
    const retryAfter = Number(failed.response?.headers.get("retry-after")) * 1000;
    const throttled = status === 429 || status === 503;
    return unavailable(message, { throttled, ...(retryAfter > 0 && { retryAfter }) });
  }
  switch (status) {
    case 401:
    case 403:
      return new StowageError("ACCESS_DENIED", message, {
        hint: "docs/backends/azure.md lists the permissions that plan and apply need.",
      });
    // Only BlobNotFound says that the blob is what is missing.
    case 404:
      return unavailable(message);
    case 409:
    case 412:
      return new StowageError("PRECONDITION", message);
    default:
      return new StowageError("STORE_REFUSED", message);
  }
}

const hintOf = (hint: string | undefined): { hint?: string } => (hint === undefined ? {} : { hint });

/** The first line that the service said, without anything that signs. */
function sentenceOf({ message = "", statusCode, name }: ServiceError, said: string): string {
  const line = redacted(message.split("\n", 1)[0]?.trim() ?? "");
  const label = said || (statusCode === undefined ? "" : `status ${statusCode}`);
  if (name === "AbortError") return "no answer in time";
  if (!line || line.startsWith("{")) return label || "failed";
  return label ? `${line} (${label})` : line;
}

/** Takes the values out that could be used to sign or that are a signature. */
export const redacted = (text: string): string =>
  text.replace(/\b(sig|AccountKey|SharedAccessSignature|se|skoid)=[^&;\s"']+/gi, "$1=…");
