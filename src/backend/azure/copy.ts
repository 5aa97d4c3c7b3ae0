import { randomUUID } from "node:crypto";
import type { BlobClient } from "@azure/storage-blob";
import type { StoreObject } from "../backend.js";
import type { Stored, Upload } from "../store.js";
import { type Azure, blobOf, conditionsOf, send } from "./context.js";
import { toAzure } from "./metadata.js";
import { CHECKED_MD5, storedOf } from "./stored.js";
import { blockId, written } from "./upload.js";

type Copying = Omit<Upload, "bytes" | "whole">;

/** What is copied: its address for the service, and the condition on its token. */
interface Source {
  url: string;
  conditions: { ifMatch: string };
  /** Of the very bytes that should be copied, where the service has checked them. */
  md5?: Uint8Array;
}

/** A copy tells nothing before it is done. */
const TIMEOUT = 10 * 60_000;

/** How the service can be pointed at a blob of its own, by an address that holds for an hour. */
export interface Pointing {
  blobOf(bucket: string, name: string): BlobClient;
  urlOf(blob: BlobClient): Promise<string>;
}

/** See `ObjectStore.copy`. The service reads the source itself. */
export async function copy(
  azure: Azure,
  pointing: Pointing,
  from: StoreObject,
  name: string,
  what: Copying,
): Promise<Stored> {
  const blob = pointing.blobOf(from.bucket, from.name);
  const conditions = { ifMatch: `"${from.token}"` };
  const source: Source = { url: await pointing.urlOf(blob), conditions };
  const look = () =>
    send(azure, from.name, ({ signal }) => blob.getProperties({ conditions, abortSignal: signal }), {
      signal: what.signal,
    });
  if (what.size > azure.limits.copy) return await inBlocks(azure, source.url, look, name, what);
  const found = await look();
  const proven = storedOf(azure, from.name, found).sha256 === what.sha256;
  return await atOnce(azure, proven && found.contentMD5 ? { ...source, md5: found.contentMD5 } : source, name, what);
}

/** Where the source's hash is proven, its MD5 is checked again on what is copied, so the copy's hash is as well. */
async function atOnce(azure: Azure, { url, conditions, md5 }: Source, name: string, what: Copying): Promise<Stored> {
  const metadata = toAzure({
    ...what.metadata,
    ...(md5 && { [CHECKED_MD5]: Buffer.from(md5).toString("hex") }),
  });
  const options = {
    metadata,
    conditions: conditionsOf({ absent: true }),
    sourceConditions: conditions,
    ...(md5 && { sourceContentMD5: md5 }),
    ...(azure.tier !== undefined && { tier: azure.tier }),
  };
  const blob = blobOf(azure, name);
  const sent = await send(azure, name, ({ signal }) => blob.syncCopyFromURL(url, { ...options, abortSignal: signal }), {
    signal: what.signal,
    timeout: TIMEOUT,
  });
  what.onBytes?.(what.size);
  return written(azure, name, { ...sent, contentLength: what.size, contentMD5: md5 }, metadata);
}

/**
 * Larger than the service copies in one request. The SDK can not bind the single blocks to the source's token; a source that still has it
 * after the last block had it all the time (`look`). Nobody has checked the whole, so the hash is not proven.
 */
async function inBlocks(
  azure: Azure,
  url: string,
  look: () => Promise<unknown>,
  name: string,
  what: Copying,
): Promise<Stored> {
  const blob = blobOf(azure, name);
  const upload = randomUUID();
  const size = Math.max(azure.limits.copy, Math.ceil(what.size / azure.limits.blocks));
  const ids: string[] = [];
  for (let start = 0; start < what.size; start += size) {
    const id = blockId(upload, ids.length);
    const count = Math.min(size, what.size - start);
    ids.push(id);
    await send(azure, name, ({ signal }) => blob.stageBlockFromURL(id, url, start, count, { abortSignal: signal }), {
      signal: what.signal,
      timeout: TIMEOUT,
    });
    what.onBytes?.(count);
  }
  await look();
  const metadata = toAzure(what.metadata);
  const options = {
    metadata,
    conditions: conditionsOf({ absent: true }),
    blobHTTPHeaders: { blobContentType: "application/octet-stream" },
    ...(azure.tier !== undefined && { tier: azure.tier }),
  };
  const sent = await send(azure, name, ({ signal }) => blob.commitBlockList(ids, { ...options, abortSignal: signal }), {
    signal: what.signal,
  });
  return written(azure, name, { ...sent, contentLength: what.size }, metadata);
}
