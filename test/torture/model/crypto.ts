import { stage } from "./stage.js";

/** In place of `node:crypto`: what is random follows from the seed. */
export { createHash, hash } from "node:crypto";

export function randomBytes(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let index = 0; index < size; index++) bytes[index] = stage.random.below(256);
  return bytes;
}

export function randomUUID(): string {
  const hex = randomBytes(16).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
