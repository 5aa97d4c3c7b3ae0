import type { Catalog } from "../catalog/catalog.js";
import { openSpool } from "../catalog/spool.js";
import { type Sql, sql } from "../catalog/sql.js";
import type { Evaluation } from "./evaluate.js";
import { lineSql, openColumns, type Shapes, waitingNumbers } from "./line.js";
import type { Step } from "./order.js";
import type { Action } from "./plan.js";
import { type Lead, line, NO_LEAD } from "./seal.js";

/** Puts the lines of `work.alike` in their places among the others, which get their numbers in the order of all. */
export async function leadWith(
  catalog: Catalog,
  { steps, alike }: Evaluation,
): Promise<{ lead: Lead; steps: readonly Step[] }> {
  if (alike.steps === 0) return { lead: NO_LEAD, steps };
  const places = await layOut(catalog, alike.shapes);
  const ids = new Map(steps.map(({ action }, index) => [action.id, `a${places[index]!.number}`]));
  const numbered = steps.map((step) => ({ ...step, action: renumber(step.action, ids) }));
  const pieces = openSpool(catalog.file);
  const own = numbered.values();
  const count = alike.steps + steps.length;
  const lines = await linesAtOnce(catalog);
  for (let from = 1; from <= count; from += lines) {
    for await (const texts of catalog.texts(linesFrom(from, from + lines, alike.shapes)))
      for (const text of texts) pieces.add(Buffer.from(text.replace(OWN, () => line(own.next().value?.action))));
  }
  if (!own.next().done) throw new Error("a line that was made one by one has no place");
  return { lead: { own: steps.length, pieces }, steps: numbered };
}

/**
 * Fills `work.lead` with all of `work.numbers`, in that order. A condition that always holds makes DuckDB take the numbers into its memory, and not the names: see `small`.
 * @returns the numbers of what was looked at one by one
 */
async function layOut(catalog: Catalog, shapes: Shapes): Promise<{ number: number }[]> {
  // By itself: joined and put in order in one go, both would want all of the memory.
  if (shapes.others > 0) await catalog.run(sql`CREATE OR REPLACE TABLE work.numbers AS ${waitingNumbers(shapes)}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.lead AS SELECT * FROM (
    SELECT n.number, n.own, n.step, a.class, a.sha256, a.size, ${openColumns(shapes)}
    FROM work.alike a JOIN (SELECT * FROM work.numbers WHERE number > 0 AND step >= 0) n ON n.cid = a.cid
      JOIN work.routine c ON c.class = a.class AND c.step = n.step
    UNION ALL BY NAME SELECT number, own FROM work.numbers WHERE own IS NOT NULL) ORDER BY number`);
  return catalog.rows(sql<{ number: number }>`SELECT number FROM work.lead WHERE own IS NOT NULL ORDER BY own`);
}

/** What DuckDB puts into texts together can not leave its memory. */
const BYTES_AT_ONCE = 1 << 25;

/** An action has a source, a target and so many witnesses at most, but for contents at more locations than that. */
const MOST_NAMES = 10;

/** How many lines are asked for at a time. */
async function linesAtOnce(catalog: Catalog): Promise<number> {
  const row = await catalog.row(sql<{ bytes: number }>`
    SELECT coalesce(max(least(${MOST_NAMES}::BIGINT, 1 + len(names)) * (list_max(list_transform(names, lambda name: strlen(name))) + list_max(list_transform(files, lambda file: strlen(file.version))) + 60)), 0)::BIGINT AS bytes FROM work.alike`);
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
