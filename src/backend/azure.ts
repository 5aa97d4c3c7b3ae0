import type { AzureStore } from "../config/config.js";
import { codeOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import { type Opened, openContainer } from "./azure/client.js";
import { type Azure, type AzureLimits, blobOf, conditionsOf, LIMITS, send } from "./azure/context.js";
import { copy } from "./azure/copy.js";
import { find } from "./azure/head.js";
import { link, pointing } from "./azure/link.js";
import { list } from "./azure/list.js";
import { MAX_NAME } from "./azure/name.js";
import { read } from "./azure/read.js";
import { upload } from "./azure/upload.js";
import type { Requests } from "./requests.js";
import type { ObjectStore } from "./store.js";

export type { AzureLimits } from "./azure/context.js";

/** A container of Azure Blob Storage. Sends nothing before it is asked something. */
export async function azureStore(
  store: AzureStore,
  requests: Requests,
  limits: Partial<AzureLimits> = {},
): Promise<ObjectStore> {
  const opened = await openContainer(store);
  const azure: Azure = {
    container: opened.container,
    requests,
    tier: store.storageClass,
    limits: { ...LIMITS, ...limits },
    versions: false,
    address: addressOf(opened.container.url),
  };
  return {
    address: azure.address,
    maxNameBytes: MAX_NAME,
    listsMetadata: true,
    mtimeFormat: "rfc3339",
    versioned: () => versioned(azure),
    head: (name, signal) => find(azure, name, signal),
    list: (prefix, signal) => list(azure, prefix, signal),
    read: (name, request) => read(azure, name, request),
    put: (name, what, condition) => upload(azure, name, what, condition),
    remove: (name, token) => remove(azure, name, token),
    discard: (name) => discard(azure, name),
    tags: (name) => tags(azure, name),
    linkHeaders: { "x-ms-blob-type": "BlockBlob" },
    presign: async (name, options) => await link(opened, blobOf(azure, name), options),
    close: async () => undefined,
    ...copying(azure, opened),
  };
}

/** Without the scheme's port or the query, which may be a SAS. */
function addressOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `azure://${host}${pathname}`;
}

/** An account key reaches every container of the account; a SAS surely only this one. */
function copying(azure: Azure, opened: Opened): Pick<ObjectStore, "copy" | "provider"> {
  const to = pointing(opened);
  if (!to) return {};
  const reach = opened.signing === "key" ? azure.address.slice(0, azure.address.lastIndexOf("/")) : azure.address;
  return {
    provider: `${reach}#${opened.signing}`,
    copy: async (from, name, what) => await copy(azure, to, from, name, what),
  };
}

async function remove(azure: Azure, name: string, token: string): Promise<void> {
  const blob = blobOf(azure, name);
  let attempts = 0;
  try {
    await send(azure, name, async ({ signal, number }) => {
      attempts = number;
      await blob.delete({ conditions: conditionsOf({ token }), abortSignal: signal });
    });
  } catch (error) {
    const code = codeOf(error);
    // Some servers call the token of what is not there a wrong one.
    const gone = code === "NOT_FOUND" || (code === "PRECONDITION" && !(await find(azure, name)));
    if (!gone) throw error;
    // After an attempt whose answer was lost: that one had done it.
    if (attempts === 1) throw new StowageError("NOT_FOUND", `${printable(name)} does not exist`, { cause: error });
  }
}

async function discard(azure: Azure, name: string): Promise<void> {
  const blob = blobOf(azure, name);
  await send(azure, name, ({ signal }) => blob.deleteIfExists({ abortSignal: signal }));
}

async function tags(azure: Azure, name: string): Promise<string[]> {
  const blob = blobOf(azure, name);
  const found = await send(azure, name, ({ signal }) => blob.getTags({ abortSignal: signal }));
  return Object.entries(found.tags).map(([key, value]) => (value === "" ? key : `${key}=${value}`));
}

/** Blobs of an account with versioning tell their version; where none does, one page of the listing is asked. */
async function versioned(azure: Azure): Promise<boolean> {
  if (azure.versions) return true;
  await send(azure, azure.address, async ({ signal }) => {
    const pages = azure.container
      .listBlobsFlat({ abortSignal: signal, includeVersions: true })
      .byPage({ maxPageSize: 1 });
    const { value } = await pages.next();
    if (value?.segment.blobItems.some(({ versionId }: { versionId?: string }) => versionId)) azure.versions = true;
  });
  return azure.versions;
}
