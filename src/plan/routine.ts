import type { Catalog } from "../catalog/catalog.js";
import { column, join, name, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { entersAnew, freesRoom } from "./guard.js";
import type { Content, Context, Placement } from "./model.js";
import { KIND_ORDER, type Step } from "./order.js";
import type { Action } from "./plan.js";

/**
 * What is done about each content of a class: the steps of one of them, with their lines in the plan, in which is left open what differs. `work.routine`
 * has them for DuckDB; places in a content's lists of files and names begin with 1 there, and with 0 here.
 */
export type Routine = readonly Act[];

interface Act {
  step: Step;
  /** Places among the content's names. */
  spot: number;
  to: number | undefined;
  /** Places among its files. */
  source: number;
  removes: number | undefined;
  line: Line;
}

interface Line {
  /** What is around the open values. */
  pieces: string[];
  /** A letter each, with a place: see `openSql`. */
  open: string[];
  /** The steps of the same content whose numbers are among them. */
  others: number[];
}

/** One of a class. */
export interface Example {
  content: Content;
  /** Its keys, in the order of its files, and then what the rules make of them. */
  names: readonly string[];
  /** The place among the names of what a wish asks for. */
  nameOf(placement: Placement): number | undefined;
}

/** More steps than these that one step waits for are rare. */
const MAX_OTHERS = 4;

/** No key contains a NUL. */
const mark = (location: string, key: string): string => `${location}\0${key}`;

/** @returns undefined where a name is not one that the others have in the same place */
export function routineOf(steps: readonly Step[], example: Example): Routine | undefined {
  // Such a rule's name would look like a value.
  if (JSON.stringify(steps.map(({ action }) => action)).includes(MARK)) return undefined;
  const files = example.content.instances;
  const places = new Map(files.map(({ site, key }, place) => [mark(site.name, key), place]));
  for (const { fills } of steps) {
    if (!fills) continue;
    const place = example.nameOf(fills);
    if (place === undefined || example.names[place] !== fills.key) return undefined;
    places.set(mark(fills.site.name, fills.key), place);
  }
  const numbers = new Map(steps.map(({ action }, index) => [action.id, index]));
  const placeOf = ({ location, key }: { location: string; key: string }): number => places.get(mark(location, key))!;
  const acts = steps.map((step): Act => {
    const { action, source, fills, removes } = step;
    return {
      step,
      spot: fills ? placeOf({ location: fills.site.name, key: fills.key }) : files.indexOf(source),
      to: action.to ? placeOf(action.to) : undefined,
      source: files.indexOf(source),
      removes: removes && files.indexOf(removes),
      line: lineOf(action, fills !== undefined, placeOf, numbers),
    };
  });
  return acts.every(({ line }) => line.others.length <= MAX_OTHERS) ? acts : undefined;
}

/** Around a value that is left open. */
const MARK = "\uffff";
const NUMBER = `${MARK}#`;
const OPEN = /"\uffff#(\w+)\uffff"|\uffff(\w+)\uffff/g;

function lineOf(
  action: Action,
  fills: boolean,
  placeOf: (ref: { location: string; key: string }) => number,
  numbers: ReadonlyMap<string, number>,
): Line {
  const others: number[] = [];
  const key = (ref: { location: string; key: string }) => `${MARK}k${placeOf(ref)}${MARK}`;
  const version = (ref: { location: string; key: string }) => `${MARK}v${placeOf(ref)}${MARK}`;
  const other = (id: string): string => {
    const step = numbers.get(id)!;
    if (!others.includes(step)) others.push(step);
    return `a${MARK}d${others.indexOf(step)}${MARK}`;
  };
  const expect = (to: NonNullable<Action["to"]>): string => {
    if (to.expect === "absent") return to.expect;
    return to.expect.startsWith("action:") ? `action:${other(to.expect.slice("action:".length))}` : version(to);
  };
  const text = JSON.stringify({
    ...action,
    id: `a${MARK}n${MARK}`,
    content: `sha256:${MARK}h${MARK}`,
    size: `${NUMBER}s${MARK}`,
    from: { ...action.from, key: key(action.from), version: version(action.from) },
    to: action.to && { ...action.to, key: key(action.to), expect: expect(action.to) },
    witnesses: action.witnesses.map((each) => ({
      ...each,
      key: key(each),
      version: each.version === null ? null : version(each),
    })),
    depends_on: action.depends_on.map(other),
    bytes: fills ? `${NUMBER}s${MARK}` : 0,
  });
  const pieces: string[] = [];
  const open: string[] = [];
  let at = 0;
  for (const found of text.matchAll(OPEN)) {
    pieces.push(text.slice(at, found.index));
    open.push(found[1] ?? found[2]!);
    at = found.index + found[0].length;
  }
  return { pieces: [...pieces, text.slice(at)], open, others };
}

/** Fills `work.routine`; each line has a `shape`, which says what is open where. */
export async function writeRoutines(
  catalog: Catalog,
  routines: ReadonlyMap<string, Routine>,
  context: Context,
): Promise<Shapes> {
  const all = [...routines].flatMap(([of, acts]) => acts.map((act, place) => ({ of, place, ...act })));
  const shapes = [...new Set(all.map(({ line }) => line.open.join(" ")))];
  const most = Math.max(0, ...all.map(({ line }) => line.pieces.length));
  const others = Math.max(0, ...all.map(({ line }) => line.others.length));
  await catalog.run(sql`CREATE OR REPLACE TABLE work.routine (class VARCHAR, step BIGINT, kind VARCHAR, turn BIGINT, rank BIGINT, loc BIGINT, site BIGINT, spot BIGINT,
    source BIGINT, fills BIGINT, removes BIGINT, enters BIGINT, frees BIGINT, rule VARCHAR, reason VARCHAR, from_location VARCHAR, to_location VARCHAR, "to" BIGINT, shape BIGINT
    ${columns("other", others, "BIGINT")}${columns("piece", most, "VARCHAR")})`);
  if (all.length === 0) return { open: [], others };
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
    to: place(({ to }) => to),
    shape: numbers(({ line }) => shapes.indexOf(line.open.join(" "))),
    ...Object.fromEntries(range(others).map((n) => [`other${n}`, numbers(({ line }) => line.others[n])])),
    ...Object.fromEntries(range(most).map((n) => [`piece${n}`, words(({ line }) => line.pieces[n])])),
  });
  await catalog.run(sql`INSERT INTO work.routine BY NAME SELECT * FROM ${rows}`);
  return { open: shapes.map((shape) => shape.split(" ")), others };
}

