import type * as Sdk from "@aws-sdk/client-s3";
import { codeOf, StowageError } from "../../lib/error.js";
import { OWN_METADATA, type Stored, type Upload } from "../store.js";
import { noBucket } from "./errors.js";
import type { Answer } from "./express.js";
import { describe } from "./object.js";
import type { Session } from "./session.js";

/** What was learned by looking; of one session. */
interface Memory {
  /** When the bucket was last seen. */
  seen: number;
  looking?: Promise<void> | undefined;
  /** The store answers when it is asked for checksums. */
  checksums: boolean;
}
const memories = new WeakMap<Session, Memory>();

function memoryOf(session: Session): Memory {
  const known = memories.get(session) ?? { seen: 0, checksums: true };
  memories.set(session, known);
  return known;
}

/** The object now; undefined when the store, whose bucket is there, says that there is none. */
export async function headObject(session: Session, name: string, signal?: AbortSignal): Promise<Stored | undefined> {
  const versioned = await session.versioned();
  try {
    return describe(session, versioned, name, await answer(session, name, signal));
  } catch (error) {
    if (codeOf(error) !== "NOT_FOUND") throw error;
    await requireBucket(session);
    return undefined;
  }
}

/** What was just written under the name, where the answer did not tell enough. @throws `PRECONDITION` when it is another's work */
export async function ownWork(
  session: Session,
  name: string,
  upload: Omit<Upload, "bytes" | "whole">,
): Promise<Stored> {
  const there = await headObject(session, name, upload.signal);
  const mark = upload.metadata[OWN_METADATA.upload];
  const same = mark !== undefined && there?.metadata?.[OWN_METADATA.upload] === mark;
  if (same && there?.size === upload.size) return there;
  throw new StowageError("PRECONDITION", `${name} was replaced right after it was written`);
}

/** A checksum may need a permission of its own (KMS), or a store that knows of them. */
async function answer(session: Session, name: string, signal: AbortSignal | undefined) {
  const memory = memoryOf(session);
  if (!memory.checksums) return await ask(session, name, {}, signal);
  try {
    return await ask(session, name, { ChecksumMode: "ENABLED" }, signal);
  } catch (error) {
    if (!["UNSUPPORTED", "STORE_REFUSED", "ACCESS_DENIED"].includes(codeOf(error) ?? "")) throw error;
    const plain = await ask(session, name, {}, signal);
    if (codeOf(error) !== "ACCESS_DENIED") memory.checksums = false;
    return plain;
  }
}

function ask(session: Session, name: string, more: { ChecksumMode?: "ENABLED" }, signal: AbortSignal | undefined) {
  const { sdk, client, store } = session;
  const input = { Bucket: store.bucket, Key: name, ...more };
  const headers: Record<string, string> = more.ChecksumMode ? { "x-amz-checksum-mode": more.ChecksumMode } : {};
  const send = (dress: (command: Sdk.HeadObjectCommand) => void, abortSignal: AbortSignal) => {
    const command = new sdk.HeadObjectCommand(input);
    dress(command);
    return client.send(command, { abortSignal });
  };
  return session.ask<Sdk.HeadObjectOutput>(
    name,
    (attempt) => {
      const bySdk = (dress: (command: Sdk.HeadObjectCommand) => void) => send(dress, attempt.signal);
      return session.express.send({ kind: "head", name, headers, bySdk, read: told, signal: attempt.signal });
    },
    { signal },
  );
}

const META = "x-amz-meta-";

/** What is looked at of an answer to HEAD. */
function told({ statusCode, headers }: Answer): Sdk.HeadObjectOutput | undefined {
  const { "last-modified": modified = "", "content-length": length = "" } = headers;
  const LastModified = new Date(modified);
  if (statusCode !== 200 || Number.isNaN(LastModified.getTime()) || !/^\d{1,15}$/.test(length)) return undefined;
  const metadata = Object.entries(headers).filter(([header]) => header.startsWith(META));
  return {
    ...{ ContentLength: Number(length), LastModified, ETag: headers["etag"], VersionId: headers["x-amz-version-id"] },
    Metadata: Object.fromEntries(metadata.map(([header, value]) => [header.slice(META.length), value])),
    StorageClass: headers["x-amz-storage-class"] as Sdk.StorageClass | undefined,
    ChecksumSHA256: headers["x-amz-checksum-sha256"],
    ChecksumType: headers["x-amz-checksum-type"] as Sdk.ChecksumType | undefined,
    ArchiveStatus: headers["x-amz-archive-status"] as Sdk.ArchiveStatus | undefined,
    Restore: headers["x-amz-restore"],
  };
}

/** An answer to HEAD has no body: a missing bucket looks like a missing object. */
async function requireBucket(session: Session): Promise<void> {
  const memory = memoryOf(session);
  if (Date.now() - memory.seen < session.limits.remembered) return;
  memory.looking ??= headBucket(session).finally(() => {
    memory.looking = undefined;
  });
  await memory.looking;
  memory.seen = Date.now();
}

async function headBucket(session: Session): Promise<void> {
  const { sdk, client, store } = session;
  try {
    await session.ask(undefined, ({ signal }) =>
      client.send(new sdk.HeadBucketCommand({ Bucket: store.bucket }), { abortSignal: signal }),
    );
  } catch (error) {
    if (codeOf(error) === "NOT_FOUND") throw noBucket(session);
    // Who may not ask for the bucket has reached it.
    if (codeOf(error) !== "ACCESS_DENIED") throw error;
  }
}

/** The object's tags, as `key=value` or `key`. */
export async function tagsOf(session: Session, name: string): Promise<string[]> {
  const { sdk, client, store } = session;
  try {
    const { TagSet = [] } = await session.ask(name, ({ signal }) =>
      client.send(new sdk.GetObjectTaggingCommand({ Bucket: store.bucket, Key: name }), { abortSignal: signal }),
    );
    return TagSet.map(({ Key, Value }) => (Value ? `${Key}=${Value}` : `${Key}`)).sort();
  } catch (error) {
    // A store without tags has none.
    if (codeOf(error) === "UNSUPPORTED") return [];
    throw error;
  }
}
