import type { Catalog } from "../catalog/catalog.js";
import { column, name, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { keepsKey } from "../config/config.js";
import { collect } from "../lib/iter.js";
import { HOLE, PIECES, type Template, templateOf } from "./lead.js";
import type { Content, Context, Wish } from "./model.js";
import type { World } from "./observe.js";
import { NOWHERE } from "./occupants.js";
import { orderActions, type Step } from "./order.js";
import { loadContents } from "./select.js";
import { settle } from "./settle.js";
import type { Site } from "./site.js";
import { dropTaken } from "./vacancy.js";
import { makeWishes, shortfalls } from "./wish.js";

/**
 * Contents that no rule tells apart: at the same locations, under one name in all of them, with the same rules and requirements. One of a class is
 * planned as every content is. Where nothing comes of it but copies under its own name, the others get the same in SQL, and never become
 * objects: each content in `work.alike` has the copies of its class in `work.alike_copies`. Who could meet another one at a name is not among them.
 */
export interface Alike {
  /** How many contents need not be looked at one by one. */
  contents: number;
  copies: number;
  bytes: number;
  /** The lowest number of verified copies that one of them has after a copy; null without copies. */
  floor: number | null;
  /** Bytes that come to each location. */
  arriving: ReadonlyMap<Site, number>;
}

export const NO_ALIKE: Alike = { contents: 0, copies: 0, bytes: 0, floor: null, arriving: new Map() };

/** Sets apart, of the contents in `work.<loaded>`, those that are alike. */
export async function findAlike(catalog: Catalog, world: World, context: Context): Promise<Alike> {
  const { sites, config } = context;
  const loaded = sql`work.${name(world.loaded)}`;
  await classify(catalog, loaded);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.examples AS
    SELECT class, min(sha256) AS sha256, arg_min(cid, sha256) AS cid FROM work.alike GROUP BY class`);
  const rows = await catalog.rows(sql<{ class: string; sha256: string }>`SELECT class, sha256 FROM work.examples`);
  const classes = new Map(rows.map((row) => [row.sha256, row.class]));
  const examples = await collect(loadContents(catalog, sites, world, "examples", config.safety.verify));
  const plain = examples.flatMap((content) => {
    const known = classes.get(content.sha256);
    const copies = copiesOf(content, context);
    return known !== undefined && copies ? [{ class: known, copies }] : [];
  });
  if (plain.length === 0) return NO_ALIKE;
  await catalog.run(sql`DELETE FROM work.alike
    WHERE class NOT IN (SELECT class FROM ${packed({ class: column(plain.map((each) => each.class)) })})`);
  await writeCopies(catalog, plain);
  await dropTaken(catalog, sites, world);
  return measureAlike(catalog, sites);
}

/**
 * Fills `work.alike` with all contents that have one key, and so one file at each of their locations: `files` in config order, `class` by what they are.
 * Lists can not leave DuckDB's memory while they are made: it is done in parts that take a third of it.
 */
async function classify(catalog: Catalog, loaded: Sql): Promise<void> {
  const row = await catalog.row(sql<{ parts: number }>`
    SELECT coalesce(ceil(3 * sum(150 + 4 * strlen(key) + strlen(version)) / parse_formatted_bytes(current_setting('memory_limit'))), 0) AS parts FROM ${loaded}`);
  const parts = row?.parts ?? 0;
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike (cid UUID, sha256 VARCHAR, size BIGINT, key VARCHAR, norm_key VARCHAR,
    files STRUCT(loc INTEGER, iid BIGINT, version VARCHAR)[], class VARCHAR)`);
  for (let part = 0; part < parts; part += 1)
    // A claim may be wrong about the size, and say a hash that begins like another.
    await catalog.run(sql`INSERT INTO work.alike BY NAME
      SELECT cid, sha256, size, key, norm_key, list_transform(found, lambda file: { loc: file.loc, iid: file.iid, version: file.version }) AS files,
        array_to_string(list_transform(found, lambda file: file.class), ' ') AS class
      FROM (
        SELECT cid, min(sha256) AS sha256, min(size) AS size, min(key) AS key, any_value(norm_key) AS norm_key,
          list_sort(list({ loc: loc, iid: iid, version: version, class: ${classOfFile} })) AS found
        FROM ${loaded} WHERE hash(cid) % ${BigInt(parts)} = ${BigInt(part)} GROUP BY cid
        HAVING min(key) = max(key) AND min(sha256) = max(sha256) AND min(size) = max(size)
          AND bool_and(archived IS NULL AND physical IS NULL AND NOT ${peculiar}))`);
}

/** What rules and proofs make of one file. */
const classOfFile =
  raw(`concat_ws(':', loc::VARCHAR, coalesce("first", -1)::VARCHAR, coalesce(more, [])::VARCHAR, coalesce(needs, [])::VARCHAR,
  (proof IS NOT DISTINCT FROM 'claim')::VARCHAR)`);

/**
 * Names that `on_conflict` has made, that are no keys or stowage's own, or of characters that DuckDB's Unicode does not know and Node's composes with others;
 * and what JSON writes with escapes that `quoted` does not make.
 */
