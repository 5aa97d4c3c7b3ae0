import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import type { Config, Rule, Safety } from "../config/config.js";
import { type Content, countCopies, type Instance } from "./model.js";
import type { Site } from "./site.js";

/** Sites that a move or delete takes files from: what is written, or the default of S3. */
export function sourcesOf(rule: Rule, sites: readonly Site[]): Site[] {
  return sites.filter((site) => site.removable && isSource(rule, site));
}

/** The same without asking whether files can be taken away there now. */
export function isSource(rule: Rule, site: Site): boolean {
  if (rule.action !== "move" && rule.action !== "delete") return false;
  if (rule.from) return rule.from.includes(site.name);
  const { status, readOnly, purpose } = site.location;
  if (status !== "active" || readOnly) return false;
  return !purpose.includes("backup") && !purpose.includes("archive") && !rule.destination.includes(site.name);
}

/** The number of the default in `work.rule_wants`. */
const DEFAULT = -1;

/**
 * Fills `work.interesting` with the contents for which something is to do or to say: a wish without an instance, an
 * instance that a rule wants gone, a requirement that does not hold. All other contents never leave DuckDB.
 */
export async function selectInteresting(
  catalog: Catalog,
  config: Config,
  sites: readonly Site[],
  table: string,
): Promise<void> {
  const mask = sites.length > 60 ? "HUGEINT" : "BIGINT";
  const bits = (chosen: readonly Site[]): Sql =>
    raw(`${chosen.reduce((sum, site) => sum | (1n << BigInt(site.order)), 0n)}::${mask}`);
  const bit = (column: string) => raw(`(1::${mask} << ${column})`);
  const named = (names: readonly string[]) => sites.filter((site) => site.writable && names.includes(site.name));

  const rules = config.rules.map(
    (rule, index) =>
      sql`(${index}::INTEGER, ${bits(named(rule.destination))}, ${bits(sourcesOf(rule, sites))}, ${rule.action === "copy" && rule.place === "key"})`,
  );
  rules.push(
    sql`(${DEFAULT}::INTEGER, ${bits(named(config.default ? [config.default.location] : []))}, ${bits([])}, FALSE)`,
  );
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.rule_wants AS SELECT * FROM (VALUES ${join(rules)}) v(rule, wants, takes, renders)`,
  );

  const homes = bits(sites.filter((site) => site.counted && isHome(site)));
  await catalog.run(sql`CREATE OR REPLACE TABLE work.have AS
    SELECT sha256, bit_or(${bit("loc")}) AS have
    FROM work.${name(table)} WHERE usable AND sha256 IS NOT NULL GROUP BY sha256`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.interesting AS
    SELECT DISTINCT sha256 FROM (
      SELECT h.sha256 FROM (
        SELECT d.sha256, bit_or(r.wants) FILTER (WHERE r.rule >= 0) AS wants, bit_or(r.wants) FILTER (WHERE r.rule < 0) AS fallback,
          bool_or(((r.takes >> d.loc) & 1) = 1) AS takes, bool_or(r.renders) AS renders
        FROM (
          SELECT sha256, loc, coalesce("first", ${DEFAULT}) AS rule FROM work.decision WHERE sha256 IS NOT NULL
          UNION ALL SELECT sha256, loc, unnest(more) FROM work.decision WHERE sha256 IS NOT NULL AND len(more) > 0
        ) d JOIN work.rule_wants r ON r.rule = d.rule GROUP BY d.sha256
      ) w JOIN work.have h ON h.sha256 = w.sha256
      WHERE w.takes OR w.renders OR (coalesce(w.wants, 0) & ~h.have) <> 0
        OR ((coalesce(w.fallback, 0) & ~h.have) <> 0 AND (h.have & ${homes}) = 0)
      UNION ALL ${shortOfNeeds(config, sites, table)}
    )`);
}

