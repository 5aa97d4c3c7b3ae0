import { type GcsOptions, gcsStore } from "../../../src/backend/gcs.js";
import { openRequests } from "../../../src/backend/requests.js";
import type { ObjectStore, Stored, Upload } from "../../../src/backend/store.js";
import type { GcsStore } from "../../../src/config/config.js";
import { sha256Hex } from "../../../src/lib/json.js";
import type { FakeGcs } from "./fake.js";

export const BUCKET = "there";

export const requests = (retries = 5) =>
  openRequests("there", { retries, concurrency: 16, timeout: 5_000, stall: 5_000, random: () => 0.02 });

/** A bucket on the fake, opened as a location's would be. */
export function openOn(fake: FakeGcs, options: GcsOptions & Partial<GcsStore> & { retries?: number } = {}) {
  const { threshold, part, copyPerCall, retries, ...store } = options;
  const more = {
    ...(threshold !== undefined && { threshold }),
    ...(part !== undefined && { part }),
    ...(copyPerCall !== undefined && { copyPerCall }),
  };
  const location: GcsStore = { type: "gcs", bucket: BUCKET, prefix: "", endpoint: fake.endpoint, ...store };
  return gcsStore(location, requests(retries), more);
}

export function uploadOf(bytes: Uint8Array, more: Partial<Upload> & { piece?: number } = {}): Upload {
  const { piece = 100_000, ...rest } = more;
  return {
    sha256: sha256Hex(bytes),
    size: bytes.length,
    metadata: { "stowage-sha256": sha256Hex(bytes), "stowage-upload": "mark", mtime: "2023-11-14T22:13:20.123456789Z" },
    async *bytes() {
      // One buffer again and again: a piece is only valid until the next one is asked for.
      const buffer = Buffer.alloc(piece);
      for (let start = 0; start < bytes.length; start += piece) {
        const count = buffer.length > bytes.length - start ? bytes.length - start : buffer.length;
        buffer.set(bytes.subarray(start, start + count));
        yield buffer.subarray(0, count);
        buffer.fill(0);
      }
    },
    ...rest,
  };
}

export const put = (store: ObjectStore, name: string, bytes: Uint8Array | string): Promise<Stored> => {
  const data = Buffer.from(bytes);
  return store.put(name, uploadOf(data, { whole: data }), { absent: true });
};

export async function bytesOf(store: ObjectStore, name: string, token?: string, start?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const request = { ...(token !== undefined && { token }), ...(start !== undefined && { start }) };
  for await (const piece of store.read(name, request)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

export async function listed(store: ObjectStore, prefix = ""): Promise<Stored[]> {
  const all: Stored[] = [];
  for await (const page of store.list(prefix)) all.push(...page);
  return all.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
