import { codeOf, messageOf } from "../lib/error.js";

/**
 * A message without what may be secret in it: user and password before a host, the query of a URL, where signatures and tokens
 * are, and the keys of connection strings. For what is kept: the journal, the catalog and the report.
 */
export const redacted = (message: string): string =>
  message
    .replace(
      /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/@?#"'<>]*@)?([^\s?#"'<>]*)(\?[^\s"'<>]*)?/gi,
      (_url, scheme: string, place: string, query?: string) => `${scheme}${place}${query === undefined ? "" : "?…"}`,
    )
    .replace(/\b((?:Account|SharedAccess)Key|SharedAccessSignature)=[^\s;"']+/gi, "$1=…");

/** What is kept of an error. */
export const whyOf = (error: unknown, location?: string): { code: string; message: string } => ({
  code: codeOf(error) ?? "ERROR",
  message: redacted(messageOf(error, location)),
});
