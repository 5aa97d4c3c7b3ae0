import { compareKeys } from "../lib/key.js";
import { type Draft, draftAll } from "./draft.js";
import { byPriority, type Content, type Context, countCopies, type Instance, type Placement } from "./model.js";
import type { Action, ActionKind, Source, Target, Witness } from "./plan.js";
import type { Settlement } from "./settle.js";
import type { Site } from "./site.js";
import { floorOf } from "./veto.js";
import { newPlace, type Place } from "./wish.js";

/** One entry of a plan's order: the action and what it does to the world. */
export interface Step {
  action: Action;
  content: Content;
  fills: Placement | undefined;
  removes: Instance | undefined;
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

const KIND_ORDER: Record<ActionKind, number> = { copy: 0, move: 1, delete: 2, verify: 3 };

function compareDrafts(a: Draft, b: Draft): number {
  return (
    KIND_ORDER[a.kind] - KIND_ORDER[b.kind] ||
    a.author.rank - b.author.rank ||
    a.from.site.order - b.from.site.order ||
    compareKeys(a.from.key, b.from.key) ||
    (a.fills?.site.order ?? 0) - (b.fills?.site.order ?? 0) ||
    compareKeys(a.fills?.key ?? "", b.fills?.key ?? "")
  );
}

/** Kahn's algorithm, level by level in the order of `compareDrafts`. What is left over waits for itself: a defect. */
function topological(drafts: Draft[]): Draft[] {
  const sorted = [...drafts].sort(compareDrafts);
  const done = new Set<Draft>();
  const ordered: Draft[] = [];
  let waiting = sorted;
  while (waiting.length > 0) {
    const next: Draft[] = [];
    for (const each of waiting) {
      if ([...each.after].every((before) => done.has(before))) {
        ordered.push(each);
        done.add(each);
      } else next.push(each);
    }
    if (next.length === waiting.length)
      throw new Error(`actions wait for each other: ${next.map((each) => each.from.key).join(", ")}`);
    waiting = next;
  }
  return ordered;
}

/** Where a content is while the plan runs, for the counts before and after every action. */
interface Presence {
  content: Content;
  instances: Set<Instance>;
  placements: Set<Placement>;
}

function number(ordered: readonly Draft[], context: Context, settlement: Settlement): Step[] {
  const presences = new Map<Content, Presence>();
  const ids = new Map<Draft, string>();
  const filler = new Map<Placement, string>();
  return ordered.map((each, index) => {
    const id = `a${index + 1}`;
    ids.set(each, id);
    const presence = presences.get(each.from.content) ?? {
      content: each.from.content,
      instances: new Set(each.from.content.instances),
      placements: new Set(),
    };
    presences.set(each.from.content, presence);
    const before = copiesOf(presence);
    if (each.fills) {
      presence.placements.add(each.fills);
      filler.set(each.fills, id);
    }
    if (each.removes) presence.instances.delete(each.removes);
    const after = copiesOf(presence);
    const floor = floorOf(each.from.content, context);
    const witnesses = each.removes ? witnessesOf(each, presence, settlement) : alternatives(each);
    const action: Action = {
      type: "action",
      id,
      kind: each.kind,
      rule: { name: each.author.name, line: each.author.line },
      reason: each.reason,
      content: `sha256:${each.from.content.sha256}`,
      size: each.from.content.size,
      from: sourceOf(each.from),
      to: targetOf(each, filler),
      witnesses,
      depends_on: [...each.after]
        .map((before_) => ids.get(before_) ?? "")
        .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))),
      copies: { before, after },
      required: isExempt(each, witnesses.length, floor, settlement) ? 0 : floor,
      bytes: each.fills ? each.from.content.size : 0,
    };
    return { action, content: each.from.content, fills: each.fills, removes: each.removes };
  });
}

/** What needs no witness: nothing goes, a conflict loser, or the owner's `allow_last_copy` where too few copies are left. */
function isExempt(each: Draft, witnesses: number, floor: number, settlement: Settlement): boolean {
  if (!each.removes || each.reason === "conflict") return true;
  return witnesses < floor && (settlement.removals.get(each.removes)?.allowLastCopy ?? false);
}

const places = (presence: Presence): Place[] => [
  ...presence.instances,
  ...[...presence.placements].map((placement) => newPlace(placement.site)),
];
const copiesOf = (presence: Presence): number => countCopies(places(presence));
const sourceOf = (instance: Instance): Source => ({
  location: instance.site.name,
  key: instance.key,
  version: instance.version,
});

function targetOf(each: Draft, filler: ReadonlyMap<Placement, string>): Target | null {
  if (each.fills) return { location: each.fills.site.name, key: each.fills.key, expect: "absent" };
  const { arrives } = each;
  if (!arrives) return null;
  const ref = { location: arrives.site.name, key: arrives.key };
  return "version" in arrives
    ? { ...ref, expect: arrives.version }
    : { ...ref, expect: `action:${filler.get(arrives) ?? ""}` };
}

/** Other instances to read the content from, best first. */
function alternatives(each: Draft): Witness[] {
  return each.from.content.instances
    .filter((instance) => instance !== each.from)
    .sort(byPriority)
    .map(witness);
}

const witness = (instance: Instance): Witness => ({
  location: instance.site.name,
  key: instance.key,
  version: instance.version,
});

/**
 * The copies that justify a removal, in the one fixed order of I2: at locations that want the content, then those that the
 * rules leave alone, then those that they empty, each in config order; only such as are higher than what goes.
 */
function witnessesOf(each: Draft, presence: Presence, settlement: Settlement): Witness[] {
  const { removes } = each;
  const { content } = each.from;
  if (!removes) return [];
  const wanted = new Set<Site>(content.wishes.map((wish) => wish.site));
  const rank = (site: Site, unwanted: boolean): number =>
    (wanted.has(site) ? 0 : unwanted ? 2 : 1) * 1_000_000 + site.order;
  const own = rank(removes.site, true);
  const found: { rank: number; key: string; witness: Witness }[] = [];
  for (const instance of presence.instances) {
    if (!instance.counted || settlement.displaced.includes(instance)) continue;
    const at = rank(instance.site, content.unwanted.has(instance));
    const beside =
      instance.site === removes.site &&
      (!settlement.removals.has(instance) || compareKeys(instance.key, removes.key) < 0);
    if (at < own || beside) found.push({ rank: at, key: instance.key, witness: witness(instance) });
  }
  for (const placement of presence.placements) {
    const ref = { location: placement.site.name, key: placement.key, version: null };
    if (placement.site.counted) found.push({ rank: rank(placement.site, false), key: placement.key, witness: ref });
  }
  return found.sort((a, b) => a.rank - b.rank || compareKeys(a.key, b.key)).map((entry) => entry.witness);
}
