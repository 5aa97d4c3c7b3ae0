import { existsSync, rmSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { DuckDBAppender, DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";
import { loadDuckDB } from "./decoder.js";
import { plainRow } from "./plain.js";
import { removeSpilled, spillFolder } from "./spill.js";
import { type Sql, sql } from "./sql.js";
import { checkVersion, createTables, nothingScanned } from "./version.js";

/**
 * The index of what was seen. A cache: deleting the file loses nothing that a scan does not bring back.
 *
 * Statements run one at a time on one connection; every `stream` has a connection of its own, because a second statement
 * on a connection that is streaming truncates the stream without an error.
 * Tables that only live as long as the catalog is open go into the schema `work` (in memory, seen by every connection).
 */
export interface Catalog {
  readonly file: string;
  readonly readOnly: boolean;
  run(query: Sql): Promise<void>;
  /** All rows as plain objects: BIGINT as number (an error above 2^53), TIMESTAMP as milliseconds, lists as arrays, other types as DuckDB's text. Only for what is known to be small. */
  rows<Row>(query: Sql<Row>): Promise<Row[]>;
  /** The one row, or undefined. */
  row<Row>(query: Sql<Row>): Promise<Row | undefined>;
  stream<Row>(query: Sql<Row>): AsyncIterable<Row>;
  /** The one column of a query, which is text: some thousand values at a time. */
  texts(query: Sql): AsyncIterable<string[]>;
  /** Fills a table through DuckDB's appender; `schema` is `main` or `work`. */
  append(
    table: string,
    fill: (appender: DuckDBAppender) => void | Promise<void>,
    schema?: "main" | "work",
  ): Promise<void>;
  /** All or nothing. Statements of `body` go through the same catalog; transactions do not nest. */
  transaction<T>(body: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface CatalogOptions {
  readOnly?: boolean;
  /** About how many bytes of memory the process may take for it (1 GiB): what does not fit is laid out in files beside the catalog. */
  memory?: number;
  /** Called when a catalog that can not be read or is of another version is thrown away. */
  onRebuild?: (reason: string) => void;
}

/**
 * Opens or creates the catalog. A file that is not a catalog, or one of another version, is deleted and made anew (the
 * cache rule), unless it is opened read-only; one that nothing was written into yet is as good as missing.
 * @throws `CATALOG_LOCKED` (exit 7) while another process has it open for writing; `NO_CATALOG` when read-only and missing
 */
export async function openCatalog(file: string, options: CatalogOptions = {}): Promise<Catalog> {
  const readOnly = options.readOnly ?? false;
  if (readOnly && !existsSync(file)) throw nothingScanned();
  await mkdir(dirname(file), { recursive: true });
  await loadDuckDB(); // Where that fails, nothing is known of the file.
  try {
    return await open(file, readOnly, options);
  } catch (error) {
    const empty = error instanceof StowageError && error.code === "NO_CATALOG";
    if (error instanceof StowageError && error.code !== "CATALOG_OUTDATED" && (!empty || readOnly)) throw error;
    if (/permission denied|EACCES|EPERM|no space left|read-only file system/i.test(messageOf(error)))
      throw notOurs(file, error);
    if (readOnly) {
      throw new StowageError("CATALOG_UNREADABLE", `the catalog can not be read: ${messageOf(error)}`, {
        hint: "It is a cache: run `stowage scan` to rebuild it.",
        cause: error,
      });
    }
    if (!empty) options.onRebuild?.(messageOf(error));
    for (const path of [file, `${file}.wal`]) rmSync(path, { force: true });
    return await open(file, readOnly, options);
  }
}

/** It may be in order: whoever can not read it must not throw it away. */
const notOurs = (file: string, error: unknown): StowageError =>
  new StowageError("CATALOG_UNREADABLE", `the catalog ${file} can not be opened: ${messageOf(error)}`, {
    hint: "Make the state directory readable and writable for this user, and see that its disk has room.",
    cause: error,
  });

async function open(file: string, readOnly: boolean, options: CatalogOptions): Promise<Catalog> {
  const { DuckDBInstance } = await loadDuckDB();
  const fresh = !existsSync(file);
  const spill = spillFolder(file);
  let instance: DuckDBInstance;
  try {
    instance = await DuckDBInstance.create(file, {
      access_mode: readOnly ? "READ_ONLY" : "READ_WRITE",
      memory_limit: `${Math.round((BUFFERS * (options.memory ?? 2 ** 30)) / 1e6)}MB`,
      temp_directory: spill,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
  } catch (error) {
    throw lockedBy(error) ?? emptied(file) ?? error;
  }
  if (!readOnly) removeSpilled(file, spill);
  const connection = await instance.connect();
  await connection.run("ATTACH ':memory:' AS work (READ_WRITE)");
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run("SET preserve_insertion_order = false");
  await connection.run(`SET disabled_compression_methods = '${SLOW}'`);
  await connection.run("SET enable_external_access = false");
  await connection.run("SET allowed_configs = ['threads']");
  await connection.run("SET lock_configuration = true");
  const catalog = wrap(file, readOnly, instance, connection);
  if (fresh) await createTables(connection);
  await checkVersion(catalog).catch((error: unknown) => {
    connection.closeSync();
    instance.closeSync();
    throw error;
  });
  return catalog;
}

/** What DuckDB takes for buffers of what its process takes in all. */
const BUFFERS = 0.6;

/** They take a tenth of the time of a first scan and a sixth of the next one; without them the file is twice as large: some 220 bytes a file. */
const SLOW = "fsst,dict_fsst";

function lockedBy(error: unknown): StowageError | undefined {
  const message = messageOf(error);
  if (!/could not set lock|conflicting lock/i.test(message)) return undefined;
  const pid = /PID (\d+)/.exec(message)?.[1];
  return new StowageError("CATALOG_LOCKED", `another process${pid ? ` (pid ${pid})` : ""} is using the catalog`, {
    hint: "Wait until it has finished and run the command again.",
    exit: ExitCode.locked,
    cause: error,
  });
}

/** A disk that was full, or a hand, left a file without a byte: what DuckDB says of it is for nobody to read. */
const emptied = (file: string): StowageError | undefined =>
  existsSync(file) && statSync(file).size === 0
    ? new StowageError("CATALOG_OUTDATED", "its file is empty (0 bytes)")
    : undefined;

/** What the disk did to DuckDB, as the user's to read; a complaint about a statement is left as it is. */
function broken(file: string, error: unknown): unknown {
  const message = messageOf(error);
  // It says that as well where the disk has no room for what it lays out there.
  if (message.startsWith("Out of Memory Error") && !/offload|max_temp_directory_size/.test(message))
    return new StowageError("OUT_OF_MEMORY", "the catalog needs more memory than it may take for that", {
      hint: "Raise `settings.memory` in storage.yaml (1GiB where it is not set), of which it takes three fifths.",
      cause: error,
    });
  if (!/^(IO|FATAL|TransactionContext|Out of Memory) Error|database has been invalidated/.test(message)) return error;
  return new StowageError("CATALOG_FAILED", `the catalog ${file} can not be written or read: ${message}`, {
    hint: "See that its disk is in order and has room, and run the command again. It is a cache: `stowage scan --rebuild` makes it anew.",
    cause: error,
  });
}

function wrap(file: string, readOnly: boolean, instance: DuckDBInstance, main: DuckDBConnection): Catalog {
  let tail: Promise<unknown> = Promise.resolve();
  /** One statement at a time on the main connection, in the order of the calls. */
  const exclusive = <T>(statement: () => Promise<T>): Promise<T> => {
    const body = () =>
      statement().catch((error: unknown) => {
        throw broken(file, error);
      });
    const result = tail.then(body, body);
    tail = result.catch(() => undefined);
    return result;
  };

  const catalog: Catalog = {
    file,
    readOnly,
    run: (query) => exclusive(async () => void (await main.run(query.text, [...query.values]))),
    rows: <Row>(query: Sql<Row>) =>
      exclusive(async () => {
        const reader = await main.runAndReadAll(query.text, [...query.values]);
        return reader.getRowObjects().map((row) => plainRow(row) as Row);
      }),
    async row(query) {
      return (await catalog.rows(query))[0];
    },
    async *texts(query) {
      const connection = await instance.connect();
      try {
        const result = await connection.stream(query.text, [...query.values]);
        for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk())
          yield chunk.getColumnValues(0) as string[];
      } catch (error) {
        throw broken(file, error);
      } finally {
        connection.closeSync();
      }
    },
    async *stream<Row>(query: Sql<Row>) {
      const connection = await instance.connect();
      try {
        const result = await connection.stream(query.text, [...query.values]);
        for await (const rows of result.yieldRowObjects()) for (const row of rows) yield plainRow(row) as Row;
      } catch (error) {
        throw broken(file, error);
      } finally {
        connection.closeSync();
      }
    },
    append: (table, fill, schema = "main") =>
      exclusive(async () => {
        const appender = await main.createAppender(
          table,
          schema === "work" ? "main" : undefined,
          schema === "work" ? "work" : undefined,
        );
        try {
          await fill(appender);
          appender.flushSync();
        } finally {
          appender.closeSync();
        }
      }),
    async transaction(body) {
      await catalog.run(sql`BEGIN`);
      try {
        const result = await body();
        await catalog.run(sql`COMMIT`);
        return result;
      } catch (error) {
        await catalog.run(sql`ROLLBACK`).catch(() => undefined);
        throw error;
      }
    },
    async close() {
      await exclusive(async () => {
        main.closeSync();
        instance.closeSync();
      });
    },
  };
  return catalog;
}
