import type { Stored } from "../store.js";
import { absent, type Bucket, changed } from "./bucket.js";
import { believed } from "./entry.js";

const REMEMBERED = 4096;

/** `head`, noting the size for reading. */
export async function look(bucket: Bucket, name: string, signal?: AbortSignal): Promise<Stored | undefined> {
  const found = await bucket.store.head(name, signal);
  if (found) remember(bucket, found);
  return found && believed(bucket, found);
}

/** The object, while it has this token. @throws `NOT_FOUND`, `PRECONDITION` */
export async function requireVersion(bucket: Bucket, key: string, name: string, token: string): Promise<Stored> {
  const found = await look(bucket, name);
  if (!found) throw absent(bucket, key);
  if (found.token !== token) throw changed(bucket, key, "since it was looked at");
  return found;
}

/** The size of that very write; undefined when it was not looked at lately. */
export const sizeOf = (bucket: Bucket, name: string, token: string): number | undefined =>
  bucket.sizes.get(`${token}\0${name}`);

export function remember({ sizes }: Bucket, { name, token, size }: Stored): void {
  sizes.set(`${token}\0${name}`, size);
  if (sizes.size <= REMEMBERED) return;
  const [oldest] = sizes.keys();
  if (oldest !== undefined) sizes.delete(oldest);
}
