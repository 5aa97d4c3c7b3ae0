import { relative } from "node:path";
import type { Diagnostic } from "../config/config.js";
import { printable } from "../lib/key.js";
import { type Paint, plain, plural } from "./format.js";

/** `storage.yaml:12:5: error: unknown key "brefix"` and, below it, the next step. `from` is the directory that paths are shown from. */
export function* diagnosticLines(
  diagnostics: readonly Diagnostic[],
  from: string,
  paint: Paint = plain,
): Generator<string> {
  for (const { file, line, column, severity, message, hint } of diagnostics) {
    const place = paint("bold", `${printable(shown(file, from))}:${line}:${column}:`);
    yield `${place} ${paint(severity === "error" ? "red" : "yellow", `${severity}:`)} ${printable(message)}`;
    if (hint) yield `  ${printable(hint)}`;
  }
}

/** Annotations for GitHub Actions. */
export function* githubLines(diagnostics: readonly Diagnostic[], from: string): Generator<string> {
  for (const { file, line, column, severity, code, message, hint } of diagnostics) {
    const place = `file=${property(shown(file, from))},line=${line},col=${column},title=${property(code)}`;
    yield `::${severity} ${place}::${data(hint ? `${message}\n${hint}` : message)}`;
  }
}

/** `2 errors, 1 warning` */
export function severityCount(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((each) => each.severity === "error").length;
  const warnings = diagnostics.length - errors;
  const parts = errors > 0 ? [plural(errors, "error")] : [];
  if (warnings > 0) parts.push(plural(warnings, "warning"));
  return parts.join(", ");
}

function shown(file: string, from: string): string {
  const short = relative(from, file);
  return short === "" || short.startsWith("..") ? file : short;
}

const data = (text: string): string => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const property = (text: string): string => data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
