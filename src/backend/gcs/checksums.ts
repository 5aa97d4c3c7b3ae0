import { createHash } from "node:crypto";
import { crc32c } from "./crc32c.js";

/** The checksums that Cloud Storage keeps of an object, in base64 as it writes them. */
export interface Checksums {
  md5: string;
  crc32c: string;
}

export interface Summing {
  update(piece: Uint8Array): void;
  /** Of what came so far. */
  digest(): Checksums;
}

/** Computes both in one pass over the bytes. */
export function summing(): Summing {
  const md5 = createHash("md5");
  let crc = 0;
  return {
    update(piece) {
      md5.update(piece);
      crc = crc32c(piece, crc);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc);
      return { md5: md5.copy().digest("base64"), crc32c: bytes.toString("base64") };
    },
  };
}

export function sumsOf(bytes: Uint8Array): Checksums {
  const sums = summing();
  sums.update(bytes);
  return sums.digest();
}
