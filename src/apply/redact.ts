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