/** Passes of the order, and kinds within them. */
export const turnOf = ({ pass, action }: Step): number => pass * 10 + KIND_ORDER[action.kind];

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

const columns = (of: string, count: number, type: string): Sql =>
  raw(
    range(count)
      .map((n) => `, ${of}${n} ${type}`)
      .join(""),
  );

/** What is open in the lines of `work.routine`, by their shape; and of how many others they name the numbers at most. */
export interface Shapes {
  open: readonly (readonly string[])[];
  others: number;
}

/** A line of the plan from rows `l` of `work.lead` and `c` of `work.routine`. */
export function lineSql({ open }: Shapes): Sql {
  if (open.length === 0) return raw("''");
  const cases = open.map((values, shape) => {
    const parts = values.map((value, n) => sql`${name(`piece${n}`)}, ${openSql(value)}`);
    return sql`WHEN ${raw(String(shape))} THEN concat(${join([...parts, name(`piece${values.length}`)])})`;
  });
  return sql`CASE c.shape ${join(cases, " ")} END`;
}

function openSql(open: string): Sql {
  const place = Number(open.slice(1));
  switch (open[0]) {
    case "n":
      return raw("l.number");
    case "h":
      return raw("l.sha256");
    case "s":
      return raw("l.size");
    case "d":
      return raw(`l.number${place}`);
    case "k":
      return quoted(`l.names[${place + 1}]`);
    case "v":
      return quoted(`l.versions[${place + 1}]`);
    default:
      throw new Error(`no value is called ${open}`);
  }
}

const quoted = (text: string): Sql => raw(`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')`);
