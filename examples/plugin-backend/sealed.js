// @ts-check
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

// A sealed file: header nonce (12), header tag (16), header length (4), header, body nonce (12), body, body tag (16).
// Header and body are AES-256-GCM under two keys that are derived from the secret; the header is JSON.
const [NONCE, TAG] = [12, 16];
/** What stands before the header. */
export const FRONT = NONCE + TAG + 4;

/** @typedef {{ header: Buffer, body: Buffer, names: Buffer }} Keys */

/** @param {string} secret @returns {Keys} */
export function keysOf(secret) {
  /** @param {string} use */
  const derive = (use) => Buffer.from(hkdfSync("sha256", secret, "stowage-backend-vault", use, 32));
  return { header: derive("header"), body: derive("body"), names: derive("names") };
}

/** The name of an object's file tells nothing about the object. @param {Keys} keys @param {string} name */
export const sealedName = (keys, name) => createHmac("sha256", keys.names).update(name).digest("hex");

/** @param {Keys} keys @param {unknown} header */
export function sealHeader(keys, header) {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", keys.header, nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(header)), cipher.final()]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sealed.length);
  return Buffer.concat([nonce, cipher.getAuthTag(), length, sealed]);
}

/** How long the header is. @param {Buffer} front */
export const headerLength = (front) => front.readUInt32BE(NONCE + TAG);

/** Throws for another key and for a header that was tampered with. @param {Keys} keys @param {Buffer} front @param {Buffer} sealed */
export function openHeader(keys, front, sealed) {
  const decipher = createDecipheriv("aes-256-gcm", keys.header, front.subarray(0, NONCE));
  decipher.setAuthTag(front.subarray(NONCE, NONCE + TAG));
  return JSON.parse(Buffer.concat([decipher.update(sealed), decipher.final()]).toString());
}

/** @param {Keys} keys @param {AsyncIterable<Uint8Array>} bytes @returns {AsyncGenerator<Buffer>} */
export async function* sealBody(keys, bytes) {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", keys.body, nonce);
  yield nonce;
  for await (const piece of bytes) yield cipher.update(piece);
  yield cipher.final();
  yield cipher.getAuthTag();
}

/**
 * The bytes from `start` on; throws at the end when they were tampered with. All of them are decrypted whatever `start` is, for
 * only then can they be checked.
 *
 * @param {Keys} keys @param {AsyncIterable<Buffer>} sealed what follows the header @param {number} start @returns {AsyncGenerator<Buffer>}
 */
export async function* openBody(keys, sealed, start) {
  let rest = Buffer.alloc(0);
  let at = 0;
  /** @type {import("node:crypto").DecipherGCM | undefined} */
  let decipher;
  for await (const piece of sealed) {
    rest = Buffer.concat([rest, piece]);
    if (!decipher && rest.length >= NONCE) {
      decipher = createDecipheriv("aes-256-gcm", keys.body, rest.subarray(0, NONCE));
      rest = rest.subarray(NONCE);
    }
    // The last bytes may be the tag.
    if (!decipher || rest.length <= TAG) continue;
    const open = decipher.update(rest.subarray(0, rest.length - TAG));
    rest = rest.subarray(rest.length - TAG);
    if (at + open.length > start) yield open.subarray(Math.max(0, start - at));
    at += open.length;
  }
  if (!decipher || rest.length !== TAG) throw new Error("the sealed file is too short");
  decipher.setAuthTag(rest);
  decipher.final();
}
