import { StowageError } from "../../lib/error.js";
import { published, s3Error } from "./errors.js";
import type { Session } from "./session.js";

/** Signatures of version 4 do not live longer. */
const LONGEST = 7 * 86_400_000;

/**
 * A link for one request. One that creates is signed together with `If-None-Match: *`: who uses it must send that header, and can not
 * replace anything.
 */
export async function presign(
  session: Session,
  name: string,
  { method, expires }: { method: "GET" | "PUT"; expires: number },
): Promise<string> {
  const { sdk, client, store } = session;
  if (!(expires >= 1000 && expires <= LONGEST)) {
    throw new StowageError("UNSUPPORTED", "a link of S3 lives for one second to seven days", {
      hint: "Ask for at most 7d.",
    });
  }
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
  const object = { Bucket: store.bucket, Key: name };
  const expiresIn = Math.floor(expires / 1000);
  const link = () =>
    method === "GET"
      ? getSignedUrl(client, new sdk.GetObjectCommand(object), { expiresIn })
      : getSignedUrl(client, new sdk.PutObjectCommand({ ...object, IfNoneMatch: "*" }), {
          expiresIn,
          signableHeaders: new Set(["host", "if-none-match"]),
          unhoistableHeaders: new Set(["if-none-match"]),
        });
  try {
    return await link();
  } catch (error) {
    throw published(s3Error(error, { what: `s3://${store.bucket}/${name}`, host: session.host }));
  }
}
