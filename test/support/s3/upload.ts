import { randomBytes, randomUUID } from "node:crypto";
import { type ObjectStore, OWN_METADATA, type Stored, type Upload } from "../../../src/backend/store.js";
import { collect } from "../../../src/lib/iter.js";
import { sha256Hex } from "../../../src/lib/json.js";

/** What the core would hand to a store. */
export function uploadOf(bytes: Uint8Array | string, more: Partial<Upload> & { piece?: number } = {}): Upload {
  const { piece = 1 << 16, ...rest } = more;
  const data = Buffer.from(bytes);
  const sha256 = sha256Hex(data);
  return {
    ...{ sha256, size: data.length, safeParts: true },
    metadata: { [OWN_METADATA.sha256]: sha256, [OWN_METADATA.upload]: randomUUID() },
    async *bytes() {
      for (let at = 0; at < data.length; at += piece) yield data.subarray(at, at + piece);
    },
    ...rest,
  };
}

export const noise = (size: number): Buffer => randomBytes(size);

export async function bytesOf(store: ObjectStore, name: string, token?: string, start?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const request = { ...(token !== undefined && { token }), ...(start !== undefined && { start }) };
  for await (const piece of store.read(name, request)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

export const textOf = async (store: ObjectStore, name: string): Promise<string> => String(await bytesOf(store, name));

export const listed = async (store: ObjectStore, prefix = ""): Promise<Stored[]> =>
  (await collect(store.list(prefix))).flat().sort((a, b) => (a.name < b.name ? -1 : 1));

export const namesOf = async (store: ObjectStore, prefix = ""): Promise<string[]> =>
  (await listed(store, prefix)).map(({ name }) => name);
