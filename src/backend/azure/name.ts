import { StowageError } from "../../lib/error.js";

/** Longest name of a blob. The service counts characters; bytes are the stricter measure. */
export const MAX_NAME = 1024;

/**
 * Refuses names that the service takes for another one or not at all: `\` is `/` to it, dots at the end of a segment are dropped on the
 * way, control characters are invalid. Without this a request for one blob could reach another.
 */
export function checkName(name: string): void {
  const why = reasonAgainst(name);
  if (why) throw new StowageError("UNSUPPORTED_NAME", `${JSON.stringify(name)} ${why}, which Azure does not keep`);
}

function reasonAgainst(name: string): string | undefined {
  if (Buffer.byteLength(name) > MAX_NAME) return `is longer than ${MAX_NAME} bytes`;
  if (name.includes("\\")) return "holds a backslash";
  if (/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/.test(name)) return "holds a control character";
  if (/\.(\/|$)/.test(name)) return "has a part that ends with a dot";
  return undefined;
}
