import { codeOf, StowageError } from "../../lib/error.js";
import { sha256Hex } from "../../lib/json.js";
import { MARKER, markerText, uuidOf } from "../marker.js";
import { type Bucket, changed, markerName, taken } from "./bucket.js";
import { publish } from "./publish.js";
import { contentOf } from "./read.js";
import { small } from "./upload.js";

const LIMIT = 4096;

/** See `Backend.marker`. A marker that can not be understood is no marker. */
export async function readMarker(bucket: Bucket): Promise<string | undefined> {
  const name = markerName(bucket);
  const there = await bucket.store.head(name);
  if (!there) return undefined;
  if (there.size === 0 || there.size > LIMIT) return undefined;
  return uuidOf((await contentOf(bucket, name)) ?? "");
}

/** See `Backend.writeMarker`. Replacing is conditional on the marker that is there. */
export async function writeMarkerObject(bucket: Bucket, uuid: string, replace: boolean): Promise<void> {
  const name = markerName(bucket);
  const there = await bucket.store.head(name);
  if (there && !replace) throw taken(bucket, MARKER);
  const bytes = Buffer.from(markerText(uuid));
  const upload = small(bucket, bytes, sha256Hex(bytes));
  const done = await publish(bucket, name, upload, there ? { token: there.token } : { absent: true });
  if (done) return;
  throw there ? changed(bucket, MARKER, "while it was being replaced") : taken(bucket, MARKER);
}

/** The root of a bucket is there when the bucket answers. @throws `UNAVAILABLE` */
export async function identityOf({ location, prefix, store }: Bucket): Promise<string> {
  try {
    await store.head(`${prefix}${MARKER}`);
  } catch (error) {
    if (codeOf(error) !== "NOT_FOUND") throw error;
    throw new StowageError("UNAVAILABLE", `${location}: the bucket does not exist`, { cause: error });
  }
  return `${store.address}/${prefix}`;
}
