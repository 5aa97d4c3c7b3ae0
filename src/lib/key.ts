/**
 * Keys: names of files relative to a location's root, `/`-separated, as the storage spells them.
 *
 * A key is kept byte-exact. A name that is not valid UTF-8 cannot be a JavaScript string; scanning reports it and
 * leaves the file alone.
 */

/** Why a string can not be a key, or undefined when it can. Never normalizes. */
export function invalidKey(key: string): string | undefined {
  if (!DOUBTFUL.test(key)) return undefined;
  if (key === "") return "the key is empty";
  if (key.includes("\0")) return "the key contains a NUL character";
  if (key.startsWith("/")) return "the key is absolute";
  for (const part of key.split("/")) {
    if (part === "") return "the key has an empty path segment";
    if (part === "." || part === "..") return `the key contains "${part}"`;
  }
  return undefined;
}

/** A part that is empty, `.` or `..`, or a NUL. */
const DOUBTFUL = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

const ASCII = /^[\x00-\x7f]*$/;

/** The form that patterns match and that tells twins apart: NFC. */
export const normKey = (key: string): string => (ASCII.test(key) ? key : key.normalize("NFC"));

/** The form in which two keys collide on a location: NFC, and case-folded where the location folds case. */
export function collisionKey(key: string, foldsCase: boolean): string {
  const nfc = normKey(key);
  return foldsCase ? nfc.toLowerCase() : nfc;
}

export interface KeyParts {
  /** Without a trailing slash; empty at the root. */
  dir: string;
  filename: string;
  stem: string;
  /** With its dot; empty for `name` and `.hidden`. */
  ext: string;
}

export function splitKey(key: string): KeyParts {
  const slash = key.lastIndexOf("/");
  const filename = key.slice(slash + 1);
  const dot = filename.lastIndexOf(".");
  const cut = dot > 0 ? dot : filename.length;
  return {
    dir: slash < 0 ? "" : key.slice(0, slash),
    filename,
    stem: filename.slice(0, cut),
    ext: filename.slice(cut),
  };
}

const HIGH = /[\ud800-\uffff]/;

/** Byte order of the UTF-8 forms, which is the order DuckDB and every storage listing use. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 and UTF-8 order the same but for what lies above the surrogates.
  if (HIGH.test(a) || HIGH.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}

/** `location:key`, the address of an instance in messages and arguments. */
export const address = (location: string, key: string): string => `${location}:${key}`;

/**
 * A name made safe to print: control characters, line and paragraph separators, bidi and zero-width marks and lone
 * surrogates as `\xNN` or `\u{N}` escapes. Never changes what is printable.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu,
    (char) => {
      const code = char.codePointAt(0) ?? 0;
      if (char === "\n") return "\\n";
      if (char === "\t") return "\\t";
      if (char === "\r") return "\\r";
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
    },
  );
}
