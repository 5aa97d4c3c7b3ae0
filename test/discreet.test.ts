import { describe, expect, it } from "vitest";
import { discreet } from "../src/backend/discreet.js";
import type { S3Store } from "../src/config/config.js";
import { StowageError } from "../src/lib/error.js";

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
const STORE: S3Store = {
  ...{ type: "s3", bucket: "b", prefix: "", forcePathStyle: true },
  credentials: { accessKeyId: "minio", secretAccessKey: SECRET },
};
const said = (message: string): string =>
  (discreet([STORE])(new StowageError("ACCESS_DENIED", message)) as StowageError).message;

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
  ])("does not say %s", (text) => {
    expect(said(`refused: ${text}`)).not.toContain(text);
  });

  it.each([
    "holiday/minions/a.jpg is taken by minio.jpg",
    "docs/token=abc.jpg: basic knowledge of it",
    "sig=1.jpg",
  ])("says which file it is about: %s", (text) => {
    expect(said(text)).toBe(text);
  });
});
