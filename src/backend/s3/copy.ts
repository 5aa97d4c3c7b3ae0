import { codeOf, StowageError } from "../../lib/error.js";
import type { StoreObject } from "../backend.js";
import type { Stored, Upload } from "../store.js";
import { ownWork } from "./look.js";
import { fullSha256, shelfOf, tokenOf, tokenParts, written } from "./object.js";
import { complete, inParts } from "./parts.js";
import { removeObject } from "./remove.js";
import type { Begun } from "./send-parts.js";
import type { Session } from "./session.js";
import { heldBelow } from "./versions.js";

type Copied = Omit<Upload, "bytes" | "whole">;

/**
 * Lets the store copy: the very version of the source, to a name that is free. In a versioned bucket an older version could be copied too:
 * afterwards it is looked whether it is the current one.
 */
export async function copy(session: Session, from: StoreObject, name: string, upload: Copied): Promise<Stored> {
  const large = upload.size > session.limits.copy;
  // It ends as an upload in parts does: nothing else would keep it from replacing another object.
  if (large && !upload.safeParts) throw new StowageError("UNSUPPORTED", `${name} is too large to be copied safely`);
  const stored = large ? await copyParts(session, from, name, upload) : await copyWhole(session, from, name, upload);
  if (await isCurrent(session, from)) return stored;
  await removeObject(session, name, stored.token);
  throw new StowageError("PRECONDITION", `${from.name} is another version by now`);
}

async function isCurrent(session: Session, from: StoreObject): Promise<boolean> {
  const { sdk, client } = session;
  const { versionId } = tokenParts(from.token);
  if (versionId === undefined) return true;
  const input = { Bucket: bucketOf(from), Key: from.name };
  try {
    const now = await session.ask(from.name, ({ signal }) =>
      client.send(new sdk.HeadObjectCommand(input), { abortSignal: signal }),
    );
    return (now.VersionId ?? "null") === versionId;
  } catch (error) {
    if (codeOf(error) === "NOT_FOUND") return false;
    throw error;
  }
}

async function copyWhole(session: Session, from: StoreObject, name: string, upload: Copied): Promise<Stored> {
  const { sdk, client, store } = session;
  const versioned = await session.versioned();
  const input = {
    ...{ Bucket: store.bucket, Key: name, Metadata: upload.metadata, MetadataDirective: "REPLACE" as const },
    ...{ ChecksumAlgorithm: "SHA256" as const, IfNoneMatch: "*", ...sourceOf(from), ...shelfOf(session) },
  };
  const { CopyObjectResult: result, VersionId } = await session.ask(
    name,
    ({ signal }) => client.send(new sdk.CopyObjectCommand(input), { abortSignal: signal }),
    { signal: upload.signal, timeout: COPYING },
  );
  const at = result?.LastModified?.getTime() ?? Date.now();
  // It is not compared here: a hash that is not the expected one is the answer to what the copy holds.
  const told = { name, at, sha256: fullSha256(result ?? {}) };
  const known = result?.ETag && (!versioned || VersionId !== undefined);
  const stored = known
    ? written(session, { ...told, token: tokenOf(versioned, name, result.ETag, VersionId) }, upload)
    : await ownWork(session, name, upload);
  return await heldBelow(session, stored, { absent: true });
}

async function copyParts(session: Session, from: StoreObject, name: string, upload: Copied): Promise<Stored> {
  return await inParts(session, name, upload, session.limits.copyPart, async (begun) => {
    const numbers = Array.from({ length: Math.ceil(upload.size / begun.partSize) }, (_, index) => index + 1).values();
    let failure: { error: unknown } | undefined;
    const work = async () => {
      for (const number of numbers) {
        if (failure) return;
        await copyPart(session, begun, from, number, upload).catch((error: unknown) => {
          failure ??= { error };
        });
      }
    };
    // None is on its way when the upload is ended: the store would keep what comes after that, and nobody would find it.
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (failure) throw (failure as { error: unknown }).error;
    return await complete(session, begun, upload, { absent: true });
  });
}

async function copyPart(session: Session, begun: Begun, from: StoreObject, number: number, upload: Copied) {
  const { sdk, client, store } = session;
  const start = (number - 1) * begun.partSize;
  const end = Math.min(upload.size, start + begun.partSize) - 1;
  const input = {
    ...{ Bucket: store.bucket, Key: begun.name, UploadId: begun.id, PartNumber: number },
    ...{ CopySourceRange: `bytes=${start}-${end}`, ...sourceOf(from) },
  };
  const { CopyPartResult } = await session.ask(
    begun.name,
    ({ signal }) => client.send(new sdk.UploadPartCopyCommand(input), { abortSignal: signal }),
    { signal: upload.signal, timeout: COPYING },
  );
  begun.sent.set(number, { etag: CopyPartResult?.ETag ?? "", sha256: CopyPartResult?.ChecksumSHA256 });
}

/** The version where there is one, and the condition all the same. */
function sourceOf(from: StoreObject): { CopySource: string; CopySourceIfMatch: string } {
  const { etag, versionId } = tokenParts(from.token);
  const path = from.name.split("/").map(encodeURIComponent).join("/");
  const version = versionId === undefined ? "" : `?versionId=${encodeURIComponent(versionId)}`;
  return { CopySource: `${bucketOf(from)}/${path}${version}`, CopySourceIfMatch: etag };
}

const AT_ONCE = 4;
/** The store copies up to 5 GiB for one request. */
const COPYING = 15 * 60_000;

const bucketOf = ({ bucket }: StoreObject): string => bucket.slice(bucket.lastIndexOf("/") + 1);
