// node discard-server.js: speaks as much S3 as stowage needs and keeps no bytes of large objects: what is read of them is zeros.
// Prints its address. For measuring memory only.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

const KEPT = 1 << 20;
const ZEROS = Buffer.alloc(1 << 20);
/** @type {Map<string, { etag: string, size: number, bytes?: Buffer, headers: Record<string, string>, modified: Date }>} */
const objects = new Map();
const uploads = new Map();

const server = createServer((request, response) => {
  serve(request, response).catch((error) => response.destroy(error));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

async function serve(request, response) {
  const url = new URL(request.url, "http://discard");
  const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  const query = url.searchParams;
  const { size, bytes } = await drain(request);
  const found = objects.get(key);
  if (key === "") return bucket(query, response);
  if (query.has("uploads")) return create(key, request, response);
  if (query.has("uploadId")) return inParts(key, query, { size, bytes }, request, response);
  const { "if-match": match, "if-none-match": noneMatch } = request.headers;
  if (match !== undefined && (!found || !match.includes(found.etag))) return refuse(response, found ? 412 : 404);
  if (noneMatch === "*" && found) return refuse(response, 412);
  switch (request.method) {
    case "PUT":
      return answer(response, 200, "", publish(key, size, bytes, metadata(request)));
    case "DELETE":
      objects.delete(key);
      return answer(response, 204);
    default:
      return found ? read(found, request, response) : refuse(response, 404);
  }
}

/** The size of the body, and its bytes where they are few. */
async function drain(request) {
  let size = 0;
  const pieces = [];
  for await (const piece of request) {
    size += piece.length;
    if (size <= KEPT) pieces.push(piece);
  }
  return { size, bytes: size <= KEPT ? Buffer.concat(pieces) : undefined };
}

const metadata = ({ headers }) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-amz-meta-")));

function publish(key, size, bytes, headers) {
  const etag = randomBytes(16).toString("hex");
  objects.set(key, { etag, size, bytes, headers, modified: new Date() });
  return { etag: `"${etag}"` };
}

function bucket(query, response) {
  if (query.has("versioning")) return answer(response, 200, "<VersioningConfiguration/>");
  if (query.has("uploads"))
    return answer(
      response,
      200,
      "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
    );
  const prefix = query.get("prefix") ?? "";
  const contents = [...objects]
    .filter(([key]) => key.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([key, { etag, size, modified }]) =>
        `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    );
  answer(
    response,
    200,
    `<ListBucketResult><Name>bucket</Name><Prefix>${prefix}</Prefix><KeyCount>${contents.length}</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`,
  );
}

function create(key, request, response) {
  const id = randomBytes(8).toString("hex");
  uploads.set(id, { size: 0, pieces: [], headers: metadata(request) });
  answer(
    response,
    200,
    `<InitiateMultipartUploadResult><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
  );
}

function inParts(key, query, { size, bytes }, request, response) {
  const id = query.get("uploadId");
  const upload = uploads.get(id);
  if (!upload) return refuse(response, 404, "NoSuchUpload");
  if (request.method === "PUT") {
    upload.size += size;
    if (bytes) upload.pieces[Number(query.get("partNumber"))] = bytes;
    return answer(response, 200, "", { etag: `"${randomBytes(16).toString("hex")}"` });
  }
  const createOnly = request.headers["if-none-match"] === "*";
  if (request.method === "POST" && createOnly && objects.has(key)) return refuse(response, 412);
  uploads.delete(id);
  if (request.method === "DELETE") return answer(response, 204);
  const whole = upload.size <= KEPT ? Buffer.concat(Object.values(upload.pieces)) : undefined;
  const { etag } = publish(key, upload.size, whole, upload.headers);
  answer(
    response,
    200,
    `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>${etag}</ETag></CompleteMultipartUploadResult>`,
  );
}

async function read({ etag, size, bytes, headers, modified }, request, response) {
  const [, from = "0", to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), to ? Math.min(Number(to) + 1, size) : size];
  const ranged = request.headers.range !== undefined;
  response.writeHead(ranged ? 206 : 200, {
    ...headers,
    etag: `"${etag}"`,
    "content-length": end - start,
    "last-modified": modified.toUTCString(),
    ...(ranged && { "content-range": `bytes ${start}-${end - 1}/${size}` }),
  });
  if (request.method === "HEAD") return response.end();
  if (bytes) return response.end(bytes.subarray(start, end));
  for (let left = end - start; left > 0 && !response.destroyed; left -= ZEROS.length) {
    const more = response.write(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
    if (!more) await room(response);
  }
  response.end();
}

const room = (response) =>
  new Promise((resolve) => {
    const go = () => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });

function answer(response, status, body = "", headers = {}) {
  const text = body && `<?xml version="1.0" encoding="UTF-8"?>${body}`;
  response
    .writeHead(status, { "content-type": "application/xml", "content-length": Buffer.byteLength(text), ...headers })
    .end(text);
}

const refuse = (response, status, code = { 404: "NoSuchKey", 412: "PreconditionFailed" }[status]) =>
  answer(
    response,
    status,
    response.req.method === "HEAD" ? "" : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  );