const peculiar = sql`(contains(key, '~' || left(sha256, 8)) OR regexp_matches(key, ${"[\\x00-\\x1f]|^\\.stowage-|(^|/)\\.{0,2}(/|$)|[^\\pL\\pM\\pN\\pP\\pS\\pZ\\pC]"})
  OR regexp_matches(version, ${"[\\x00-\\x1f]"}))`;

/** A copy under the file's own name. */
interface Plain {
  step: Step;
  template: Template;
}

/** What is done about a content if it is alone; undefined where that is more than copies, or where another name would change it. */
function copiesOf(content: Content, context: Context): Plain[] | undefined {
  makeWishes(content, context);
  if (!content.wishes.every(isOfAnyName)) return undefined;
  const settlement = settle([content], new Map(), shortfalls(content, context), NOWHERE, context);
  if (settlement.blocked.length + settlement.kept.length + settlement.conflicts.length > 0) return undefined;
  const steps = orderActions(settlement, context);
  const copies = steps.map((step) => ({ step, template: templateOf(step, content.instances) }));
  return copies.every(isPlain) ? copies : undefined;
}

const isPlain = ({ step: { action, fills }, template }: Plain): boolean =>
  action.kind === "copy" && fills?.key === action.from.key && template.pieces.length === PIECES;

const isOfAnyName = ({ author, exact, outcome }: Wish): boolean =>
  !author.rule || keepsKey(author.rule.key) || (!exact && outcome?.kind === "held");

async function writeCopies(catalog: Catalog, plain: readonly { class: string; copies: Plain[] }[]): Promise<void> {
  const all = plain.flatMap((each) => each.copies.map((copy) => ({ class: each.class, ...copy })));
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike_copies (class VARCHAR, rank BIGINT, loc BIGINT, site BIGINT, after BIGINT, rule VARCHAR, reason VARCHAR,
    from_location VARCHAR, to_location VARCHAR, source BIGINT, around VARCHAR[], places BIGINT[],
    p1 VARCHAR, p2 VARCHAR, p3 VARCHAR, p4 VARCHAR, p5 VARCHAR, p6 VARCHAR, p7 VARCHAR, p8 VARCHAR)`);
  if (all.length === 0) return;
  const numbers = (of: (copy: Plain) => number) => column(all.map(of), "BIGINT");
  const words = (of: (copy: Plain) => string) => column(all.map(of));
  const rows = packed({
    class: column(all.map((each) => each.class)),
    rank: numbers(({ step }) => step.fills!.wish.author.rank),
    loc: numbers(({ step }) => step.source.site.order),
    site: numbers(({ step }) => step.fills!.site.order),
    after: numbers(({ step }) => step.action.copies.after),
    rule: words(({ step }) => step.action.rule.name),
    reason: words(({ step }) => step.action.reason),
    from_location: words(({ step }) => step.action.from.location),
    to_location: words(({ step }) => step.fills!.site.name),
    // Lists begin with 1 in SQL.
    source: numbers(({ template }) => template.source + 1),
    around: words(({ template }) => template.around.join(HOLE)),
    places: words(({ template }) => template.places.map((place) => place + 1).join(HOLE)),
    ...Object.fromEntries(
      Array.from({ length: PIECES }, (_, n) => [`p${n + 1}`, words(({ template }) => template.pieces[n]!)]),
    ),
  });
  await catalog.run(sql`INSERT INTO work.alike_copies BY NAME SELECT * REPLACE (
    string_split(around, ${HOLE}) AS around, CAST(coalesce(string_split(places, ${HOLE}), []) AS BIGINT[]) AS places) FROM ${rows}`);
}

/** What is in `work.alike` now. */
export async function measureAlike(catalog: Catalog, sites: readonly Site[]): Promise<Alike> {
  const rows = await catalog.rows(sql<{ site: number; copies: number; bytes: number; floor: number }>`
    SELECT c.site, count(*) AS copies, sum(a.size)::BIGINT AS bytes, min(c.after) AS floor
    FROM work.alike a JOIN work.alike_copies c ON c.class = a.class GROUP BY c.site`);
  const row = await catalog.row(sql<{ contents: number }>`SELECT count(*) AS contents FROM work.alike`);
  return {
    contents: row?.contents ?? 0,
    copies: rows.reduce((sum, { copies }) => sum + copies, 0),
    bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
    floor: rows.length === 0 ? null : Math.min(...rows.map(({ floor }) => floor)),
    arriving: new Map(rows.map(({ site, bytes }) => [sites[site]!, bytes])),
  };
}

/** The rules for which a content is copied, in their order; none where it is not alike. */
export async function rulesOf(catalog: Catalog, content: string): Promise<string[]> {
  const rows = await catalog.rows(sql<{ rule: string }>`
    SELECT c.rule FROM work.alike a JOIN work.alike_copies c ON c.class = a.class
    WHERE a.sha256 = ${content.slice("sha256:".length)} ORDER BY c.rank, c.site`);
  return rows.map(({ rule }) => rule);
}
