import { describe, expect, it } from "vitest";
import { discreet } from "../src/backend/discreet.js";
import type { S3Store } from "../src/config/config.js";
import { StowageError } from "../src/lib/error.js";

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
const STORE: S3Store = {
  ...{ type: "s3", bucket: "b", prefix: "", forcePathStyle: true },
  credentials: { accessKeyId: "minio", secretAccessKey: SECRET },
};
const ENVIRONMENT = {
  AWS_SESSION_TOKEN: "IQoJb3JpZ2luX2VjEOr//////////wEaCXVz",
  AZURE_STORAGE_CONNECTION_STRING:
    "AccountName=media;AccountKey=bm90IGEga2V5IGF0IGFsbA==;EndpointSuffix=core.windows.net",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/token",
  KEYBOARD: "holidays",
};
const said = (message: string): string =>
  (discreet([STORE], ENVIRONMENT)(new StowageError("ACCESS_DENIED", message)) as StowageError).message;

describe("an error of a store that quotes what it was sent", () => {
  it.each([
    SECRET,
    encodeURIComponent(SECRET),
    Buffer.from(SECRET).toString("base64"),
    Buffer.from(SECRET).toString("base64").replace(/=+$/, ""),
    Buffer.from(SECRET).toString("base64url"),
    Buffer.from(SECRET).toString("hex"),
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30",
    "X-Amz-Signature=0123456789abcdef0123456789abcdef",
    ENVIRONMENT.AWS_SESSION_TOKEN,
    encodeURIComponent(ENVIRONMENT.AWS_SESSION_TOKEN),
    "bm90IGEga2V5IGF0IGFsbA==",
  ])("does not say %s", (text) => {
    expect(said(`refused: ${text}`)).not.toContain(text);
  });

  it.each([
    "x-amz-security-token: %",
    "x-amz-security-token:%",
    '"X-Amz-Security-Token": "%"',
    "<X-Amz-Security-Token>%",
  ])("does not say a token that nobody knows: %s", (quoted) => {
    const token = "FwoGZXIvYXdzEBYaDKnownToNobody";
    expect(said(quoted.replace("%", token))).not.toContain(token);
  });

  it.each([
    "/var/run/secrets/token can not be read, in holidays/a.jpg",
    "holiday/minions/a.jpg is taken by minio.jpg",
    "docs/token=abc.jpg: basic knowledge of it",
    "sig=1.jpg",
  ])("says which file it is about: %s", (text) => {
    expect(said(text)).toBe(text);
  });
});
