import { relative } from "node:path";
import process from "node:process";
import type { Diagnostic } from "../config/config.js";
import { StowageError } from "../lib/error.js";
import { diagnosticLines, githubLines, severityCount } from "../report/diagnostics.js";
import { plural } from "../report/format.js";
import type { Output } from "./output.js";

/** Findings about storage.yaml as a command's result, on stdout; `extra` are further fields of the JSON document. */
export async function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  output: Output,
  format: "text" | "github",
  extra: object,
): Promise<void> {
  if (output.json) {
    output.document({ ...extra, diagnostics });
    return;
  }
  const lines =
    format === "github"
      ? githubLines(diagnostics, process.cwd())
      : diagnosticLines(diagnostics, process.cwd(), output.text.paint);
  await output.lines(lines);
  if (diagnostics.length > 0) output.note(severityCount(diagnostics));
}

/** @throws `CONFIG_MISSING`, or `CONFIG_INVALID` with every error, when there is one */
export function failOnErrors(diagnostics: readonly Diagnostic[]): void {
  const errors = diagnostics.filter((each) => each.severity === "error");
  const first = errors[0];
  if (!first) return;
  const file = relative(process.cwd(), first.file) || first.file;
  if (first.code === "CONFIG_MISSING") {
    throw new StowageError(first.code, `there is no ${file}`, first.hint === undefined ? {} : { hint: first.hint });
  }
  if (first.code === "CONFIG_UNREADABLE") {
    throw new StowageError(
      first.code,
      `${file}: ${first.message}`,
      first.hint === undefined ? {} : { hint: first.hint },
    );
  }
  const lines = [`${file} has ${plural(errors.length, "error")}:`, ...diagnosticLines(errors, process.cwd())];
  throw new StowageError("CONFIG_INVALID", lines.join("\n"), { hint: "`stowage schema` has all that can be written." });
}
