import type { Stored } from "../store.js";
import { OWN_METADATA } from "../store.js";
import { type Azure, tokenOf } from "./context.js";
import { fromAzure } from "./metadata.js";

/** The MD5 that belongs to `stowage-sha256`, hex: written only where the service has checked all bytes against it. */
export const CHECKED_MD5 = "stowage-md5";

/** What `head`, a listing and an upload know alike. */
export interface Properties {
  etag?: string | undefined;
  contentLength?: number | undefined;
  lastModified?: Date | undefined;
  contentMD5?: Uint8Array | undefined;
  accessTier?: string | undefined;
  /** The account's standard, not the blob's own. */
  accessTierInferred?: boolean | undefined;
  archiveStatus?: string | undefined;
  metadata?: Record<string, string> | undefined;
  versionId?: string | undefined;
}

export function storedOf(azure: Azure, name: string, properties: Properties): Stored {
  if (properties.versionId) azure.versions = true;
  const metadata = fromAzure(properties.metadata);
  const sha256 = provenSha256(metadata, properties.contentMD5);
  const { accessTier, accessTierInferred, archiveStatus } = properties;
  const archived = accessTier === "Archive" ? restoring(azure, name, archiveStatus) : undefined;
  return {
    name,
    size: properties.contentLength ?? 0,
    token: tokenOf(properties.etag),
    modified: properties.lastModified?.getTime() ?? 0,
    metadata: withoutChecksum(metadata),
    ...(sha256 !== undefined && { sha256 }),
    ...(accessTier !== undefined && !accessTierInferred && { storageClass: accessTier }),
    ...(archived !== undefined && { archived }),
  };
}

/**
 * The SHA-256 in the metadata belongs to the blob's bytes when the MD5 beside it, of the same bytes, is the blob's own: the service has
 * checked it on the way in (the MD5 of the whole, or of every block of it), and it is lost or another one as soon as somebody writes other bytes.
 */
function provenSha256(metadata: Record<string, string>, contentMD5: Uint8Array | undefined): string | undefined {
  const [md5, sha256] = [metadata[CHECKED_MD5], metadata[OWN_METADATA.sha256]];
  if (!contentMD5 || md5 === undefined || sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return Buffer.from(contentMD5).toString("hex") === md5 ? sha256 : undefined;
}

function withoutChecksum({ [CHECKED_MD5]: _, ...metadata }: Record<string, string>): Record<string, string> {
  return metadata;
}

function restoring({ container }: Azure, name: string, status: string | undefined): string {
  if (status) return `It lies in the Archive tier and is on its way back (${status}).`;
  const quoted = `'${name.replaceAll("'", "'\\''")}'`;
  return `It lies in the Archive tier. \`az storage blob set-tier --account-name ${container.accountName} --container-name ${container.containerName} --name ${quoted} --tier Hot\` brings it back, in up to 15 hours.`;
}
