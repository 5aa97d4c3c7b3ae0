import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Args } from "@oclif/core";
import type { Catalog } from "../../catalog/catalog.js";
import { type Sql, sql } from "../../catalog/sql.js";
import type { Config } from "../../config/config.js";
import { codeOf, StowageError } from "../../lib/error.js";
import { groupBy } from "../../lib/iter.js";
import { printable } from "../../lib/key.js";
import type { Copy } from "../../plan/copies.js";
import { bytes, relative as distance, plural, table } from "../../report/format.js";
import { addressOf } from "../addresses.js";
import { BaseCommand } from "../base-command.js";
import { examples, exits } from "../help.js";
import { withWorkspace } from "../workspace.js";

interface InstanceRow {
  sha256: string | null;
  location: string;
  key: string;
  size: number;
  state: string;
  mtime: number;
  last_verified: number | null;
  /** Equal for hard links. */
  physical: string | null;
  counts: boolean;
  proof: string | null;
}

const HASH = /^(?:sha256:)?([0-9a-f]{6,64})$/i;

export default class Whereis extends BaseCommand {
  static override summary = "List every place where a content lies";
  static override description =
    `ADDRESS is a hash or the first six or more digits of one, \`location:key\`, a path inside a location, or any other file, which is then hashed and looked up; else a key, which is looked for in all locations. Answers from the catalog, as of the last scan.

${exits([1, "error, or nothing known by that name"], [7, "another process is writing the catalog"])}`;
  static override examples = examples(
    ["whereis nas:projects/a/cover.jpg", "list the copies of a file"],
    ["whereis ~/Downloads/IMG_0001.jpg", "ask whether a file from elsewhere is stored already"],
    ["whereis 3f5a9c", "look up a content by the beginning of its hash"],
  );
  static override args = {
    address: Args.string({ description: "HASH, LOCATION:KEY, PATH or KEY", required: true }),
  };

  async run(): Promise<undefined> {
    const { args, flags } = await this.parse(Whereis);
    const output = this.output(flags);
    return withWorkspace(flags, output, async (workspace) => {
      const catalog = await workspace.catalog("read");
      const rows = await lookUp(args.address, workspace.config, catalog);
      const { countCopies } = await import("../../plan/copies.js");
      const contents = [...groupBy(rows, (row) => row.sha256 ?? "")].map(
        ([sha256, instances]): Whereabouts => ({ sha256, instances, copies: countCopies(asCopies(instances)) }),
      );
      if (output.json) {
        output.document({ contents: contents.map(contentDocument) });
        return undefined;
      }
      const now = workspace.clock();
      for (const { sha256, instances, copies } of contents) {
        const name = sha256 === "" ? "content not known" : `sha256:${sha256}`;
        output.line(name);
        output.line(`${bytes(instances[0]?.size ?? 0)}, ${plural(copies, "copy", "copies")}`);
        const columns = [
          { title: "Location" },
          { title: "key", flexible: true },
          { title: "state" },
          { title: "verified" },
        ];
        const cells = instances.map((row) => [
          row.location,
          row.key,
          stateText(row),
          row.last_verified === null ? "never" : distance(row.last_verified, now),
        ]);
        await output.lines(table(columns, cells, output.text));
      }
      return undefined;
    });
  }
}

function stateText({ state, counts, proof }: InstanceRow): string {
  if (state !== "present" || counts) return state;
  return proof === "claim" ? "claimed, not counted" : "not counted";
}

/** As the planner counts them: each location once, and hard links once. */
function asCopies(instances: readonly InstanceRow[]): Copy[] {
  const orders = [...new Set(instances.map(({ location }) => location))];
  return instances.map(({ location, physical, counts }) => ({
    site: { order: orders.indexOf(location) },
    physical,
    counted: counts,
  }));
}

interface Whereabouts {
  sha256: string;
  instances: readonly InstanceRow[];
  copies: number;
}

const contentDocument = ({ sha256, instances, copies }: Whereabouts) => ({
  content: sha256 === "" ? null : `sha256:${sha256}`,
  size: instances[0]?.size ?? 0,
  copies,
  instances: instances.map(({ location, key, state, mtime, last_verified, counts, proof }) => ({
    location,
    key,
    state,
    counts,
    proof,
    modified: new Date(mtime).toISOString(),
    verified: last_verified === null ? null : new Date(last_verified).toISOString(),
  })),
});

/** @throws `NOT_FOUND` when the catalog knows nothing by that name */
async function lookUp(text: string, config: Config, catalog: Catalog): Promise<InstanceRow[]> {
  const hash = HASH.exec(text)?.[1]?.toLowerCase();
  if (hash) {
    const rows = await catalog.rows(instances(sql`starts_with(f.sha256, ${hash})`));
    if (rows.length > 0) return rows;
  }
  const place = addressOf(text, config);
  if (place) {
    const { location, key } = place;
    const rows = await catalog.rows(alike(sql`location = ${location} AND key = ${key}`));
    if (rows.length > 0) return rows;
  } else if (await isFile(text)) {
    const rows = await catalog.rows(instances(sql`f.sha256 = ${await hashOf(text)}`));
    if (rows.length > 0) return rows;
    throw notFound(`no scanned file has the content of "${printable(text)}"`);
  }
  const named = await catalog.rows(alike(sql`key = ${text.replace(/^\.?\//, "")}`));
  if (named.length > 0) return named;
  throw notFound(`nothing is known of "${printable(text)}"`);
}

const notFound = (message: string): StowageError =>
  new StowageError("NOT_FOUND", message, { hint: "Run `stowage scan` if it is new, or check the spelling." });

/** The instances that are chosen, and all others of their contents. */
const alike = (where: Sql) =>
  instances(sql`f.sha256 IN (SELECT sha256 FROM file_locations WHERE ${where})
    OR (f.location, f.key) IN (SELECT (location, key) FROM file_locations WHERE ${where})`);

const instances = (where: Sql) => sql<InstanceRow>`
  SELECT f.sha256, f.location, f.key, f.size, f.state, epoch_ms(f.mtime) AS mtime, f.last_verified, f.physical, c.key IS NOT NULL AS counts, f.proof
  FROM file_locations f LEFT JOIN countable c ON c.location = f.location AND c.key = f.key
  WHERE ${where} ORDER BY f.sha256, f.location, f.key`;

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw error;
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
