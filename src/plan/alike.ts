import type { Catalog } from "../catalog/catalog.js";
import { column, join, name, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { keepsKey, type Rule } from "../config/config.js";
import { collect } from "../lib/iter.js";
import { entersAnew, freesRoom, isRenamed, proveFloor } from "./guard.js";
import type { Content, Context, Wish } from "./model.js";
import { cleaned, renderedBy, type Times } from "./names.js";
import type { World } from "./observe.js";
import { NOWHERE } from "./occupants.js";
import { orderActions, type Step } from "./order.js";
import type { ActionKind } from "./plan.js";
import { type Routine, routineOf, type Shapes, writeRoutines } from "./routine.js";
import { loadContents } from "./select.js";
import { settle } from "./settle.js";
import type { Site } from "./site.js";
import { dropTaken } from "./vacancy.js";
import { makeWishes, shortfalls } from "./wish.js";

/**
 * Contents that no rule tells apart: at the same locations, with the same rules and requirements, and with names that are equal, and come one before the other,
 * where those of the others do. One of a class is planned as every content is; the others get the same in SQL, and never become objects: each content in
 * `work.alike` has the steps of its class in `work.routine`. Who could meet another one at a name is not among them, nor who has anything to be said about.
 */
export interface Alike {
  /** How many contents need not be looked at one by one. */
  contents: number;
  /** How many actions. */
  steps: number;
  kinds: Readonly<Record<ActionKind, number>>;
  /** To transfer. */
  bytes: number;
  /** The lowest number of verified copies that one of them has after a step; null without steps. */
  floor: number | null;
  flows: ReadonlyMap<Site, Flow>;
  routines: ReadonlyMap<string, Routine>;
  shapes: Shapes;
}

/** What comes to a location and leaves it, in bytes, and how many files are deleted there. Every location that something comes to has one. */
export interface Flow {
  /** By copies that wait for nothing: before anything leaves. */
  first: number;
  later: number;
  /** What of both is no more than another name of a file on the same device. */
  renamed: number;
  leaving: number;
  deletes: number;
}

export const NO_ALIKE: Alike = {
  ...{ contents: 0, steps: 0, kinds: { copy: 0, move: 0, delete: 0, verify: 0 }, bytes: 0, floor: null },
  ...{ flows: new Map(), routines: new Map(), shapes: { open: [], others: 0 } },
};

/** More files of one content are rare, and make classes of their own. */
const MAX_FILES = 8;

/** Sets apart, of the contents in `work.<loaded>`, those that are alike. */
export async function findAlike(catalog: Catalog, world: World, context: Context): Promise<Alike> {
  const { sites, config } = context;
  const templates = templatesOf(context);
  await classify(catalog, world, templates, context);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.examples AS
    SELECT class, min(sha256) AS sha256, arg_min(cid, sha256) AS cid, arg_min(names, sha256) AS names
    FROM work.alike WHERE class IS NOT NULL GROUP BY class`);
  const rows = await catalog.rows(
    sql<{ class: string; sha256: string; names: string[] }>`SELECT class, sha256, names FROM work.examples`,
  );
  const classes = new Map(rows.map((row) => [row.sha256, row]));
  const routines = new Map<string, Routine>();
  for (const content of await collect(loadContents(catalog, sites, world, "examples", config.safety.verify))) {
    const known = classes.get(content.sha256);
    const routine = known && routineFor(content, known.names, templates, context);
    if (routine) routines.set(known.class, routine);
  }
  if (routines.size === 0) return NO_ALIKE;
  await catalog.run(
    sql`DELETE FROM work.alike WHERE class IS NULL OR class NOT IN (SELECT class FROM ${packed({ class: column(routines.keys()) })})`,
  );
  const shapes = await writeRoutines(catalog, routines, context);
  await dropTaken(catalog, sites, world);
  return measureAlike(catalog, { ...NO_ALIKE, routines, shapes }, context);
}

/** The rules that make names: of those that decide one at most has matched, of those that go on perhaps several. */
interface Templates {
  deciding: { rule: Rule; index: number }[];
  adding: { rule: Rule; index: number }[];
}

function templatesOf({ config }: Context): Templates {
  const all = config.rules.flatMap((rule, index) =>
    rule.destination.length > 0 && !keepsKey(rule.key) ? [{ rule, index }] : [],
  );
  return { deciding: all.filter(({ rule }) => !rule.continue), adding: all.filter(({ rule }) => rule.continue) };
}

/**
 * Fills `work.alike` with all contents that may be alike: `files` in config order, `names` their keys and then what the rules make of them, `class` by what they are, or NULL.
 * Lists can not leave DuckDB's memory while they are made: it is done in parts that take a third of it.
 */
async function classify(
  catalog: Catalog,
  world: World,
  templates: Templates,
  { config, sites }: Context,
): Promise<void> {
  const loaded = sql`work.${name(world.loaded)}`;
  const row = await catalog.row(sql<{ parts: number; first: number | null; last: number | null }>`
    SELECT coalesce(ceil(3 * sum(200 + 6 * strlen(key) + strlen(version)) / parse_formatted_bytes(current_setting('memory_limit'))), 0) AS parts,
      min(mtime // 1000000) FILTER (WHERE mtime >= 0) AS first, max(mtime // 1000000) AS last FROM ${loaded}`);
  const parts = row?.parts ?? 0;
  const rendered = renderedSql(templates, {
    timezone: config.settings.timezone,
    from: row?.first ?? 0,
    to: row?.last ?? 0,
  });
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike (cid UUID, sha256 VARCHAR, size BIGINT, names VARCHAR[],
    files STRUCT(loc INTEGER, iid BIGINT, version VARCHAR)[], class VARCHAR)`);
  for (let part = 0; part < parts; part += 1)
    // A claim may be wrong about the size, and say a hash that begins like another.
    await catalog.run(sql`INSERT INTO work.alike BY NAME
      SELECT cid, sha256, size, names, list_transform(found, lambda file: { loc: file.loc, iid: file.iid, version: file.version }) AS files,
        array_to_string(list_transform(found, lambda file: file.class), ' ') || ${relationsSql(sites)} AS class
      FROM (SELECT *, CASE WHEN len(names) > 2 THEN list_filter(list_sort(list_distinct(names)), lambda name: name <> '') END AS spelled FROM (
        SELECT *, list_concat(list_transform(found, lambda file: file.key), flatten(list_transform(found, lambda file: file.rendered))) AS names FROM (
          SELECT cid, min(sha256) AS sha256, min(size) AS size,
            list_sort(list({ loc: loc, key: key, iid: iid, version: version, class: ${classOfFile}, rendered: rendered })) AS found
          FROM (SELECT *, ${rendered} AS rendered FROM ${loaded} WHERE hash(cid) % ${BigInt(parts)} = ${BigInt(part)}) GROUP BY cid
          HAVING count(*) <= ${BigInt(MAX_FILES)} AND min(sha256) = max(sha256) AND min(size) = max(size)
            AND bool_and(archived IS NULL AND physical IS NULL AND NOT ${peculiarFile} AND ${isUsual(raw("key"))} AND len(list_filter(rendered, lambda each: each IS NULL)) = 0))))`);
}

/**
 * Which names are equal, and which come first; NULL where two are that could not both be at some location, though they are not equal, or where Node
 * may see that otherwise than DuckDB.
 */
function relationsSql(sites: readonly Site[]): Sql {
  const folds = sites.some((site) => site.foldsCase);
  const slot = (name: string): string => (folds ? `lower(${name})` : `nfc_normalize(${name})`);
  const unsure = (names: string): string => (folds ? `WHEN strlen(${names}) > length(${names}) THEN NULL` : "");
  return raw(`CASE len(names) WHEN 1 THEN ''
    WHEN 2 THEN CASE WHEN names[1] = names[2] THEN ' =' WHEN names[2] = '' THEN ' >' ${unsure("(names[1] || names[2])")} WHEN ${slot("names[1]")} = ${slot("names[2]")} THEN NULL
      WHEN names[1] < names[2] THEN ' <' ELSE ' >' END
    ELSE CASE ${unsure("CASE WHEN len(spelled) > 1 THEN array_to_string(spelled, '') ELSE '' END")} WHEN len(list_distinct(list_transform(spelled, lambda name: ${slot("name")}))) = len(spelled)
      THEN ' ' || array_to_string(list_transform(names, lambda name: coalesce(list_position(spelled, name), 0)), ' ') END END`);
}

/** What rules and proofs make of one file. */
const classOfFile =
  raw(`concat_ws(':', loc::VARCHAR, coalesce("first", -1)::VARCHAR, coalesce(more, [])::VARCHAR, coalesce(needs, [])::VARCHAR,
  (proof IS NOT DISTINCT FROM 'claim')::VARCHAR)`);

/** What rules make of a file's name: empty where they make nothing of it, NULL where it is not sure what. */
function renderedSql({ deciding, adding }: Templates, times: Times): Sql {
  if (deciding.length + adding.length === 0) return raw("[]::VARCHAR[]");
  const added = adding.map((each) => renderedBy([each], (index) => sql`list_contains(more, ${index}::INTEGER)`, times));
  const decided = renderedBy(deciding, (index) => sql`"first" = ${index}::INTEGER`, times);
  return sql`list_transform(list_transform([${join([decided, ...added])}], lambda name: ${cleaned}), lambda name: CASE WHEN name = '' OR ${isUsual(raw("name"))} THEN name END)`;
}

/** Files that `on_conflict` has named, and versions that JSON writes with escapes that lines do not get. */
const peculiarFile = sql`(contains(key, '~' || left(sha256, 8)) OR regexp_matches(version, ${"[\\x00-\\x1f]"}))`;

/**
 * Not so: names that are no keys or stowage's own, or of characters that DuckDB's Unicode does not know and Node's composes with others;
 * and what JSON writes with escapes that lines do not get.
 */
const isUsual = (key: Sql): Sql =>
  sql`NOT regexp_matches(${key}, ${"[\\x00-\\x1f]|^\\.stowage-|(^|/)\\.{0,2}(/|$)|[^\\pL\\pM\\pN\\pP\\pS\\pZ\\pC]"})`;

/** What is done about a content if it is alone; undefined where there would be something to say about it, or where its steps are not those of its class. */
function routineFor(
  content: Content,
  names: readonly string[],
  templates: Templates,
  context: Context,
): Routine | undefined {
  makeWishes(content, context);
  const settlement = settle([content], new Map(), shortfalls(content, context), NOWHERE, context);
  if (settlement.blocked.length + settlement.kept.length + settlement.conflicts.length > 0) return undefined;
  const steps = orderActions(settlement, context);
  if (proveFloor(steps, context).check.status === "fail") return undefined;
  return routineOf(steps, { content, names, nameOf: ({ wish }) => placeOfName(content, wish, templates) });
}

/** Where, among the names of a content, the one is that a wish asks for. */
function placeOfName({ instances }: Content, { author, instance }: Wish, { adding }: Templates): number {
  const file = instances.indexOf(instance);
  if (!author.rule || keepsKey(author.rule.key)) return file;
  const added = adding.findIndex(({ rule }) => rule === author.rule);
  return instances.length + file * (1 + adding.length) + 1 + added;
}

/** What is in `work.alike` now. */
export async function measureAlike(catalog: Catalog, { routines, shapes }: Alike, context: Context): Promise<Alike> {
  const rows = await catalog.rows(sql<{ class: string; contents: number; bytes: number }>`
    SELECT class, count(*) AS contents, sum(size)::BIGINT AS bytes FROM work.alike GROUP BY class`);
  const alike = { ...NO_ALIKE, routines, shapes, kinds: { ...NO_ALIKE.kinds }, flows: new Map<Site, Flow>() };
  const floors: number[] = [];
  for (const { class: of, contents, bytes } of rows) {
    alike.contents += contents;
    for (const { step } of routines.get(of)!) {
      alike.steps += contents;
      alike.kinds[step.action.kind] += contents;
      if (step.fills) alike.bytes += bytes;
      floors.push(step.action.copies.after);
      addFlow(alike.flows, step, contents, bytes, context);
    }
  }
  return { ...alike, floor: floors.length === 0 ? null : Math.min(...floors) };
}

function addFlow(flows: Map<Site, Flow>, step: Step, contents: number, bytes: number, context: Context): void {
  const { action, fills, source, pass } = step;
  const at = (site: Site): Flow => {
    const flow = flows.get(site) ?? { first: 0, later: 0, renamed: 0, leaving: 0, deletes: 0 };
    flows.set(site, flow);
    return flow;
  };
  if (action.kind === "delete") at(step.source.site).deletes += contents;
  const flow = fills && at(fills.site);
  if (flow && entersAnew(step)) {
    flow[action.kind === "copy" && pass === 1 ? "first" : "later"] += bytes;
    if (isRenamed(step)) flow.renamed += bytes;
  }
  if (freesRoom(step, context)) at(source.site).leaving += bytes;
}

/** The instances that go, as `iid`. */
export const goneSql = ({ steps }: Alike): Sql =>
  steps === 0
    ? raw("SELECT NULL::BIGINT AS iid WHERE FALSE")
    : raw(
        "SELECT a.files[c.removes].iid AS iid FROM work.alike a JOIN work.routine c ON c.class = a.class WHERE c.removes IS NOT NULL",
      );

/** What comes to be at a site: `key`, and `iid` of the file that it is made from. */
export const madeSql = ({ order }: Site): Sql =>
  sql`(SELECT a.names[c.spot] AS key, a.files[c.source].iid AS iid FROM work.alike a JOIN work.routine c ON c.class = a.class WHERE c.fills AND c.site = ${order})`;

/** The rules for which something is done about a content, in their order; none where it is not alike. */
export async function rulesOf(catalog: Catalog, content: string): Promise<string[]> {
  const rows = await catalog.rows(sql<{ rule: string }>`
    SELECT c.rule FROM work.alike a JOIN work.routine c ON c.class = a.class
    WHERE a.sha256 = ${content.slice("sha256:".length)} ORDER BY c.step`);
  return rows.map(({ rule }) => rule);
}
