import type { Catalog } from "../catalog/catalog.js";
import { column, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { batch } from "../lib/iter.js";
import type { Evaluation } from "./evaluate.js";
import type { Instance } from "./model.js";
import type { Step } from "./order.js";
import type { Action } from "./plan.js";
import { type Lead, line, NO_LEAD } from "./seal.js";

/**
 * Puts the copies of `work.alike` in their places among the steps, numbers all anew and keeps the new numbers in `work.lead`. These copies wait
 * for nothing and nothing waits for them, so that they belong to the copies that the order begins with.
 */
export async function leadWith(
  catalog: Catalog,
  { steps, alike }: Evaluation,
): Promise<{ lead: Lead; steps: readonly Step[] }> {
  if (alike.copies === 0) return { lead: NO_LEAD, steps };
  const others = steps.findIndex(({ action }) => action.kind !== "copy" || action.depends_on.length > 0);
  const first = others < 0 ? steps : steps.slice(0, others);
  const places = await merge(catalog, first);
  const numberOf = (index: number): number => places[index]?.number ?? index + 1 + alike.copies;
  const ids = new Map(steps.map(({ action }, index) => [action.id, `a${numberOf(index)}`]));
  const numbered = steps.map((step) => ({ ...step, action: renumber(step.action, ids) }));
  const pieces: Buffer[] = [];
  const own = numbered.values();
  const count = alike.copies + first.length;
  const lines = await linesAtOnce(catalog);
  for (let from = 1; from <= count; from += lines) {
    for await (const texts of catalog.texts(linesFrom(from, from + lines)))
      for (const text of texts) pieces.push(Buffer.from(text.replace(OWN, () => line(own.next().value?.action))));
  }
  return { lead: { own: first.length, pieces }, steps: numbered };
}

/** Fills `work.lead` with the copies of `work.alike` and these, in the order of all. @returns the places of these */
async function merge(catalog: Catalog, first: readonly Step[]): Promise<{ number: number }[]> {
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.first (own BIGINT, rank BIGINT, loc BIGINT, key VARCHAR, site BIGINT, target VARCHAR)`,
  );
  for await (const group of batch(first.entries(), ROWS_AT_ONCE))
    await catalog.run(sql`INSERT INTO work.first BY NAME SELECT * FROM ${rowsOf(group)}`);
  // Numbered with as little as it takes, and then laid out in the order in which it is asked for.
  await catalog.run(sql`CREATE OR REPLACE TABLE work.lead AS
    SELECT n.number, n.own, n.site, a.class, a.key, a.sha256, a.size, list_transform(a.files, lambda file: file.version) AS versions
    FROM (
      SELECT row_number() OVER (ORDER BY rank, loc, key, site, target) AS number, own, site, cid FROM (
        SELECT c.rank, c.loc, a.key, c.site, a.key AS target, a.cid, NULL::BIGINT AS own
        FROM work.alike a JOIN work.alike_copies c ON c.class = a.class
        UNION ALL BY NAME SELECT * FROM work.first)
    ) n LEFT JOIN work.alike a ON a.cid = n.cid ORDER BY n.number`);
  return catalog.rows(sql<{ number: number }>`SELECT number FROM work.lead WHERE own IS NOT NULL ORDER BY own`);
}

const ROWS_AT_ONCE = 100_000;
/** What DuckDB puts into texts together can not leave its memory. */
const BYTES_AT_ONCE = 1 << 25;

/** How many lines are asked for at a time. */
async function linesAtOnce(catalog: Catalog): Promise<number> {
  const row = await catalog.row(sql<{ bytes: number }>`
    SELECT coalesce(max((1 + len(files)) * (strlen(key) + list_max(list_transform(files, lambda file: strlen(file.version))) + 60)), 0)::BIGINT AS bytes FROM work.alike`);
  return Math.max(1_000, Math.floor(BYTES_AT_ONCE / ((row?.bytes ?? 0) + LINE_BYTES)));
}

/** The least of a line without its names. */
const LINE_BYTES = 500;

/** The same action when all have other numbers. */
export const renumber = (action: Action, ids: ReadonlyMap<string, string>): Action => ({
  ...action,
  id: ids.get(action.id)!,
  to: action.to?.expect.startsWith("action:")
    ? { ...action.to, expect: `action:${ids.get(action.to.expect.slice("action:".length))!}` }
    : action.to,
  depends_on: action.depends_on.map((id) => ids.get(id)!),
});

const BEGINNING = '{"type":"action","id":"';
/** Where a value comes in. */
export const HOLE = "\uffff";
const NUMBER = `${HOLE}#`;

/** A copy's line without its number and what is before it. */
export interface Template {
  /** What is around its hash, size, key, version, key, witnesses and size. */
  pieces: string[];
  /** The place of what is copied among the content's files. */
  source: number;
  /** What is around the keys and versions of its witnesses. */
  around: string[];
  /** The places of the witnesses among the content's files. */
  places: number[];
}

/** @param files those of the content, one at each of its locations */
export function templateOf({ action, source }: Step, files: readonly Instance[]): Template {
  const text = JSON.stringify({
    ...action,
    id: "",
    content: `sha256:${HOLE}`,
    size: NUMBER,
    from: { ...action.from, key: HOLE, version: HOLE },
    to: { ...action.to, key: HOLE },
    witnesses: NUMBER,
    bytes: NUMBER,
  });
  const witnesses = action.witnesses.map((witness) => ({ ...witness, key: HOLE, version: HOLE }));
  return {
    pieces: text.slice(BEGINNING.length).split(/"\uffff#"|\uffff/),
    source: files.indexOf(source),
    around: JSON.stringify(witnesses).split(HOLE),
    places: action.witnesses.map(({ location }) => files.findIndex(({ site }) => site.name === location)),
  };
}

export const PIECES = 8;

const quoted = (text: string): Sql => raw(`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')`);

/** An empty line, where one that was made one by one belongs. */
const OWN = /^\n/gm;

const witnesses = sql`CASE WHEN len(c.places) = 0 THEN c.around[1] ELSE concat(array_to_string(list_transform(c.places, lambda place, n:
  concat(c.around[2 * n - 1], ${quoted("l.key")}, c.around[2 * n], ${quoted("l.versions[place]")})), ''), c.around[-1]) END`;

/** In texts of a thousand lines, which cross to JavaScript in half the time that single ones take. */
const linesFrom = (from: number, before: number): Sql => sql`SELECT string_agg(text, '' ORDER BY number) FROM (
    SELECT l.number, CASE WHEN l.own IS NULL THEN concat(${BEGINNING}, 'a', l.number,
      c.p1, l.sha256, c.p2, l.size, c.p3, ${quoted("l.key")}, c.p4, ${quoted("l.versions[c.source]")}, c.p5, ${quoted("l.key")}, c.p6,
      ${witnesses}, c.p7, l.size, c.p8, chr(10)) ELSE chr(10) END AS text
    FROM work.lead l LEFT JOIN work.alike_copies c ON c.class = l.class AND c.site = l.site
    WHERE l.number >= ${from}::BIGINT AND l.number < ${before}::BIGINT
  ) GROUP BY number // 1000 ORDER BY min(number)`;

function rowsOf(steps: readonly (readonly [number, Step])[]): Sql {
  const filled = steps.flatMap(([own, { source, fills }]) => (fills ? [{ own, source, fills }] : []));
  const numbers = (of: (each: (typeof filled)[number]) => number) => column(filled.map(of), "BIGINT");
  return packed({
    own: numbers(({ own }) => own),
    rank: numbers(({ fills }) => fills.wish.author.rank),
    loc: numbers(({ source }) => source.site.order),
    key: column(filled.map(({ source }) => source.key)),
    site: numbers(({ fills }) => fills.site.order),
    target: column(filled.map(({ fills }) => fills.key)),
  });
}
