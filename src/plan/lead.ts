import type { Catalog } from "../catalog/catalog.js";
import { column, packed, raw, type Sql, sql } from "../catalog/sql.js";
import type { Evaluation } from "./evaluate.js";
import type { Step } from "./order.js";
import type { Action } from "./plan.js";

/** The copies that a plan begins with, where DuckDB has made some of them. */
export interface Lead {
  /** Their lines in the plan file, many in one piece, and outside of the heap that Node bounds. */
  pieces: readonly Buffer[];
  /** How many of them were made one by one: these are the first of the steps, too. */
  own: number;
}

export const NO_LEAD: Lead = { pieces: [], own: 0 };

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
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.first (own BIGINT, rank BIGINT, loc BIGINT, key VARCHAR, site BIGINT, target VARCHAR, line VARCHAR)`,
  );
  if (first.length > 0) await catalog.run(sql`INSERT INTO work.first BY NAME SELECT * FROM ${rowsOf(first)}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.lead AS
    SELECT row_number() OVER (ORDER BY rank, loc, key, site, target) AS number, * FROM (
      SELECT c.rank, a.loc, a.key, c.site, a.key AS target, a.class, a.sha256, a.size, a.version, NULL::BIGINT AS own, NULL::VARCHAR AS line
      FROM work.alike a JOIN work.alike_copies c ON c.class = a.class
      UNION ALL BY NAME SELECT * FROM work.first)`);
  const places = await catalog.rows(
    sql<{ number: number }>`SELECT number FROM work.lead WHERE own IS NOT NULL ORDER BY own`,
  );
  const numberOf = (index: number): number => places[index]?.number ?? index + 1 + alike.copies;
  const ids = new Map(steps.map(({ action }, index) => [action.id, `a${numberOf(index)}`]));
  const numbered = steps.map((step) => ({ ...step, action: renumber(step.action, ids) }));
  const pieces: Buffer[] = [];
  for (let from = 0; from <= alike.copies + first.length; from += AT_ONCE)
    for await (const texts of catalog.texts(linesFrom(from))) for (const text of texts) pieces.push(Buffer.from(text));
  return { lead: { own: first.length, pieces }, steps: numbered };
}

/** How many lines DuckDB holds together: what is put into one text can not leave its memory. */
const AT_ONCE = 100_000;

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

/** A copy's line without its number and what is before it, as the seven pieces around its hash, size, key, version, key and size. */
export function piecesOf(action: Action): string[] {
  const line = JSON.stringify({
    ...action,
    id: "",
    content: `sha256:${HOLE}`,
    size: NUMBER,
    from: { ...action.from, key: HOLE, version: HOLE },
    to: { ...action.to, key: HOLE },
    bytes: NUMBER,
  });
  return line.slice(BEGINNING.length).split(/"\uffff#"|\uffff/);
}

const quoted = (text: string): Sql => raw(`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')`);

/** In texts of a thousand lines, which cross to JavaScript in half the time that single ones take. */
const linesFrom = (number: number): Sql => sql`SELECT string_agg(text, '' ORDER BY number) FROM (
    SELECT l.number, concat(${BEGINNING}, 'a', l.number, coalesce(l.line,
      concat(c.p1, l.sha256, c.p2, l.size, c.p3, ${quoted("l.key")}, c.p4, ${quoted("l.version")}, c.p5, ${quoted("l.key")}, c.p6, l.size, c.p7)), chr(10)) AS text
    FROM work.lead l LEFT JOIN work.alike_copies c ON c.class = l.class AND c.site = l.site
    WHERE l.number >= ${number}::BIGINT AND l.number < ${number + AT_ONCE}::BIGINT
  ) GROUP BY number // 1000 ORDER BY min(number)`;

function rowsOf(steps: readonly Step[]): Sql {
  const filled = steps.flatMap(({ action, source, fills }) => (fills ? [{ action, source, fills }] : []));
  return packed({
    own: column(filled.keys(), "BIGINT"),
    rank: column(
      filled.map(({ fills }) => fills.wish.author.rank),
      "BIGINT",
    ),
    loc: column(
      filled.map(({ source }) => source.site.order),
      "BIGINT",
    ),
    key: column(filled.map(({ source }) => source.key)),
    site: column(
      filled.map(({ fills }) => fills.site.order),
      "BIGINT",
    ),
    target: column(filled.map(({ fills }) => fills.key)),
    line: column(filled.map(({ action }) => JSON.stringify(action).slice(BEGINNING.length + action.id.length))),
  });
}
