import type { Catalog } from "../catalog/catalog.js";
import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import { type Config, keepsKey, type Rule, type Safety } from "../config/config.js";
import { countCopies } from "./copies.js";
import { type Content, type Instance, NONE_PINNED, NONE_UNWANTED } from "./model.js";
import { maskType, type World } from "./observe.js";
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
  world: World,
): Promise<void> {
  const mask = maskType(sites.length);
  const bits = (chosen: readonly Site[]): Sql =>
    sql`${raw(String(chosen.reduce((sum, site) => sum | (1n << BigInt(site.order)), 0n)))}::${mask}`;
  const named = (names: readonly string[]) => sites.filter((site) => site.writable && names.includes(site.name));

  const rules = config.rules.map(
    (rule, index) =>
      sql`(${index}::INTEGER, ${bits(named(rule.destination))}, ${bits([])}, ${bits(sourcesOf(rule, sites))}, ${wantsNames(rule) && !keepsKey(rule.key)})`,
  );
  const fallback = bits(named(config.default ? [config.default.location] : []));
  rules.push(sql`(${DEFAULT}::INTEGER, ${bits([])}, ${fallback}, ${bits([])}, FALSE)`);
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.rule_wants AS SELECT * FROM (VALUES ${join(rules)}) v(rule, wants, fallback, takes, renders)`,
  );

  const homes = bits(sites.filter((site) => site.counted && isHome(site)));
  const judged = sql`work.${name(world.judged)}`;
  const added = config.rules.some((rule) => rule.continue)
    ? sql`UNION ALL SELECT cid, loc, unnest(more) FROM ${judged} WHERE cid IS NOT NULL AND len(more) > 0`
    : raw("");
  await catalog.run(sql`CREATE OR REPLACE TABLE work.interesting AS
    SELECT cid FROM (
      SELECT d.cid, bit_or(1::${mask} << d.loc) AS have, bit_or(r.wants) AS wants, bit_or(r.fallback) AS fallback,
        bool_or(r.renders OR ((r.takes >> d.loc) & 1) = 1) AS acts
      FROM (SELECT cid, loc, coalesce("first", ${DEFAULT}) AS rule FROM ${judged} WHERE cid IS NOT NULL ${added}) d
      JOIN work.rule_wants r ON r.rule = d.rule GROUP BY d.cid
    ) WHERE acts OR (wants & ~have) <> 0 OR ((fallback & ~have) <> 0 AND (have & ${homes}) = 0)
    ${shortOfNames(config, sites, world)} ${shortOfNeeds(config, sites, world)}`);
}

const wantsNames = ({ action, place }: Rule): boolean => action === "copy" && place === "key";

/** Contents that are not under the same name where a rule copies them by name. */
function shortOfNames(config: Config, sites: readonly Site[], { judged, decision, instances }: World): Sql {
  const rules = config.rules.flatMap((rule, index) =>
    wantsNames(rule) && keepsKey(rule.key) ? rule.destination.map((to) => ({ rule, index, to })) : [],
  );
  if (rules.length === 0) return raw("");
  const orders = new Map(sites.map(({ name, order }) => [name, order]));
  const copies = rules.map(({ index, to }) => sql`(${index}::INTEGER, ${orders.get(to)!}::INTEGER)`);
  const added = rules.some(({ rule }) => rule.continue)
    ? sql`UNION ALL SELECT iid, cid, loc, unnest(more) FROM work.${name(judged)} WHERE cid IS NOT NULL AND len(more) > 0`
    : raw("");
  return sql`
    UNION SELECT w.cid FROM (
      SELECT d.cid, c.loc, i.key FROM (SELECT iid, cid, loc, "first" AS rule FROM work.${name(judged)} WHERE cid IS NOT NULL ${added}) d
      JOIN (VALUES ${join(copies)}) c(rule, loc) ON c.rule = d.rule AND c.loc <> d.loc JOIN work.${name(instances)} i ON i.iid = d.iid
    ) w ANTI JOIN (
      SELECT d.cid, d.loc, i.key FROM work.${name(decision)} d JOIN work.${name(instances)} i ON i.iid = d.iid
      WHERE d.loc IN (${join(rules.map(({ to }) => sql`${orders.get(to)!}`))})
    ) h ON h.cid = w.cid AND h.loc = w.loc AND h.key = w.key`;
}

/** S8: a content that is in such a location has a home. */
export const isHome = (site: Site): boolean =>
  ["organized", "archive", "backup"].some((word) => site.location.purpose.includes(word));

/** Also contents of which locations share one file: how many copies they are is counted one by one. */
function shortOfNeeds(config: Config, sites: readonly Site[], { judged: decided, instances }: World): Sql {
  if (config.require.length === 0) return raw("");
  const judged = sql`work.${name(decided)}`;
  const needy = sql`SELECT cid FROM ${judged} WHERE len(needs) > 0`;
  const needs = config.require.map(
    (need, index) => sql`(${index}::INTEGER, ${need.copies}::INTEGER, ${need.domains}::INTEGER)`,
  );
  const domains = sites.map((site) => sql`(${site.order}::INTEGER, ${site.location.domain})`);
  return sql`
    UNION SELECT d.cid FROM (SELECT DISTINCT cid, unnest(needs) AS need FROM ${judged} WHERE cid IS NOT NULL AND len(needs) > 0) d
    JOIN (VALUES ${join(needs)}) n(need, copies, domains) ON n.need = d.need
    JOIN (SELECT i.cid, count(DISTINCT i.loc) FILTER (WHERE i.counted) AS copies, count(DISTINCT g.domain) FILTER (WHERE i.counted) AS domains
          FROM ${judged} i JOIN (VALUES ${join(domains)}) g(loc, domain) ON g.loc = i.loc
          WHERE i.cid IN (${needy}) GROUP BY i.cid) c ON c.cid = d.cid
    WHERE c.copies < n.copies OR c.domains < n.domains
    UNION SELECT cid FROM (
      SELECT d.cid FROM ${judged} d JOIN work.${name(instances)} i ON i.iid = d.iid
      WHERE i.physical IS NOT NULL AND d.counted AND d.cid IN (${needy}) GROUP BY d.cid, i.physical HAVING count(DISTINCT d.loc) > 1)`;
}

interface InstanceRow {
  iid: number;
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
  place: number;
}

/** Lays the instances of the contents in `work.<selection>` out in `work.<loaded>`, so that nothing has to be looked for twice; bystanders that are there already, not again. */
export async function gather(catalog: Catalog, world: World, selection: "interesting" | "bystanders"): Promise<void> {
  const target = sql`work.${name(world.loaded)}`;
  const first = selection === "interesting";
  const into = first ? sql`CREATE OR REPLACE TABLE ${target} AS` : sql`INSERT INTO ${target} BY NAME`;
  const known = first ? sql`` : sql`ANTI JOIN (SELECT cid FROM ${target}) USING (cid)`;
  await catalog.run(sql`${into}
    SELECT i.* EXCLUDE (cid), d.cid, d."first", d.more, d.needs
    FROM (SELECT * FROM work.${name(world.decision)} SEMI JOIN work.${name(selection)} USING (cid) ${known}) d
    JOIN work.${name(world.instances)} i ON i.iid = d.iid`);
}

/** The contents named in `work.<selection>` with all their usable instances, ordered by hash. They must have been gathered. */
export async function* loadContents(
  catalog: Catalog,
  sites: readonly Site[],
  world: World,
  selection: "interesting" | "rest" | "examples" | "bystanders",
  verify: Safety["verify"],
): AsyncGenerator<Content> {
  let content: Content | undefined;
  const place = raw(selection === "bystanders" ? "0" : "row_number() OVER (ORDER BY loc, key)");
  // As JSON, which is read in less than half the time that single values take.
  const groups = catalog.texts(sql`
    SELECT CAST(json_object('iid', iid, 'loc', loc, 'key', key, 'sha256', sha256, 'size', size, 'mtime', mtime::VARCHAR, 'version', version,
      'physical', physical, 'counted', counted, 'proof', proof, 'archived', archived, 'first', "first", 'more', more, 'needs', needs,
      'project', project, 'attrs', attrs, 'media_type', media_type, 'place', ${place}) AS VARCHAR)
    FROM work.${name(world.loaded)} SEMI JOIN work.${name(selection)} USING (cid)
    ORDER BY sha256, loc, key`);
  for await (const lines of groups) {
    for (const row of JSON.parse(`[${lines.join(",")}]`) as InstanceRow[]) {
      if (content?.sha256 !== row.sha256) {
        if (content) yield counted(content);
        content = {
          sha256: row.sha256,
          size: row.size,
          instances: [],
          copies: 0,
          needs: [],
          wishes: [],
          unwanted: NONE_UNWANTED,
          pinned: NONE_PINNED,
        };
      }
      content.instances.push(toInstance(row, content, sites, verify));
      for (const need of row.needs ?? []) if (!content.needs.includes(need)) content.needs.push(need);
    }
  }
  if (content) yield counted(content);
}

const NONE: number[] = [];

function counted(content: Content): Content {
  // Added to one by one, it has room for seventeen.
  content.instances = content.instances.slice();
  content.copies = countCopies(content.instances);
  return content;
}

function toInstance(row: InstanceRow, content: Content, sites: readonly Site[], verify: Safety["verify"]): Instance {
  return {
    id: row.iid,
    content,
    site: sites[row.loc]!,
    key: row.key,
    sha256: content.sha256,
    size: row.size,
    mtime: BigInt(row.mtime),
    version: row.version,
    physical: row.physical,
    counted: row.counted,
    claimed: row.proof === "claim",
    archived: row.archived,
    provable: row.archived === null || (verify === "checksum" && row.proof === "checksum"),
    first: row.first,
    more: row.more?.length ? row.more : NONE,
    project: row.project,
    attrs: row.attrs,
    mediaType: row.media_type,
    place: row.place,
  };
}
