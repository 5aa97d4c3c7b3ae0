/**
 * The binding reads every text with a decoder that drops a byte order mark at its beginning: `\ufeffa` would come back as `a`, the name of
 * another file. Loads the binding with one that keeps what is there. Its module is not part of the package's promises: a test holds that this works.
 */
export async function loadDuckDB(): Promise<typeof import("@duckdb/node-api")> {
  const { default: accessors }: { default?: object } = await import("@duckdb/node-api/lib/vectors/dataAccessors.js");
  if (!accessors || !("textDecoder" in accessors)) throw new Error("DuckDB's binding reads texts in another way now");
  Object.assign(accessors, { textDecoder: new TextDecoder("utf-8", { ignoreBOM: true }) });
  return await import("@duckdb/node-api");
}
