import { hash } from "node:crypto";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** JSON with the keys of every object sorted, so that equal values have equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** Lower-case hex SHA-256 of a string's UTF-8 bytes or of a buffer. */
export const sha256Hex = (data: string | Uint8Array): string => hash("sha256", data, "hex");
