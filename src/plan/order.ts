import { compareKeys } from "../lib/key.js";
import { type Draft, draftAll } from "./draft.js";
import { byConfigOrder, type Content, type Context, type Instance, type Placement } from "./model.js";
import type { Action, ActionKind, Source, Target } from "./plan.js";
import { openPresence, type Presence } from "./presence.js";
import type { Settlement } from "./settle.js";
import type { Site } from "./site.js";
import { floorOf } from "./veto.js";

/** One entry of a plan's order: the action and what it does to the world. */
export interface Step {
  action: Action;
  content: Content;
  /** What the action reads or takes away. */
  source: Instance;
  fills: Placement | undefined;
  removes: Instance | undefined;
  /** The rank of who wants it. */
  rank: number;
  /** In which pass over all that waits it got its place, from 1. */
  pass: number;
}

/**
 * Turns a settlement into actions in execution order: copies first, then moves, then deletes, as far as what depends on
 * what allows it. The order of equals is that of the rules, then locations, then keys, so equal input gives equal bytes.
 */
export function orderActions(settlement: Settlement, context: Context): Step[] {
  const drafts = draftAll(settlement, context);
  const ordered = topological(drafts);
  return number(ordered, context, settlement);
}

export const KIND_ORDER: Record<ActionKind, number> = { copy: 0, move: 1, delete: 2, verify: 3 };

const sortDrafts = (drafts: readonly Draft[]): Draft[] =>
  [...drafts].sort(
    (a, b) =>
      KIND_ORDER[a.kind] - KIND_ORDER[b.kind] ||
      a.author.rank - b.author.rank ||
      compareSources(a.from, b.from) ||
      spotOf(a).site.order - spotOf(b).site.order ||
      compareKeys(spotOf(a).key, spotOf(b).key),
  );

/** `byConfigOrder`, which DuckDB has worked out for most. */
const compareSources = (a: Instance, b: Instance): number =>
  a.place > 0 && b.place > 0 ? a.place - b.place : byConfigOrder(a, b);

const spotOf = ({ fills, from }: Draft): { site: Site; key: string } => fills ?? from;

/** Kahn's algorithm, level by level in the order of `sortDrafts`. What is left over waits for itself: a defect. */
function topological(drafts: Draft[]): Draft[] {
  const ordered: Draft[] = [];
  let waiting = sortDrafts(drafts);
  for (let pass = 1; waiting.length > 0; pass += 1) {
    const next: Draft[] = [];
    for (const each of waiting) {
      if (each.after.size === 0 || [...each.after].every((before) => before.place > 0)) {
        ordered.push(each);
        each.place = ordered.length;
        each.pass = pass;
      } else next.push(each);
    }
    if (next.length === waiting.length)
      throw new Error(`actions wait for each other: ${next.map((each) => each.from.key).join(", ")}`);
    waiting = next;
  }
  return ordered;
}

function number(ordered: readonly Draft[], context: Context, settlement: Settlement): Step[] {
  const presenceOf = presenceOfEach(settlement);
  const moved = new Set(ordered.flatMap(({ arrives }) => (arrives && "wish" in arrives ? [arrives] : [])));
  const filler = new Map<Placement, string>();
  return ordered.map((each, index) => {
    const id = `a${index + 1}`;
    const { content } = each.from;
    const presence = presenceOf(content);
    const before = presence.copies();
    if (each.fills) {
      presence.fill(each.fills);
      if (moved.has(each.fills)) filler.set(each.fills, id);
    }
    if (each.removes) presence.remove(each.removes);
    const witnesses = each.removes ? presence.witnesses(each.removes) : presence.sources(each.from);
    const floor = floorOf(content, context);
    const action: Action = {
      type: "action",
      id,
      kind: each.kind,
      rule: { name: each.author.name, line: each.author.line },
      reason: each.reason,
      content: `sha256:${content.sha256}`,
      size: content.size,
      from: sourceOf(each.from),
      to: targetOf(each, filler),
      witnesses,
      depends_on: idsOf(each.after),
      copies: { before, after: presence.copies() },
      required: isExempt(each, witnesses.length < floor) ? 0 : floor,
      bytes: each.fills ? content.size : 0,
    };
    const { from: source, fills, removes, pass } = each;
    return { action, content, source, fills, removes, rank: each.author.rank, pass };
  });
}

/** Where a content is; not kept for those about which there is one action at most. */
function presenceOfEach(settlement: Settlement): (content: Content) => Presence {
  const open = new Map<Content, Presence>();
  return (content) => {
    const presence = open.get(content) ?? openPresence(content, settlement);
    const once = content.wishes.length < 2 && content.unwanted.size === 0 && settlement.displaced.size === 0;
    if (!once) open.set(content, presence);
    return presence;
  };
}

/** Name by name, as there may be a million: see `draft`. */
const sourceOf = ({ site, key, version, claimed }: Instance): Source =>
  claimed ? { location: site.name, key, version, claimed } : { location: site.name, key, version };

const idsOf = (drafts: ReadonlySet<Draft>): string[] =>
  drafts.size === 0
    ? []
    : Array.from(drafts, ({ place }) => place)
        .sort((a, b) => a - b)
        .map((place) => `a${place}`);

/** What needs no witness: nothing goes, a conflict loser, or the owner's `allow_last_copy` where too few copies are left. */
const isExempt = ({ unwanted }: Draft, short: boolean): boolean => !unwanted || (short && unwanted.allowLastCopy);

function targetOf(each: Draft, filler: ReadonlyMap<Placement, string>): Target | null {
  const at = each.fills ?? each.arrives;
  if (!at) return null;
  const expect = each.fills ? "absent" : "version" in at ? at.version : `action:${filler.get(at)!}`;
  return { location: at.site.name, key: at.key, expect };
}
