import { StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { StoreObject } from "../backend.js";
import { unavailable } from "../requests.js";
import type { Stored, Upload } from "../store.js";
import { type Client, objectPath } from "./client.js";
import { expected } from "./generation.js";
import { FIELDS, noted, provenSha256, type Resource, resourceOf, storedOf } from "./object.js";
import { describing, type Making } from "./put.js";

export interface MakingByCopy extends Making {
  /** Bytes that one call may copy, in whole MiB; the store decides where unset. */
  perCall?: number;
}

/**
 * The store copies, in as many calls as it wants. What was proven of the source is proven of the copy: the store compares checksums, and
 * those noted on the source go with the bytes.
 */
export async function rewrite(
  client: Client,
  making: MakingByCopy,
  from: StoreObject & { bucketName: string },
  name: string,
  upload: Omit<Upload, "bytes" | "whole">,
): Promise<Stored> {
  const about = `gs://${client.bucket}/${name}`;
  const source = await sourceOf(client, from, upload);
  const proven = provenSha256(source) === upload.sha256 && source.md5Hash && source.crc32c;
  const sums = proven ? noted({ md5: source.md5Hash ?? "", crc32c: source.crc32c ?? "" }) : {};
  const json = describing(name, { ...upload.metadata, ...sums }, making);
  let rewriteToken: string | undefined;
  for (let before = 0; ; ) {
    const answer = await client.ask(
      {
        method: "POST",
        to: `${objectPath(from.bucketName, from.name)}/rewriteTo${objectPath(client.bucket, name).slice("/storage/v1".length)}`,
        query: {
          ifSourceGenerationMatch: source.generation,
          ifGenerationMatch: "0",
          destinationKmsKeyName: making.kmsKey,
          maxBytesRewrittenPerCall: making.perCall === undefined ? undefined : String(making.perCall),
          rewriteToken,
          fields: `done,rewriteToken,totalBytesRewritten,resource(${FIELDS})`,
        },
        json,
        name,
      },
      { signal: upload.signal },
    );
    const progress = (answer.json ?? {}) as Progress;
    const copied = Number(progress.totalBytesRewritten ?? 0);
    upload.onBytes?.(Math.max(0, copied - before));
    before = copied;
    if (progress.done) return storedOf(resourceOf(about, progress.resource));
    if (!progress.rewriteToken) throw unavailable(`${printable(about)}: a copy goes on without saying where`);
    rewriteToken = progress.rewriteToken;
  }
}

interface Progress {
  done?: boolean;
  rewriteToken?: string;
  totalBytesRewritten?: string;
  resource?: unknown;
}

async function sourceOf(
  client: Client,
  from: StoreObject & { bucketName: string },
  upload: Omit<Upload, "bytes" | "whole">,
): Promise<Resource> {
  const about = `gs://${from.bucketName}/${printable(from.name)}`;
  const { json } = await client.ask(
    {
      method: "GET",
      to: objectPath(from.bucketName, from.name),
      query: { ifGenerationMatch: expected(about, from), fields: FIELDS },
      name: from.name,
    },
    { signal: upload.signal },
  );
  const source = resourceOf(about, json);
  const other = provenSha256(source);
  if (Number(source.size) === upload.size && (other === undefined || other === upload.sha256)) return source;
  throw new StowageError("CORRUPT", `${about} is not sha256:${upload.sha256}`, {
    hint: "It changed unnoticed: run `stowage verify`.",
  });
}
