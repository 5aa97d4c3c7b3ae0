import { randomBytes } from "node:crypto";
import { StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { printable } from "../../lib/key.js";
import type { Condition, Stored, Upload } from "../store.js";
import { type Checksums, sumsOf } from "./checksums.js";
import { bucketPath, type Client, objectPath } from "./client.js";
import { expected } from "./generation.js";
import { confirms, differs, FIELDS, noted, type Resource, resourceOf, storedOf } from "./object.js";

/** How objects of this location are made. */
export interface Making {
  storageClass?: string;
  kmsKey?: string;
}

/** What is said of a new object beside its bytes. @throws `UNSUPPORTED_NAME` */
export function describing(client: Client, name: string, metadata: Record<string, string>, { storageClass }: Making) {
  objectPath(client.bucket, name);
  return {
    name,
    contentType: "application/octet-stream",
    metadata,
    ...(storageClass !== undefined && { storageClass }),
  };
}

/** One request with all bytes, whose checksums the store compares before they become visible. */
export async function putWhole(
  client: Client,
  making: Making,
  name: string,
  upload: Upload,
  condition: Condition,
): Promise<Stored> {
  const about = `gs://${client.bucket}/${name}`;
  const match = expected(about, condition);
  const bytes = upload.whole ?? (await gathered(about, upload));
  const sums = sumsOf(bytes);
  // Bytes that are not what they should be are declared to be others: whether the store notices is what probing wants to know.
  const declared = sha256Hex(bytes) === upload.sha256 ? sums : sumsOf(Buffer.concat([bytes, Buffer.of(0)]));
  const described = {
    ...describing(client, name, { ...upload.metadata, ...noted(declared) }, making),
    md5Hash: declared.md5,
    crc32c: declared.crc32c,
  };
  const boundary = randomBytes(16).toString("hex");
  const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(described)}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
  const { json } = await client.ask(
    {
      method: "POST",
      to: `/upload${bucketPath(client.bucket)}/o`,
      query: { uploadType: "multipart", ifGenerationMatch: match, kmsKeyName: making.kmsKey, fields: FIELDS },
      headers: { "content-type": `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
      name,
    },
    { signal: upload.signal },
  );
  return accepted(client, resourceOf(about, json), { ...sums, size: bytes.length });
}

/**
 * Takes an object of ours for stored when the store computes the checksums of what was sent. Otherwise this very generation goes again, whatever
 * lies under the name by then, and `CORRUPT` is thrown (I4).
 */
export async function accepted(
  client: Client,
  resource: Resource,
  sent: Checksums & { size: number },
): Promise<Stored> {
  if (differs(resource, sent)) {
    await removeGeneration(client, resource);
    throw new StowageError(
      "CORRUPT",
      `gs://${client.bucket}/${printable(resource.name)}: the store holds other bytes than were sent`,
    );
  }
  const stored = storedOf(resource);
  if (!confirms(resource, sent)) delete stored.sha256;
  return stored;
}

async function removeGeneration(client: Client, { name, generation }: Resource): Promise<void> {
  await client.ask({
    method: "DELETE",
    to: objectPath(client.bucket, name),
    query: { generation, ifGenerationMatch: generation },
    accept: [404, 412],
    name,
  });
}

async function gathered(about: string, upload: Upload): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(upload.size);
  let at = 0;
  for await (const piece of upload.bytes()) {
    if (at + piece.length > bytes.length) throw miscounted(about, upload.size);
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes.length) throw miscounted(about, upload.size);
  return bytes;
}

export const miscounted = (about: string, size: number) =>
  new StowageError("CORRUPT", `${printable(about)}: there are not the ${size} bytes that should be stored`);