/** S8: a content that is in such a location has a home. */
export const isHome = (site: Site): boolean =>
  ["organized", "archive", "backup"].some((word) => site.location.purpose.includes(word));

function shortOfNeeds(config: Config, sites: readonly Site[], table: string): Sql {
  if (config.require.length === 0) return raw("SELECT NULL::VARCHAR WHERE FALSE");
  const needs = config.require.map(
    (need, index) => sql`(${index}::INTEGER, ${need.copies}::INTEGER, ${need.domains}::INTEGER)`,
  );
  const domains = sites.map((site) => sql`(${site.order}::INTEGER, ${site.location.domain})`);
  return sql`
    SELECT d.sha256 FROM (SELECT DISTINCT sha256, unnest(needs) AS need FROM work.decision WHERE sha256 IS NOT NULL AND len(needs) > 0) d
    JOIN (VALUES ${join(needs)}) n(need, copies, domains) ON n.need = d.need
    JOIN (SELECT i.sha256, count(DISTINCT i.loc) FILTER (WHERE i.counted) AS copies, count(DISTINCT g.domain) FILTER (WHERE i.counted) AS domains
          FROM work.${name(table)} i JOIN (VALUES ${join(domains)}) g(loc, domain) ON g.loc = i.loc GROUP BY i.sha256) c ON c.sha256 = d.sha256
    WHERE c.copies < n.copies OR c.domains < n.domains`;
}

interface InstanceRow {
  loc: number;
  key: string;
  sha256: string;
  size: number;
  mtime: string;
  version: string;
  physical: string | null;
  counted: boolean;
  proof: string | null;
  archived: string | null;
  first: number | null;
  more: number[] | null;
  needs: number[] | null;
  project: string | null;
  attrs: string | null;
  media_type: string | null;
}

/** The contents named in `work.<selection>` with all their usable instances, ordered by hash. */
export async function* loadContents(
  catalog: Catalog,
  sites: readonly Site[],
  table: string,
  selection: string,
  verify: Safety["verify"],
): AsyncGenerator<Content> {
  let content: Content | undefined;
  const rows = catalog.stream(sql<InstanceRow>`
    SELECT i.loc, i.key, i.sha256, i.size, i.mtime::VARCHAR AS mtime, i.version, i.physical, i.counted, i.proof, i.archived, d."first", d.more, d.needs,
      i.project, i.attrs, i.media_type
    FROM work.${name(table)} i SEMI JOIN work.${name(selection)} s ON s.sha256 = i.sha256
    LEFT JOIN work.decision d ON d.iid = i.rowid
    WHERE i.usable ORDER BY i.sha256, i.loc, i.key`);
  for await (const row of rows) {
    if (content?.sha256 !== row.sha256) {
      if (content) yield counted(content);
      content = {
        sha256: row.sha256,
        size: row.size,
        instances: [],
        copies: 0,
        needs: [],
        wishes: [],
        unwanted: new Map(),
        pinned: new Set(),
      };
    }
    content.instances.push(toInstance(row, content, sites, verify));
    for (const need of row.needs ?? []) if (!content.needs.includes(need)) content.needs.push(need);
  }
  if (content) yield counted(content);
}

function counted(content: Content): Content {
  content.copies = countCopies(content.instances);
  return content;
}

function toInstance(row: InstanceRow, content: Content, sites: readonly Site[], verify: Safety["verify"]): Instance {
  return {
    content,
    site: sites[row.loc]!,
    key: row.key,
    sha256: row.sha256,
    size: row.size,
    mtime: BigInt(row.mtime),
    version: row.version,
    physical: row.physical,
    counted: row.counted,
    claimed: row.proof === "claim",
    archived: row.archived,
    provable: row.archived === null || (verify === "checksum" && row.proof === "checksum"),
    first: row.first,
    more: row.more ?? [],
    project: row.project,
    attrs: row.attrs,
    mediaType: row.media_type,
  };
}
