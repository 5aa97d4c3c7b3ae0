import { open } from "node:fs/promises";
import { Lexer } from "yaml";
import { codeOf, messageOf, StowageError } from "../lib/error.js";
import type { Findings } from "./findings.js";

/** A storage.yaml is read by people: what is larger or deeper is no storage.yaml. */
export const MAX_BYTES = 1024 * 1024;
export const MAX_DEPTH = 64;
const MAX_TOKENS = 50_000;

/**
 * The file's bytes, at most one more than `MAX_BYTES`.
 * @throws `CONFIG_MISSING` or `CONFIG_UNREADABLE`
 */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, "r");
    try {
      if ((await handle.stat()).isDirectory())
        throw new StowageError("CONFIG_UNREADABLE", "this is a directory, not a file", {
          hint: "Name the file in it with --config.",
        });
      const chunks: Buffer[] = [];
      for (let length = 0; length <= MAX_BYTES; ) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, null);
        if (bytesRead === 0) break;
        chunks.push(buffer.subarray(0, bytesRead));
        length += bytesRead;
      }
      return Buffer.concat(chunks);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof StowageError) throw error;
    if (codeOf(error) === "ENOENT") {
      throw new StowageError("CONFIG_MISSING", "there is no such file", {
        hint: "Run `stowage init` to write one, or name another with --config.",
      });
    }
    throw new StowageError("CONFIG_UNREADABLE", `the file can not be read: ${messageOf(error)}`);
  }
}

export interface Decoded {
  text: string;
  problem?: { code: string; message: string; hint?: string; offset: number };
}

/** Text from bytes, without a byte order mark. Reports what is no UTF-8 text, without looking at the rest. */
export function decode(bytes: Uint8Array): Decoded {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length > MAX_BYTES) {
    return {
      text: "",
      problem: { code: "TOO_LARGE", message: `the file is larger than ${MAX_BYTES / 1024 / 1024} MiB`, offset: 0 },
    };
  }
  if ((buffer[0] === 0xff && buffer[1] === 0xfe) || (buffer[0] === 0xfe && buffer[1] === 0xff)) {
    return {
      text: "",
      problem: { code: "ENCODING", message: "the file is UTF-16", hint: "Save it as UTF-8.", offset: 0 },
    };
  }
  const text = buffer.toString("utf8").replace(/^\ufeff/, "");
  const whole = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf ? buffer.subarray(3) : buffer;
  if (!Buffer.from(text, "utf8").equals(whole)) {
    let length = 0;
    const again = Buffer.from(text, "utf8");
    while (length < whole.length && again[length] === whole[length]) length += 1;
    const offset = whole
      .subarray(0, length)
      .toString("utf8")
      .replace(/\ufffd+$/, "").length;
    return {
      text,
      problem: {
        code: "ENCODING",
        message: "the file is not valid UTF-8 from here on",
        hint: "Save it as UTF-8.",
        offset,
      },
    };
  }
  return { text };
}

/** Checks that hold before any parser sees the text; false = it must not be parsed. */
export function checkShape(text: string, found: Findings): boolean {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    found.error("TOO_LARGE", 0, `the file is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    return false;
  }
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(text);
  if (control) {
    const code = control[0].charCodeAt(0).toString(16).padStart(2, "0");
    found.error("CONTROL_CHARACTER", control.index, `the file contains a control character (0x${code})`, "Remove it.");
    return false;
  }
  return checkTokens(text, found);
}

/**
 * Indentation and brackets together may not be deeper than `MAX_DEPTH`, nor the words too many. Works on the parser's own tokens,
 * which need no recursion, so that no quote or comment can hide a bracket from it.
 */
function checkTokens(text: string, found: Findings): boolean {
  const depth = depthMeter();
  let offset = 0;
  let count = 0;
  for (const [token, scalar] of tokens(text)) {
    count += 1;
    if (count > MAX_TOKENS) {
      found.error("TOO_LARGE", offset, `the file has more than ${MAX_TOKENS} words up to here`);
      return false;
    }
    if (depth(token, scalar) > MAX_DEPTH) {
      const hint = "Use named `sets:` instead of nesting.";
      found.error("TOO_DEEP", offset, `this is nested more than ${MAX_DEPTH} levels deep`, hint);
      return false;
    }
    offset += token.length;
  }
  return true;
}

/** Takes the tokens one by one and tells how deep each may be, at most. */
function depthMeter(): (token: string, scalar: boolean) => number {
  const columns: number[] = [];
  let brackets = 0;
  let column = 0;
  let leading = true;
  const indent = (): void => {
    while (columns.length > 0 && columns.at(-1)! > column) columns.pop();
    if (columns.at(-1) !== column) columns.push(column);
  };
  return (token, scalar) => {
    if (!scalar && (token === "[" || token === "{")) brackets += 1;
    if (!scalar && (token === "]" || token === "}") && brackets > 0) brackets -= 1;
    if (leading && brackets === 0 && !/^[ \t\r\n#\ufeff]/.test(token)) {
      indent();
      leading = !scalar && /^([-?:]$|[&!])/.test(token);
    }
    const newline = token.lastIndexOf("\n");
    if (newline >= 0) leading = true;
    column = newline >= 0 ? token.length - newline - 1 : column + token.length;
    return columns.length + brackets;
  };
}

/** The parser's tokens, without its marks; true = a scalar. */
function* tokens(text: string): Generator<[token: string, scalar: boolean]> {
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    if (token === "\x1f" || token === "\x18" || token === "\x02") scalar = token === "\x1f";
    else {
      yield [token, scalar];
      scalar = false;
    }
  }
}
