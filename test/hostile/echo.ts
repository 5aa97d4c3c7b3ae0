import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Echo {
  url: string;
  seen: { method: string; url: string; headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on a loopback address that notes what it is asked. */
export async function openEcho(host: string, answer: Answer): Promise<Echo> {
  const seen: Echo["seen"] = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers });
    request.resume();
    request.on("end", () => answer(request, response));
  });
  await new Promise<void>((done, failed) => server.once("error", failed).listen(0, host, done));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Refuses everything, and quotes all that it was sent and what is `known` of that store, in the words of the store that was meant. */
export function quoting(known: (kind: "s3" | "azure" | "gcs" | "supabase") => string): Answer {
  return (request, response) => {
    const { headers, url = "" } = request;
    const sent = ["apikey", "x-amz-security-token", "cookie", "authorization"].map(
      (name) => `${name}: ${headers[name] ?? ""}`,
    );
    // The signature comes last: what hides it hides the rest of the line.
    const says = `To http://${headers.host}${url}, and I know ${known(kindOf(request))}: You sent ${sent.join("; ")}`;
    const xml = `<?xml version="1.0" encoding="utf-8"?><Error><Code>AccessDenied</Code><Message>${says.replaceAll("&", "&amp;")}</Message></Error>`;
    if (headers["apikey"] !== undefined) json(response, { statusCode: "403", error: "Unauthorized", message: says });
    else if (url.startsWith("/storage/v1/b/") || url.startsWith("/upload/"))
      json(response, { error: { code: 403, message: says } });
    else {
      const type = { "content-type": "application/xml" };
      response.writeHead(403, headers["x-ms-version"] ? { ...type, "x-ms-error-code": "AuthorizationFailure" } : type);
      response.end(request.method === "HEAD" ? undefined : xml);
    }
  };
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(403, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Sends everybody elsewhere. */
export const redirecting =
  (to: string, status: number): Answer =>
  (request, response) => {
    response.writeHead(status, { location: `${to}${request.url ?? ""}`, "content-length": "0" });
    response.end();
  };

function kindOf({ headers, url = "" }: IncomingMessage): "s3" | "azure" | "gcs" | "supabase" {
  if (headers["apikey"] !== undefined) return "supabase";
  if (url.startsWith("/storage/v1/b/") || url.startsWith("/upload/")) return "gcs";
  return headers["x-ms-version"] ? "azure" : "s3";
}
