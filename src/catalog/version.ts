import type { DuckDBConnection } from "@duckdb/node-api";
import { messageOf, StowageError } from "../lib/error.js";
import type { Catalog } from "./catalog.js";
import { SCHEMA, SCHEMA_VERSION } from "./schema.js";
import { sql } from "./sql.js";

/** Makes the tables, all or none. */
export async function createTables(connection: DuckDBConnection): Promise<void> {
  await connection.run("BEGIN");
  await connection.run(SCHEMA);
  await connection.run(`INSERT INTO meta VALUES ('schema_version', '${SCHEMA_VERSION}')`);
  await connection.run("COMMIT");
}

/** @throws `CATALOG_OUTDATED`; `NO_CATALOG` where whoever made the file was killed before there was a table in it */
export async function checkVersion(catalog: Catalog): Promise<void> {
  let row: { value: string } | undefined;
  try {
    row = await catalog.row(sql<{ value: string }>`SELECT value FROM meta WHERE name = 'schema_version'`);
  } catch (error) {
    if (/^Catalog Error/.test(messageOf(error))) throw await withoutVersion(catalog);
    throw outdated(messageOf(error));
  }
  if (row?.value !== SCHEMA_VERSION) throw outdated(row?.value ?? "unknown");
}

async function withoutVersion(catalog: Catalog): Promise<StowageError> {
  const table = await catalog.row(sql`SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() LIMIT 1`);
  return table === undefined ? nothingScanned() : outdated("unknown");
}

const outdated = (found: string): StowageError =>
  new StowageError("CATALOG_OUTDATED", `the catalog has schema ${found}, not ${SCHEMA_VERSION}`);

export const nothingScanned = (): StowageError =>
  new StowageError("NO_CATALOG", "nothing has been scanned yet", { hint: "Run `stowage scan` first." });
