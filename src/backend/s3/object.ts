import type * as Sdk from "@aws-sdk/client-s3";
import { StowageError } from "../../lib/error.js";
import type { Stored, Upload } from "../store.js";
import type { Session } from "./session.js";

/** Some stores quote ETags in one answer and not in the next. */
export const bare = (etag: string): string =>
  PLAIN.test(etag) ? etag.slice(1, -1) : etag.replace(/^W\//, "").replaceAll('"', "");
const PLAIN = /^"[0-9a-f-]+"$/;
export const quoted = (etag: string): string => `"${etag}"`;

/** In a versioned bucket a version has its own id; objects from before have the id `null`. */
export function tokenOf(versioned: boolean, name: string, etag: string | undefined, id: string | undefined): string {
  if (etag === undefined) throw new StowageError("UNAVAILABLE", `s3: the store gave no ETag for ${name}`);
  return versioned ? `${bare(etag)}@${id ?? "null"}` : bare(etag);
}

/** ETags are hex and at most a dash; ids of versions can hold anything. */
export function tokenParts(token: string): { etag: string; versionId?: string } {
  const at = token.indexOf("@");
  return at < 0 ? { etag: token } : { etag: token.slice(0, at), versionId: token.slice(at + 1) };
}

/** A listing may know milliseconds where HEAD knows seconds; both must say the same. */
export const seconds = (date: Date | undefined): number => Math.floor((date?.getTime() ?? 0) / 1000) * 1000;

/** HEAD leaves the standard class out. */
export const classOf = (name: string | undefined): string => name ?? "STANDARD";

/** The SHA-256 of all bytes as the store computed it, never one of parts. */
export function fullSha256(answer: {
  ChecksumSHA256?: string | undefined;
  ChecksumType?: string | undefined;
}): string | undefined {
  const { ChecksumSHA256: text, ChecksumType: type } = answer;
  if (text === undefined || type !== "FULL_OBJECT") return undefined;
  const hex = Buffer.from(text, "base64").toString("hex");
  return hex.length === 64 ? hex : undefined;
}

/** What HEAD tells. */
export function describe(session: Session, versioned: boolean, name: string, head: Sdk.HeadObjectOutput): Stored {
  const sha256 = fullSha256(head);
  const archived = archivedAs(session.store.bucket, name, head);
  return {
    name,
    size: head.ContentLength ?? 0,
    token: tokenOf(versioned, name, head.ETag, head.VersionId),
    modified: seconds(head.LastModified),
    metadata: head.Metadata ?? {},
    storageClass: classOf(head.StorageClass),
    ...(sha256 !== undefined && { sha256 }),
    ...(archived !== undefined && { archived }),
  };
}

/** What was just written, as HEAD will describe it. */
export function written(
  session: Session,
  told: { name: string; token: string; at: number; sha256?: string | undefined },
  upload: Omit<Upload, "bytes" | "whole">,
): Stored {
  const { name, token, at, sha256 } = told;
  const storageClass = classOf(session.store.storageClass);
  const archived = archivedAs(session.store.bucket, name, { StorageClass: storageClass });
  return {
    ...{ name, token, size: upload.size, metadata: { ...upload.metadata }, storageClass },
    modified: seconds(new Date(at)),
    ...(sha256 !== undefined && { sha256 }),
    ...(archived !== undefined && { archived }),
  };
}

interface Shelf {
  StorageClass?: string | undefined;
  ArchiveStatus?: string | undefined;
  /** Of HEAD: `ongoing-request="false", expiry-date="…"`. */
  Restore?: string | undefined;
  /** Of a listing. */
  RestoreStatus?: { IsRestoreInProgress?: boolean | undefined; RestoreExpiryDate?: Date | undefined } | undefined;
}

const DAYS = '{"Days":7,"GlacierJobParameters":{"Tier":"Standard"}}';
const TIER = '{"GlacierJobParameters":{"Tier":"Standard"}}';

const HOW: Record<string, readonly [request: string, takes: string]> = {
  GLACIER: [DAYS, "3 to 5 hours"],
  DEEP_ARCHIVE: [DAYS, "up to 12 hours"],
  ARCHIVE_ACCESS: [TIER, "3 to 5 hours"],
  DEEP_ARCHIVE_ACCESS: [TIER, "up to 12 hours"],
};

/** Why the object can not be read now, and what would bring it back; undefined when it can be read. */
export function archivedAs(bucket: string, name: string, shelf: Shelf): string | undefined {
  const where = shelf.ArchiveStatus ?? shelf.StorageClass ?? "";
  const how = HOW[where];
  if (!how) return undefined;
  const { IsRestoreInProgress: busy, RestoreExpiryDate: until } = shelf.RestoreStatus ?? {};
  if (busy || shelf.Restore?.includes('ongoing-request="true"')) return `It is being restored from ${where}.`;
  if (until !== undefined || shelf.Restore?.includes('ongoing-request="false"')) return undefined;
  const [request, takes] = how;
  return `It lies in ${where}. Restore it with: aws s3api restore-object --bucket ${bucket} --key ${shell(name)} --restore-request '${request}' (takes ${takes}).`;
}

const shell = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Class and encryption, on everything that is stored. */
export function shelfOf({ store }: Session): {
  StorageClass?: Sdk.StorageClass;
  ServerSideEncryption?: Sdk.ServerSideEncryption;
  SSEKMSKeyId?: string;
} {
  const { encryption } = store;
  return {
    // Names that this SDK does not know yet are the store's business.
    ...(store.storageClass !== undefined && { StorageClass: store.storageClass as Sdk.StorageClass }),
    ...(encryption?.kind === "sse-s3" && { ServerSideEncryption: "AES256" as const }),
    ...(encryption?.kind === "sse-kms" && { ServerSideEncryption: "aws:kms" as const }),
    ...(encryption?.kind === "sse-kms" && encryption.kmsKey !== undefined && { SSEKMSKeyId: encryption.kmsKey }),
  };
}
