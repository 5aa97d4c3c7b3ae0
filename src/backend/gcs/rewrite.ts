import { StowageError } from "../../lib/error.js";
import { printable } from "../../lib/key.js";
import type { StoreObject } from "../backend.js";
import { unavailable } from "../requests.js";
import type { Stored, Upload } from "../store.js";
import { type Client, objectPath } from "./client.js";
import { expected } from "./generation.js";
import { FIELDS, noted, provenSha256, resourceOf, storedOf } from "./object.js";
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
  const ifSourceGenerationMatch = expected(`gs://${from.bucketName}/${from.name}`, from);
  const sums = await notedOn(client, from, upload);
  const json = describing(client, name, { ...upload.metadata, ...sums }, making);
  let rewriteToken: string | undefined;
  for (let before = 0; ; ) {
    const answer = await client.ask(
      {
        method: "POST",
        to: `${objectPath(from.bucketName, from.name)}/rewriteTo${objectPath(client.bucket, name).slice("/storage/v1".length)}`,
        query: {
          ifSourceGenerationMatch,
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

/** The proof on the source, to go with its bytes. Another generation proves nothing of this one; it is for the store to refuse it. */
async function notedOn(
  client: Client,
  from: StoreObject & { bucketName: string },
  upload: Omit<Upload, "bytes" | "whole">,
): Promise<Record<string, string>> {
  const about = `gs://${from.bucketName}/${printable(from.name)}`;
  const to = objectPath(from.bucketName, from.name);
  const ask = { method: "GET", to, query: { fields: FIELDS }, name: from.name } as const;
  const source = resourceOf(about, (await client.ask(ask, { signal: upload.signal })).json);
  const { generation, md5Hash, crc32c } = source;
  const sha256 = provenSha256(source);
  if (generation !== from.token || sha256 === undefined || !md5Hash || !crc32c) return {};
  if (sha256 === upload.sha256) return noted({ md5: md5Hash, crc32c });
  throw new StowageError("CORRUPT", `${about} is not sha256:${upload.sha256}`, {
    hint: "It changed unnoticed: run `stowage verify`.",
  });
}
