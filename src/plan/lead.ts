import type { Catalog } from "../catalog/catalog.js";
import { column, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { batch } from "../lib/iter.js";
import type { Evaluation } from "./evaluate.js";
import type { Instance } from "./model.js";
import type { Step } from "./order.js";
import type { Action, Source, Witness } from "./plan.js";
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
  await catalog.run(sql`CREATE OR REPLACE TABLE work.lead AS
    SELECT row_number() OVER (ORDER BY rank, loc, key, site, target) AS number, * FROM (
      SELECT c.rank, c.loc, a.key, c.site, a.key AS target, a.cid, NULL::BIGINT AS own
      FROM work.alike a JOIN work.alike_copies c ON c.class = a.class
      UNION ALL BY NAME SELECT * FROM work.first)`);
  return catalog.rows(sql<{ number: number }>`SELECT number FROM work.lead WHERE own IS NOT NULL ORDER BY own`);
}

const ROWS_AT_ONCE = 100_000;
/** What DuckDB puts into texts together can not leave its memory. */
const BYTES_AT_ONCE = 1 << 25;

/** How many lines are asked for at a time. */
async function linesAtOnce(catalog: Catalog): Promise<number> {
  const row = await catalog.row(sql<{ bytes: number }>`
    SELECT coalesce(max((1 + len(files)) * (strlen(key) + strlen(files[1].version) + 60)), 0)::BIGINT AS bytes FROM work.alike`);
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
const HOLE = "\uffff";
const NUMBER = `${HOLE}#`;

/**
 * A copy's line without its number and what is before it, as the `PIECES` pieces around its hash, size, key, version, key, witnesses and size;
 * those of the witnesses around their keys and versions, with the places of these among the content's files.
 */
export function templateOf(action: Action, files: readonly Instance[]): Template | undefined {
  const placeOf = ({ location, key, version }: Source | Witness): number =>
    files.findIndex((file) => file.site.name === location && file.key === key && file.version === version);
  const [source, witnesses] = [placeOf(action.from), action.witnesses.map(placeOf)];
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
  const pieces = text.slice(BEGINNING.length).split(/"\uffff#"|\uffff/);
  if (pieces.length !== PIECES || [source, ...witnesses].includes(-1)) return undefined;
  const seen = JSON.stringify(action.witnesses.map((witness) => ({ ...witness, key: HOLE, version: HOLE }))).split(
    HOLE,
  );
  return { pieces, source, seen, witnesses };
}

export interface Template {
  pieces: string[];
  /** The place of what is copied among the content's files. */
  source: number;
  seen: string[];
  witnesses: number[];
}

export const PIECES = 8;
/** Between the pieces of a text. */
export const CUT = HOLE;

const quoted = (text: string): Sql => raw(`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')`);

/** An empty line, where one that was made one by one belongs. */
const OWN = /^\n/gm;

const witnesses = sql`CASE WHEN len(c.witnesses) = 0 THEN c.seen[1] ELSE concat(array_to_string(list_transform(c.witnesses, lambda place, n:
  concat(c.seen[2 * n - 1], ${quoted("a.key")}, c.seen[2 * n], ${quoted("a.files[place].version")})), ''), c.seen[-1]) END`;

/** In texts of a thousand lines, which cross to JavaScript in half the time that single ones take. */
const linesFrom = (from: number, before: number): Sql => sql`SELECT string_agg(text, '' ORDER BY number) FROM (
    SELECT l.number, CASE WHEN l.own IS NULL THEN concat(${BEGINNING}, 'a', l.number,
      c.p1, a.sha256, c.p2, a.size, c.p3, ${quoted("a.key")}, c.p4, ${quoted("a.files[c.source].version")}, c.p5, ${quoted("a.key")}, c.p6,
      ${witnesses}, c.p7, a.size, c.p8, chr(10)) ELSE chr(10) END AS text
    FROM work.lead l LEFT JOIN work.alike a ON a.cid = l.cid LEFT JOIN work.alike_copies c ON c.class = a.class AND c.site = l.site
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
