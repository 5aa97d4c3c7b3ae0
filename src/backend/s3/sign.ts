import { createHmac, hash } from "node:crypto";

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/** A request before it is signed; header names in lower case. */
export interface Signable {
  method: string;
  /** Escaped already. */
  path: string;
  query: Readonly<Record<string, string>>;
  headers: Readonly<Record<string, string>>;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** What may be added or changed on the way. */
const UNSIGNED = new Set(["authorization", "connection", "expect", "user-agent"]);

/**
 * The `authorization` header of version 4 signatures, as S3 wants it. The headers hold `host`, `x-amz-date` and `x-amz-content-sha256`; all but those
 * that change on their way are signed, or exactly those in `names`.
 */
export function signer(region: string): (request: Signable, keys: Keys, names?: readonly string[]) => string {
  let known: { day: string; secret: string; key: Buffer } | undefined;
  const keyOf = (day: string, secret: string): Buffer => {
    if (known?.day === day && known.secret === secret) return known.key;
    const key = [day, region, "s3", "aws4_request"].reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
    known = { day, secret, key };
    return key;
  };
  return ({ method, path, query, headers }, { accessKeyId, secretAccessKey }, names) => {
    const signed = (names ?? Object.keys(headers).filter((name) => !UNSIGNED.has(name))).toSorted();
    const lines = signed.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/\s+/g, " ")}\n`).join("");
    const payload = headers["x-amz-content-sha256"] ?? "";
    const canonical = `${method}\n${path}\n${queryText(query)}\n${lines}\n${signed.join(";")}\n${payload}`;
    const date = headers["x-amz-date"] ?? "";
    const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`;
    const text = `${ALGORITHM}\n${date}\n${scope}\n${hash("sha256", canonical, "hex")}`;
    const signature = hmac(keyOf(date.slice(0, 8), secretAccessKey), text).toString("hex");
    return `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signed.join(";")}, Signature=${signature}`;
  };
}

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** In the order of the names, as it is signed. */
export const queryText = (query: Signable["query"]): string =>
  Object.keys(query)
    .toSorted()
    .map((name) => `${escaped(name)}=${escaped(query[name] ?? "")}`)
    .join("&");

/** As S3 escapes: all but letters, digits and `-._~`. */
export const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** `20260131T235959Z` */
export const dateText = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace(/[-:]|\.\d+/g, "");
