import type { ContainerListBlobFlatSegmentResponse } from "@azure/storage-blob";
import { StowageError } from "../../lib/error.js";
import { unavailable } from "../requests.js";
import type { Stored } from "../store.js";
import { type Azure, send } from "./context.js";
import { storedOf } from "./stored.js";

/** See `ObjectStore.list`. Pages come with metadata; versions, snapshots, deleted blobs and blocks without a blob are no part of them. */
export async function* list(azure: Azure, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<Stored[]> {
  let previous = new Set<string>();
  for (let marker: string | undefined; ; ) {
    const { page, next } = await onePage(azure, prefix, marker, signal);
    // Trusting a page that came before would hide that another one is missing.
    if (page.some(({ name }) => previous.has(name)) || (next !== undefined && next === marker)) {
      throw unavailable(`${azure.address}: a page of the listing came twice`);
    }
    if (page.length > 0) yield page;
    if (next === undefined) return;
    if (signal?.aborted) throw new StowageError("ABORTED", "stopped on request");
    marker = next;
    previous = new Set(page.map(({ name }) => name));
  }
}

async function onePage(azure: Azure, prefix: string, marker: string | undefined, signal: AbortSignal | undefined) {
  const answer: ContainerListBlobFlatSegmentResponse = await send(
    azure,
    azure.address,
    async (attempt) => {
      const pages = azure.container
        .listBlobsFlat({ prefix, includeMetadata: true, abortSignal: attempt.signal })
        .byPage({ maxPageSize: azure.limits.page, ...(marker !== undefined && { continuationToken: marker }) });
      const { value } = await pages.next();
      return value;
    },
    { signal },
  );
  const page = answer.segment.blobItems
    .filter((item) => !isDirectory(item))
    .map((item) => {
      if (item.versionId) azure.versions = true;
      return storedOf(azure, item.name, { ...item.properties, metadata: item.metadata });
    });
  return { page, next: answer.continuationToken || undefined };
}

/** Accounts with a hierarchical namespace show their directories as empty blobs. */
const isDirectory = (item: { metadata?: Record<string, string>; properties: { contentLength?: number } }): boolean =>
  item.metadata?.["hdi_isfolder"] === "true" && item.properties.contentLength === 0;
