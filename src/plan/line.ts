import { join, name, raw, type Sql, sql } from "../catalog/sql.js";
import type { Action, Ref } from "./plan.js";

/** A line of the plan file in which names, versions and numbers are left open. */
export interface Line {
  /** What is around the open values. */
  pieces: string[];
  /** A letter each, with a place: see `openSql`. */
  open: string[];
  /** The names, the files with versions, and the steps of the same content that are among them; the first name is that of what is copied, moved or deleted. */
  names: number[];
  versions: number[];
  others: number[];
  /** The place of the target's name among these names. */
  to: number | undefined;
}

/** Around a value that is left open. */
const MARK = "\uffff";
const NUMBER = `${MARK}#`;
const OPEN = /"\uffff#(\w+)\uffff"|\uffff(\w+)\uffff/g;

/**
 * @param placeOf the place of a name, and of a file, in the content's lists
 * @param numbers the places of the content's steps, by their ids
 * @returns undefined where the action's own text looks like an open value
 */
export function lineOf(
  action: Action,
  fills: boolean,
  placeOf: (ref: Ref) => number,
  numbers: ReadonlyMap<string, number>,
): Line | undefined {
  if (JSON.stringify(action).includes(MARK)) return undefined;
  const names: number[] = [];
  const versions: number[] = [];
  const others: number[] = [];
  const open = (letter: string, values: number[], value: number): string => {
    if (!values.includes(value)) values.push(value);
    return `${MARK}${letter}${values.indexOf(value)}${MARK}`;
  };
  const key = (ref: Ref) => open("k", names, placeOf(ref));
  const version = (ref: Ref) => open("v", versions, placeOf(ref));
  const other = (id: string): string => `a${open("d", others, numbers.get(id)!)}`;
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
  const to = action.to ? names.indexOf(placeOf(action.to)) : undefined;
  return { ...split(text), names, versions, others, to };
}

function split(text: string): Pick<Line, "pieces" | "open"> {
  const pieces: string[] = [];
  const open: string[] = [];
  let at = 0;
  for (const found of text.matchAll(OPEN)) {
    pieces.push(text.slice(at, found.index));
    open.push(found[1] ?? found[2]!);
    at = found.index + found[0].length;
  }
  return { pieces: [...pieces, text.slice(at)], open };
}

/** What is open in the lines of `work.routine`, by their shape, and how many names, versions and numbers of others a line has at most. */
export interface Shapes {
  open: readonly (readonly string[])[];
  names: number;
  versions: number;
  others: number;
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** The columns of `work.lead` that lines take their values from, out of rows `a` of `work.alike`, `c` of `work.routine` and `n` of `work.numbers`. */
export const openColumns = ({ names, versions, others }: Shapes): Sql =>
  listed([
    ...range(names).map((n) => `a.names[c.name${n}] AS name${n}`),
    ...range(versions).map((n) => `a.files[c.version${n}].version AS version${n}`),
    ...range(others).map((n) => `n.number${n}`),
  ]);

/** All columns of `work.numbers`, with the numbers of what each waits for. */
export const waitingNumbers = ({
  others,
}: Shapes): Sql => sql`SELECT n.*, ${listed(range(others).map((n) => `n${n}.number AS number${n}`))}
  FROM work.numbers n LEFT JOIN work.alike a ON a.cid = n.cid LEFT JOIN work.routine c ON c.class = a.class AND c.step = n.step
  ${raw(
    range(others)
      .map((n) => `LEFT JOIN work.numbers n${n} ON n${n}.cid = n.cid AND n${n}.step = c.other${n}`)
      .join(" "),
  )}`;

const listed = (columns: readonly string[]): Sql => raw(columns.join(", "));

/** A line of the plan from rows `l` of `work.lead`, which has the names and versions that the line needs, and `c` of `work.routine`. */
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
      return quoted(`l.name${place}`);
    case "v":
      return quoted(`l.version${place}`);
    default:
      throw new Error(`no value is called ${open}`);
  }
}

const quoted = (text: string): Sql => raw(`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')`);
