import { Args } from "@oclif/core";
import type { Catalog } from "../../catalog/catalog.js";
import { messageOf, StowageError } from "../../lib/error.js";
import { batch } from "../../lib/iter.js";
import { table } from "../../report/format.js";
import { jsonLine } from "../../report/json.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import type { Output } from "../output.js";
import { withWorkspace } from "../workspace.js";

const READING = /^(select|with|from|describe|desc|show|summarize|explain|values|table)\b/i;
const ROWS_PER_TABLE = 1_000;

type Row = Record<string, unknown>;

export default class SqlQuery extends BaseCommand {
  static override summary = "Ask the catalog a question in SQL";
  static override description =
    `Runs one reading statement on the catalog (DuckDB, opened read-only). Tables: storage_locations, file_locations, scans, scan_problems, rule_evaluations, plan_actions, runs; views: contents, copies, countable, dupes. With --json the rows are one JSON array.

${exits([7, "another process is writing the catalog"])}`;
  static override examples = examples(
    [
      'sql "select location, count(*) as files, sum(size) as bytes from file_locations group by location"',
      "count files and bytes per location",
    ],
    [
      'sql "select c.*, key from copies c join file_locations using (sha256) where copies < 2"',
      "list what has one copy only",
    ],
    ['sql --json "from scans order by id desc limit 5"', "see the last scans, for a script"],
  );
  static override args = {
    query: Args.string({ description: "a SELECT, or another statement that only reads", required: true }),
  };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(SqlQuery);
    const output = this.output(flags);
    const query = args.query.trim().replace(/;\s*$/, "");
    if (!READING.test(query.replace(/^(\s|--[^\n]*\n|\/\*[\s\S]*?\*\/|\()*/, ""))) {
      throw new StowageError("READ_ONLY", "only statements that read are allowed here", {
        hint: "Begin with SELECT, WITH, FROM, DESCRIBE, SHOW or SUMMARIZE. The catalog is a cache: `stowage scan` writes it.",
      });
    }
    return withWorkspace(flags, output, async (workspace) => {
      const catalog = await workspace.catalog("read");
      const instants = await instantColumns(catalog, query);
      const rows = readable(catalog.stream<Row>({ text: query, values: [] }), instants);
      await (output.json ? printJson(rows, output) : printTable(rows, output));
      return undefined;
    });
  }
}

/** The columns that hold timestamps, which the catalog hands out as milliseconds. */
async function instantColumns(catalog: Catalog, query: string): Promise<Set<string>> {
  if (!/^\(*\s*(select|with|from)\b/i.test(query)) return new Set();
  const described = readable(catalog.stream<Row>({ text: `DESCRIBE ${query}`, values: [] }), new Set());
  const names = new Set<string>();
  for await (const row of described) {
    if (String(row["column_type"]).startsWith("TIMESTAMP")) names.add(String(row["column_name"]));
  }
  return names;
}

/** Timestamps become text, and DuckDB's complaint about the statement an error that is the user's to read. */
async function* readable(rows: AsyncIterable<Row>, instants: ReadonlySet<string>): AsyncGenerator<Row> {
  try {
    for await (const row of rows) {
      for (const name of instants) {
        const value = row[name];
        if (typeof value === "number") row[name] = new Date(value).toISOString();
      }
      yield row;
    }
  } catch (error) {
    if (error instanceof StowageError) throw error;
    throw new StowageError("SQL", messageOf(error), {
      hint: 'See the tables with `stowage sql "show tables"` and their columns with `stowage sql "describe file_locations"`.',
      cause: error,
    });
  }
}

async function printJson(rows: AsyncIterable<Row>, output: Output): Promise<void> {
  let separator = "[";
  for await (const row of rows) {
    if (output.closed) return;
    output.write(`${separator}\n  ${jsonLine(row)}`);
    separator = ",";
  }
  output.write(separator === "[" ? "[]\n" : "\n]\n");
}

async function printTable(rows: AsyncIterable<Row>, output: Output): Promise<void> {
  let shown = 0;
  for await (const group of batch(rows, ROWS_PER_TABLE)) {
    if (output.closed) return;
    const names = Object.keys(group[0] ?? {});
    const columns = names.map((title) => ({
      title,
      align: typeof group[0]?.[title] === "number" ? ("right" as const) : ("left" as const),
      flexible: true,
    }));
    const cells = group.map((row) => names.map((name) => cell(row[name])));
    await output.lines(table(columns, cells, output.text).slice(shown === 0 ? 0 : 1));
    shown += group.length;
  }
  if (shown === 0) output.note("No rows.");
}

const cell = (value: unknown): string =>
  value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
