import type { Catalog } from "../catalog/catalog.js";
import { column, name, packed, sql } from "../catalog/sql.js";
import { keepsKey } from "../config/config.js";
import { collect } from "../lib/iter.js";
import { PIECES, templateOf } from "./lead.js";
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
 * Contents with one file each that no rule tells apart: at one location, with the same rules and requirements. One of a class is planned as every
 * content is. Where nothing comes of it but copies under the file's own name, the others get the same in SQL, and never become
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
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike AS
    SELECT iid, cid, loc, key, norm_key, sha256, size, version,
      concat_ws(' ', loc::VARCHAR, coalesce("first", -1)::VARCHAR, coalesce(more, [])::VARCHAR, coalesce(needs, [])::VARCHAR, proof IS NOT DISTINCT FROM 'claim') AS class
    FROM ${loaded} SEMI JOIN (SELECT cid FROM ${loaded} GROUP BY cid HAVING count(*) = 1) USING (cid)
    WHERE archived IS NULL AND physical IS NULL AND NOT ${peculiar}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.examples AS
    SELECT class, min(sha256) AS sha256, arg_min(cid, sha256) AS cid FROM work.alike GROUP BY class`);
  const rows = await catalog.rows(sql<{ class: string; sha256: string }>`SELECT class, sha256 FROM work.examples`);
  const classes = new Map(rows.map((row) => [row.sha256, row.class]));
  const examples = await collect(loadContents(catalog, sites, world, "examples", config.safety.verify));
  const plain = examples.flatMap((content) => {
    const copies = copiesOf(content, context);
    return copies ? [{ class: classes.get(content.sha256)!, copies }] : [];
  });
  if (plain.length === 0) return NO_ALIKE;
  await catalog.run(sql`DELETE FROM work.alike
    WHERE class NOT IN (SELECT class FROM ${packed({ class: column(plain.map((each) => each.class)) })})`);
  await writeCopies(catalog, plain);
  await dropTaken(catalog, sites, world);
  return measureAlike(catalog, sites);
}

/**
 * Names that `on_conflict` has made, that are no keys or stowage's own, or of characters that DuckDB's Unicode does not know and Node's composes with others;
 * and what JSON writes with escapes that `quoted` does not make.
 */
const peculiar = sql`(contains(key, '~' || left(sha256, 8)) OR regexp_matches(key, ${"[\\x00-\\x1f]|^\\.stowage-|(^|/)\\.{0,2}(/|$)|[^\\pL\\pM\\pN\\pP\\pS\\pZ\\pC]"})
  OR regexp_matches(version, ${"[\\x00-\\x1f]"}))`;

/** What is done about a content if it is alone; undefined where that is more than copies, or where another name would change it. */
function copiesOf(content: Content, context: Context): Step[] | undefined {
  makeWishes(content, context);
  if (!content.wishes.every(isOfAnyName)) return undefined;
  const settlement = settle([content], new Map(), shortfalls(content, context), NOWHERE, context);
  if (settlement.blocked.length + settlement.kept.length + settlement.conflicts.length > 0) return undefined;
  const steps = orderActions(settlement, context);
  return steps.every(isPlainCopy) ? steps : undefined;
}

const isPlainCopy = ({ action, fills }: Step): boolean =>
  action.kind === "copy" && fills?.key === action.from.key && templateOf(action).length === PIECES;

const isOfAnyName = ({ author, exact, outcome }: Wish): boolean =>
  !author.rule || keepsKey(author.rule.key) || (!exact && outcome?.kind === "held");

async function writeCopies(catalog: Catalog, plain: readonly { class: string; copies: Step[] }[]): Promise<void> {
  const all = plain.flatMap((each) => each.copies.map((step) => ({ class: each.class, step })));
  await catalog.run(sql`CREATE OR REPLACE TABLE work.alike_copies (class VARCHAR, rank BIGINT, site BIGINT, after BIGINT, rule VARCHAR, reason VARCHAR,
    from_location VARCHAR, to_location VARCHAR, p1 VARCHAR, p2 VARCHAR, p3 VARCHAR, p4 VARCHAR, p5 VARCHAR, p6 VARCHAR, p7 VARCHAR)`);
  if (all.length === 0) return;
  const texts = all.map(({ step }) => templateOf(step.action));
  const numbers = (of: (step: Step) => number) =>
    column(
      all.map(({ step }) => of(step)),
      "BIGINT",
    );
  const words = (of: (step: Step) => string) => column(all.map(({ step }) => of(step)));
  await catalog.run(
    sql`INSERT INTO work.alike_copies BY NAME SELECT * FROM ${packed({
      class: column(all.map((each) => each.class)),
      rank: numbers(({ fills }) => fills!.wish.author.rank),
      site: numbers(({ fills }) => fills!.site.order),
      after: numbers(({ action }) => action.copies.after),
      rule: words(({ action }) => action.rule.name),
      reason: words(({ action }) => action.reason),
      from_location: words(({ action }) => action.from.location),
      to_location: words(({ fills }) => fills!.site.name),
      ...Object.fromEntries(
        Array.from({ length: PIECES }, (_, n) => [`p${n + 1}`, column(texts.map((text) => text[n]))]),
      ),
    })}`,
  );
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
