import { createHash } from "node:crypto";

/** Lower-case hex SHA-256 of a stream of bytes; `onBytes` is told of each piece. */
export async function hashStream(bytes: AsyncIterable<Uint8Array>, onBytes?: (count: number) => void): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of bytes) {
    hash.update(piece);
    onBytes?.(piece.length);
  }
  return hash.digest("hex");
}
