import { createHash } from "node:crypto";
import { requireHeap } from "../lib/heap.js";
import type { Action, Plan, PlanFooter, PlanHeader } from "./plan.js";

/** Whole lines of a plan file. */
type Piece = string | Buffer;

/** The actions that a plan begins with, where DuckDB has made some of them. */
export interface Lead {
  /** Their lines in the plan file, many in one piece, and outside of the heap that Node bounds: see `Spool`. */
  pieces: Iterable<Buffer>;
  /** How many of them were made one by one: these are the first of the actions, too. */
  own: number;
}

export const NO_LEAD: Lead = { pieces: [], own: 0 };

/** A header, an action or a footer as the line that it is in a plan file. */
export const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/**
 * Puts a plan together: derives `plan_id` from all of the content, and closes with the digest of every byte before the last line.
 * @param actions all but those of which only `lead` has the lines
 * @param options.keepText the plan will be written: its text, some 500 bytes an action, is made once and kept for `planText`
 */
export function seal(
  header: Omit<PlanHeader, "plan_id">,
  actions: Action[],
  footer: Omit<PlanFooter, "digest">,
  { lead = NO_LEAD, keepText = false }: { lead?: Lead; keepText?: boolean } = {},
): Plan {
  const { type, format_version, stowage_version, ...rest } = header;
  const body = bodyOf(lead, actions, keepText);
  const plan_id = idOf(header, body.pieces(), footer);
  const sealed: PlanHeader = { type, format_version, stowage_version, plan_id, ...rest };
  const digest = digestOf([line(sealed)], body.pieces());
  const end = { ...footer, digest: `sha256:${digest}` };
  let all: Action[] | undefined;
  const plan: Plan = {
    header: sealed,
    get actions() {
      if (all || lead === NO_LEAD) return all ?? actions;
      const count = countOf(plan);
      requireHeap(count * BYTES_EACH, `${count.toLocaleString("en")} actions`);
      all = [...body.actions()];
      return all;
    },
    footer: end,
  };
  bodies.set(plan, body);
  return plan;
}

/** Of an action that is made from its line: the least that was measured. */
const BYTES_EACH = 800;

/** How many actions a plan has, without making any. */
export function countOf({ footer }: Plan): number {
  const { copy, move, delete: remove, verify } = footer.summary;
  return copy + move + remove + verify;
}

interface Body {
  pieces(): Iterable<Piece>;
  actions(): Iterable<Action>;
}

const bodies = new WeakMap<Plan, Body>();

function bodyOf(lead: Lead, actions: readonly Action[], keepText: boolean): Body {
  const rest = actions.slice(lead.own);
  const text = keepText ? [...piecesOf(rest)] : undefined;
  return {
    *pieces() {
      yield* lead.pieces;
      yield* text ?? piecesOf(rest);
    },
    *actions() {
      for (const piece of lead.pieces)
        yield* JSON.parse(`[${piece.toString().trimEnd().replaceAll("\n", ",")}]`) as Action[];
      yield* rest;
    },
  };
}

/** The actions one after the other. A plan of millions has most of them as text only, and `plan.actions` would hold them all. */
export const actionsOf = (plan: Plan): Iterable<Action> => bodies.get(plan)?.actions() ?? plan.actions;

/** The plan file (NDJSON) in pieces of whole lines. */
export function* planText(plan: Plan): Generator<string> {
  yield line(plan.header);
  for (const piece of bodies.get(plan)?.pieces() ?? piecesOf(plan.actions)) yield piece.toString();
  yield line(plan.footer);
}

/** The name that a plan has by what it says. */
export const idOf = (header: Omit<PlanHeader, "plan_id">, actions: Iterable<Piece>, footer: object): string =>
  `p-${digestOf([line(header)], actions, [line(footer)]).slice(0, 16)}`;

function digestOf(...parts: Iterable<Piece>[]): string {
  const hash = createHash("sha256");
  for (const pieces of parts) for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** The lines, many in one text; but no plan has to be one string. */
export function* piecesOf(actions: readonly Action[]): Generator<string> {
  let text = "";
  for (const action of actions) {
    text += line(action);
    if (text.length < PIECE) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

/** What is hashed and read at once. */
export const PIECE = 1 << 20;
