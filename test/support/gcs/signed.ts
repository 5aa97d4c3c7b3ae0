import { createHash, createVerify, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type FakeError, failure } from "./objects.js";

/** A service account that exists on the fake only. */
export interface TestKey {
  email: string;
  publicKey: string;
  /** The text of its key file. */
  json: string;
}

export function testKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const email = "tester@fake.iam.gserviceaccount.com";
  const json = JSON.stringify({
    type: "service_account",
    project_id: "fake",
    private_key_id: "fake",
    private_key: privateKey,
    client_email: email,
    client_id: "1",
    token_uri: "http://127.0.0.1:9/token",
  });
  return { email, publicKey, json };
}

export function writeKeyFile(path: string, key: TestKey): string {
  writeFileSync(path, key.json, { mode: 0o600 });
  return path;
}

/** Checks a V4 signature as the store does. */
export function checkSigned(request: IncomingMessage, url: URL, key: TestKey): FakeError | undefined {
  const query = url.searchParams;
  const denied = (why: string) => failure(403, "SignatureDoesNotMatch", why);
  const date = query.get("X-Goog-Date") ?? "";
  const scope = (query.get("X-Goog-Credential") ?? "").slice(key.email.length + 1);
  if (query.get("X-Goog-Credential") !== `${key.email}/${scope}`) return denied("unknown account");
  const begins = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(begins + Number(query.get("X-Goog-Expires")) * 1000 > Date.now()))
    return failure(400, "ExpiredToken", "expired");
  const names = (query.get("X-Goog-SignedHeaders") ?? "").split(";");
  const values = names.map((name) => (name === "host" ? url.hostname : String(request.headers[name] ?? "")));
  const canonical = [
    request.method,
    url.pathname,
    [...query]
      .filter(([name]) => name !== "X-Goog-Signature")
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&"),
    names.map((name, index) => `${name}:${values[index]?.trim()}\n`).join(""),
    names.join(";"),
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const text = ["GOOG4-RSA-SHA256", date, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const signature = Buffer.from(query.get("X-Goog-Signature") ?? "", "hex");
  const good = createVerify("RSA-SHA256").update(text).verify(key.publicKey, signature);
  return good ? undefined : denied("the signature does not match");
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
