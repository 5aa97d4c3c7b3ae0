import type { Catalog } from "../catalog/catalog.js";
import { column, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { batch } from "../lib/iter.js";
import type { Evaluation } from "./evaluate.js";
import type { Step } from "./order.js";
import type { Action } from "./plan.js";
import { lineSql, type Shapes, turnOf } from "./routine.js";
import { type Lead, line, NO_LEAD } from "./seal.js";

/**
 * Puts the steps of `work.alike` in their places among the others, numbers all anew and keeps the new numbers in `work.lead`. What waits, waits for steps of its own content
 * or of others that were looked at one by one: all get the places that they would get together.
 */
export async function leadWith(
  catalog: Catalog,
  { steps, alike }: Evaluation,
): Promise<{ lead: Lead; steps: readonly Step[] }> {
  if (alike.steps === 0) return { lead: NO_LEAD, steps };
  const places = await merge(catalog, steps, alike.shapes);
  const ids = new Map(steps.map(({ action }, index) => [action.id, `a${places[index]!.number}`]));
  const numbered = steps.map((step) => ({ ...step, action: renumber(step.action, ids) }));
  const pieces: Buffer[] = [];
  const own = numbered.values();
  const count = alike.steps + steps.length;
  const lines = await linesAtOnce(catalog);
  for (let from = 1; from <= count; from += lines) {
    for await (const texts of catalog.texts(linesFrom(from, from + lines, alike.shapes)))
      for (const text of texts) pieces.push(Buffer.from(text.replace(OWN, () => line(own.next().value?.action))));
  }
  return { lead: { own: steps.length, pieces }, steps: numbered };
}

/** Fills `work.lead` with the steps of `work.alike` and these, in the order of all. @returns the places of these */
async function merge(catalog: Catalog, steps: readonly Step[], { others }: Shapes): Promise<{ number: number }[]> {
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.own (own BIGINT, turn BIGINT, rank BIGINT, loc BIGINT, key VARCHAR, site BIGINT, spot VARCHAR)`,
  );
  for await (const group of batch(steps.entries(), ROWS_AT_ONCE))
    await catalog.run(sql`INSERT INTO work.own BY NAME SELECT * FROM ${rowsOf(group)}`);
  // Numbered with as little as it takes, and then laid out in the order in which it is asked for.
  await catalog.run(sql`CREATE OR REPLACE TABLE work.numbers AS
    SELECT row_number() OVER (ORDER BY turn, rank, loc, key, site, spot) AS number, own, step, cid FROM (
      SELECT c.turn, c.rank, c.loc, a.names[c.source] AS key, c.site, a.names[c.spot] AS spot, a.cid, c.step, NULL::BIGINT AS own
      FROM work.alike a JOIN work.routine c ON c.class = a.class
      UNION ALL BY NAME SELECT * FROM work.own)`);
  const waitedFor = Array.from({ length: others }, (_, n) => n);
  const joins = waitedFor.map((n) => `LEFT JOIN work.numbers n${n} ON n${n}.cid = n.cid AND n${n}.step = c.other${n}`);
  if (others > 0) joins.unshift("LEFT JOIN work.routine c ON c.class = a.class AND c.step = n.step");
  await catalog.run(sql`CREATE OR REPLACE TABLE work.lead AS
    SELECT n.number, n.own, n.step, a.class, a.names, a.sha256, a.size, list_transform(a.files, lambda file: file.version) AS versions
      ${raw(waitedFor.map((n) => `, n${n}.number AS number${n}`).join(""))}
    FROM work.numbers n LEFT JOIN work.alike a ON a.cid = n.cid ${raw(joins.join(" "))} ORDER BY n.number`);
  return catalog.rows(sql<{ number: number }>`SELECT number FROM work.lead WHERE own IS NOT NULL ORDER BY own`);
}

const ROWS_AT_ONCE = 100_000;
/** What DuckDB puts into texts together can not leave its memory. */
const BYTES_AT_ONCE = 1 << 25;

/** How many lines are asked for at a time. */
async function linesAtOnce(catalog: Catalog): Promise<number> {
  const row = await catalog.row(sql<{ bytes: number }>`
    SELECT coalesce(max((1 + len(files)) * (list_max(list_transform(names, lambda name: strlen(name))) + list_max(list_transform(files, lambda file: strlen(file.version))) + 60)), 0)::BIGINT AS bytes FROM work.alike`);
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

/** An empty line, where one that was made one by one belongs. */
const OWN = /^\n/gm;

/** In texts of a thousand lines, which cross to JavaScript in half the time that single ones take. */
const linesFrom = (
  from: number,
  before: number,
  shapes: Shapes,
): Sql => sql`SELECT string_agg(text, '' ORDER BY number) FROM (
    SELECT l.number, concat(CASE WHEN l.own IS NULL THEN ${lineSql(shapes)} END, chr(10)) AS text
    FROM work.lead l LEFT JOIN work.routine c ON c.class = l.class AND c.step = l.step
    WHERE l.number >= ${from}::BIGINT AND l.number < ${before}::BIGINT
  ) GROUP BY number // 1000 ORDER BY min(number)`;

function rowsOf(steps: readonly (readonly [number, Step])[]): Sql {
  const numbers = (of: (step: Step) => number) =>
    column(
      steps.map(([, step]) => of(step)),
      "BIGINT",
    );
  const words = (of: (step: Step) => string) => column(steps.map(([, step]) => of(step)));
  return packed({
    own: column(
      steps.map(([own]) => own),
      "BIGINT",
    ),
    turn: numbers(turnOf),
    rank: numbers(({ rank }) => rank),
    loc: numbers(({ source }) => source.site.order),
    key: words(({ source }) => source.key),
    site: numbers(({ source, fills }) => (fills ?? source).site.order),
    spot: words(({ source, fills }) => (fills ?? source).key),
  });
}
