import type { Catalog } from "../catalog/catalog.js";
import { column, type PackedColumn, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { entersAnew, freesRoom } from "./guard.js";
import { type Line, lineOf, range, type Shapes } from "./line.js";
import type { Content, Context, Placement } from "./model.js";
import { KIND_ORDER, type Step } from "./order.js";
import type { Ref } from "./plan.js";

/**
 * What is done about each content of a class: the steps of one of them, with their lines in the plan, in which is left open what differs. `work.routine`
 * has them for DuckDB; places in a content's lists of files and names begin with 1 there, and with 0 here.
 */
export type Routine = readonly Act[];

interface Act {
  step: Step;
  /** Place among the content's names. */
  spot: number;
  /** Places among its files. */
  source: number;
  removes: number | undefined;
  line: Line;
}

/** One of a class. */
export interface Example {
  content: Content;
  /** Its keys, in the order of its files, and then what the rules make of them. */
  names: readonly string[];
  /** The place among the names of what a wish asks for. */
  nameOf(placement: Placement): number;
}

/** More steps than these that one step waits for are rare. */
const MAX_OTHERS = 4;

/** No key contains a NUL. */
const mark = (location: string, key: string): string => `${location}\0${key}`;

/** @returns undefined where DuckDB would write something else */
export function routineOf(steps: readonly Step[], example: Example): Routine | undefined {
  const files = example.content.instances;
  const places = new Map(files.map(({ site, key }, place) => [mark(site.name, key), place]));
  for (const { fills } of steps) {
    if (!fills) continue;
    const place = example.nameOf(fills);
    if (example.names[place] !== fills.key) return undefined;
    places.set(mark(fills.site.name, fills.key), place);
  }
  const numbers = new Map(steps.map(({ action }, index) => [action.id, index]));
  const placeOf = ({ location, key }: Ref): number => places.get(mark(location, key))!;
  const acts: Act[] = [];
  for (const step of steps) {
    const { action, source, fills, removes } = step;
    const line = lineOf(action, fills !== undefined, placeOf, numbers);
    if (!line || line.others.length > MAX_OTHERS) return undefined;
    const from = files.indexOf(source);
    const spot = fills ? placeOf({ location: fills.site.name, key: fills.key }) : from;
    acts.push({ step, spot, source: from, removes: removes && files.indexOf(removes), line });
  }
  return acts;
}

/** Fills `work.routine`; each line has a `shape`, which says what is open where. */
export async function writeRoutines(
  catalog: Catalog,
  routines: ReadonlyMap<string, Routine>,
  context: Context,
): Promise<Shapes> {
  const all = [...routines].flatMap(([of, acts]) => acts.map((act, place) => ({ of, place, ...act })));
  const shapes = [...new Set(all.map(({ line }) => line.open.join(" ")))];
  const most = (of: (line: Line) => unknown[]): number => Math.max(0, ...all.map(({ line }) => of(line).length));
  const pieces = most((line) => line.pieces);
  const known: Shapes = {
    open: shapes.map((shape) => shape.split(" ")),
    // Source and target, for the record of the plan.
    names: Math.max(
      2,
      most((line) => line.names),
    ),
    versions: most((line) => line.versions),
    others: most((line) => line.others),
  };
  await catalog.run(sql`CREATE OR REPLACE TABLE work.routine (class VARCHAR, step BIGINT, kind VARCHAR, turn BIGINT, rank BIGINT, loc BIGINT, site BIGINT, spot BIGINT,
    source BIGINT, fills BIGINT, removes BIGINT, enters BIGINT, frees BIGINT, rule VARCHAR, reason VARCHAR, from_location VARCHAR, to_location VARCHAR, "to" BIGINT, shape BIGINT
    ${columns("name", known.names, "BIGINT")}${columns("version", known.versions, "BIGINT")}${columns("other", known.others, "BIGINT")}${columns("piece", pieces, "VARCHAR")})`);
  if (all.length === 0) return known;
  type Row = (typeof all)[number];
  const numbers = (of: (row: Row) => number | undefined) => column(all.map(of), "BIGINT");
  const words = (of: (row: Row) => string | undefined) => column(all.map(of));
  const place = (of: (row: Row) => number | undefined) =>
    numbers((row) => {
      const found = of(row);
      return found === undefined ? undefined : found + 1;
    });
  const rows = packed({
    class: words((row) => row.of),
    step: numbers((row) => row.place),
    kind: words(({ step }) => step.action.kind),
    turn: numbers(({ step }) => turnOf(step)),
    rank: numbers(({ step }) => step.rank),
    loc: numbers(({ step }) => step.source.site.order),
    site: numbers(({ step }) => (step.fills ?? step.source).site.order),
    spot: place(({ spot }) => spot),
    source: place(({ source }) => source),
    fills: numbers(({ step }) => (step.fills ? 1 : 0)),
    removes: place(({ removes }) => removes),
    enters: numbers(({ step }) => (entersAnew(step) ? 1 : 0)),
    frees: numbers(({ step }) => (freesRoom(step, context) ? 1 : 0)),
    rule: words(({ step }) => step.action.rule.name),
    reason: words(({ step }) => step.action.reason),
    from_location: words(({ step }) => step.action.from.location),
    to_location: words(({ step }) => step.action.to?.location),
    to: place(({ line }) => line.to),
    shape: numbers(({ line }) => shapes.indexOf(line.open.join(" "))),
    ...filled("name", known.names, (n) => place(({ line }) => line.names[n])),
    ...filled("version", known.versions, (n) => place(({ line }) => line.versions[n])),
    ...filled("other", known.others, (n) => numbers(({ line }) => line.others[n])),
    ...filled("piece", pieces, (n) => words(({ line }) => line.pieces[n])),
  });
  await catalog.run(sql`INSERT INTO work.routine BY NAME SELECT * FROM ${rows}`);
  return known;
}

/** Passes of the order, and kinds within them. */
export const turnOf = ({ pass, action }: Step): number => pass * 10 + KIND_ORDER[action.kind];

const columns = (of: string, count: number, type: string): Sql =>
  raw(
    range(count)
      .map((n) => `, ${of}${n} ${type}`)
      .join(""),
  );

const filled = (columns: string, count: number, of: (n: number) => PackedColumn): Record<string, PackedColumn> =>
  Object.fromEntries(range(count).map((n) => [`${columns}${n}`, of(n)]));
