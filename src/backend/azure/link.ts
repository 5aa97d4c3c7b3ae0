import type { BlobClient, BlobSASPermissions } from "@azure/storage-blob";
import { StowageError } from "../../lib/error.js";
import type { Opened } from "./client.js";
import type { Pointing } from "./copy.js";

const HOUR = 3_600_000;

/** See `ObjectStore.presign`. A link to write with creates and never overwrites; who uses it sends `x-ms-blob-type: BlockBlob`. */
export async function link(
  { sdk, signing }: Opened,
  blob: BlobClient,
  { method, expires }: { method: "GET" | "PUT"; expires: number },
): Promise<string> {
  if (signing !== "key") {
    throw new StowageError("UNSUPPORTED", "links are signed with an account key, and there is none", {
      hint: "Give this location an account key or a connection string with one: a SAS would give away all that it allows.",
    });
  }
  return await signed(blob, sdk.BlobSASPermissions.parse(method === "GET" ? "r" : "c"), expires);
}

const signed = (blob: BlobClient, permissions: BlobSASPermissions, milliseconds: number): Promise<string> =>
  blob.generateSasUrl({ permissions, expiresOn: new Date(Date.now() + milliseconds) });

/** How the service reads its own blobs for a copy; undefined where no address can be made that lets it. */
export function pointing({ sdk, service, signing }: Opened): Pointing | undefined {
  if (signing === "identity") return undefined;
  return {
    blobOf: (bucket, name) => service.getContainerClient(bucket.slice(bucket.lastIndexOf("/") + 1)).getBlobClient(name),
    urlOf: async (blob) => (signing === "key" ? await signed(blob, sdk.BlobSASPermissions.parse("r"), HOUR) : blob.url),
  };
}
