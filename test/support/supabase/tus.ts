import { randomUUID } from "node:crypto";
import { bodyOf, bucketOf, type Call, type FakeUpload, refusal, requireFree, requireValid, store } from "./objects.js";

/** Uploads in pieces: tus 1.0.0, as far as the service has it. */
export async function tus(call: Call, path: string): Promise<void> {
  const { fake, request } = call;
  if (request.headers["tus-resumable"] !== "1.0.0") throw refusal(412, "TusError", "Tus-Resumable is missing");
  if (request.method === "POST") return begin(call);
  const id = path.slice("/upload/resumable/".length);
  const upload = fake.uploads.get(id);
  if (!upload) throw refusal(404, "NoSuchUpload", "Upload not found");
  if (request.method === "PATCH") return await append(call, upload);
  if (request.method === "DELETE") fake.uploads.delete(id);
  offset(call, upload.bytes.length);
}

function begin(call: Call): void {
  const { fake, request, response } = call;
  const noted = String(request.headers["upload-metadata"] ?? "")
    .split(",")
    .map((pair) => pair.split(" "))
    .map(([key = "", value = ""]) => [key, Buffer.from(value, "base64").toString()]);
  const { bucketName = "", objectName = "", metadata = "{}" }: Record<string, string> = Object.fromEntries(noted);
  requireValid(objectName);
  const upsert = request.headers["x-upsert"] === "true";
  requireFree(bucketOf(call, bucketName), objectName, upsert);
  const id = randomUUID();
  const length = Number(request.headers["upload-length"]);
  const upload = { bucket: bucketName, name: objectName, length, upsert, metadata: JSON.parse(metadata) };
  fake.uploads.set(id, { ...upload, bytes: Buffer.alloc(0) });
  response.writeHead(201, { location: `${fake.url}/storage/v1/upload/resumable/${id}` });
  response.end();
}

async function append(call: Call, upload: FakeUpload): Promise<void> {
  const { fake, request } = call;
  if (Number(request.headers["upload-offset"]) !== upload.bytes.length)
    throw refusal(409, "TusError", "Upload-Offset conflict");
  upload.bytes = Buffer.concat([upload.bytes, await bodyOf(request)]);
  if (upload.bytes.length === upload.length) {
    const objects = bucketOf(call, upload.bucket);
    requireFree(objects, upload.name, upload.upsert || fake.defects.has("looks before it writes"));
    store(objects, upload.name, upload.bytes, upload.metadata);
  }
  if (fake.defects.delete("loses an answer")) request.socket.destroy();
  else offset(call, upload.bytes.length);
}

function offset({ response }: Call, length: number): void {
  response.writeHead(204, { "upload-offset": String(length), "tus-resumable": "1.0.0" });
  response.end();
}
