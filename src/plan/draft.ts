import { groupBy } from "../lib/iter.js";
import { countCopies } from "./copies.js";
import {
  bySource,
  type Content,
  type Context,
  type Instance,
  type Placement,
  qualityOf,
  type Unwanted,
} from "./model.js";
import type { ActionKind, Reason } from "./plan.js";
import type { Settlement } from "./settle.js";
import type { Site } from "./site.js";
import { floorOf } from "./veto.js";
import { newPlace, type Place } from "./wish.js";

/** An action before it has its place in the order. */
export interface Draft {
  kind: ActionKind;
  author: { name: string; line: number; rank: number };
  reason: Reason;
  from: Instance;
  /** A key that this action fills. */
  fills: Placement | undefined;
  /** Where the content is (or will be) for a move that fills nothing. */
  arrives: Instance | Placement | undefined;
  /** The instance that this action takes away. */
  removes: Instance | undefined;
  /** Why it goes, where a rule wants that. */
  unwanted: Unwanted | undefined;
  after: ReadonlySet<Draft>;
  /** In the order, from 1; 0 as long as it has none. */
  place: number;
  /** In which pass it got it, from 1. */
  pass: number;
}

const NOTHING: ReadonlySet<Draft> = new Set();

function waitFor(each: Draft, before: readonly Draft[]): void {
  if (before.length > 0) each.after = new Set([...each.after, ...before]);
}

/**
 * The actions of a settlement, each knowing which others it waits for. What a move takes away from where the content is wanted, too, under another name
 * waits for that one: only a location that keeps it may count on those after it in the order of I2.
 */
export function draftAll(settlement: Settlement, context: Context): Draft[] {
  const carried = carriers(settlement, context);
  const drafts = [
    ...settlement.placements.filter((placement) => !carried.has(placement)).map(copyDraft),
    ...[...settlement.removals].map(([instance, unwanted]) => removalDraft(instance, unwanted, carried)),
    ...settlement.placements.flatMap(({ displaces, wish }) => (displaces ? [loserDraft(displaces, wish.author)] : [])),
  ];
  const leaving = new Set(Array.from(settlement.removals.keys(), ({ content }) => content));
  const filledBy = new Map(
    drafts.flatMap((each) => (each.fills && leaving.has(each.fills.content) ? [[each.fills, each] as const] : [])),
  );
  const fillers = groupBy(filledBy, ([{ content }]) => content);
  const firsts = new Map<Content, Draft[]>();
  for (const [content, own] of fillers) firsts.set(content, firstPerSite(own));
  for (const each of drafts) {
    if (!each.unwanted) continue;
    waitFor(each, waitsFor(each, each.unwanted, filledBy, firsts.get(each.from.content) ?? []));
  }
  linkOccupants(drafts);
  for (const each of drafts) {
    if (each.kind !== "move" || each.fills) continue;
    const stays = firsts.get(each.from.content)?.find(({ fills }) => fills?.site === each.from.site);
    if (stays && !waits(stays, each)) waitFor(each, [stays]);
  }
  return drafts;
}

/** True when the one waits for the other, be it through others. */
function waits(each: Draft, other: Draft): boolean {
  const seen = new Set([each]);
  for (const next of seen) for (const before of next.after) seen.add(before);
  return seen.has(other);
}

/** The move that carries a placement: the one whose file decided the key, if the placement is at its last destination. */
function carriers(settlement: Settlement, context: Context): Map<Placement, Instance> {
  const carried = new Map<Placement, Instance>();
  const sharing = contentsThatShare(settlement, context);
  for (const [instance, unwanted] of settlement.removals) {
    const last = unwanted.wishes.at(-1);
    if (unwanted.action !== "move" || last?.outcome?.kind !== "placed") continue;
    const { placement } = last.outcome;
    if (placement.wish.author !== unwanted.author || instance.archived !== null) continue;
    if (placement.wish.instance === instance && !sharing.has(placement.content)) carried.set(placement, instance);
  }
  return carried;
}

/**
 * With min_copies above one, a removal may need what other names of its content arrive at: then all transfers of that content are copies
 * of their own, for which all of its removals wait.
 */
function contentsThatShare({ removals, displaced }: Settlement, context: Context): Set<Content> {
  const sharing = new Set<Content>();
  for (const [{ content }, { wishes }] of removals) {
    const floor = floorOf(content, context);
    if (floor === 1 || sharing.has(content)) continue;
    const staying: Place[] = content.instances.filter((each) => !removals.has(each) && !displaced.has(each));
    const own = wishes.flatMap(({ outcome }) => (outcome?.kind === "placed" ? [newPlace(outcome.placement.site)] : []));
    if (countCopies([...staying, ...own]) < floor) sharing.add(content);
  }
  return sharing;
}

/**
 * A copy is read from the location with the highest priority; one that keeps a name, from the file of that name, whose mtime it gets. What is
 * archived is not read, and what is only claimed where there is nothing better; a move reads what it takes away, and so proves it.
 */
function copyDraft(placement: Placement): Draft {
  const { content, wish } = placement;
  const moves = wish.author.rule?.action === "move";
  const best = content.instances.reduce((top, next) => (bySource(next, top) < 0 ? next : top), wish.instance);
  const { archived, claimed } = wish.instance;
  const matched = qualityOf({ archived, claimed: claimed && !moves }) <= qualityOf(best);
  const first = best.site.location.priority <= wish.instance.site.location.priority;
  const from = matched && (moves || first) ? wish.instance : best;
  return draft("copy", wish.author, wish.author.reason, from, { fills: placement });
}

function removalDraft(instance: Instance, unwanted: Unwanted, carried: ReadonlyMap<Placement, Instance>): Draft {
  const goes = { removes: instance, unwanted };
  if (unwanted.action === "delete") return draft("delete", unwanted.author, "rule", instance, goes);
  const outcome = unwanted.wishes.at(-1)?.outcome;
  const placement = outcome?.kind === "placed" ? outcome.placement : undefined;
  const arrives = outcome?.kind === "held" ? outcome.instance : placement;
  const fills = placement && carried.get(placement) === instance ? placement : undefined;
  return draft("move", unwanted.author, "rule", instance, { fills, arrives, ...goes });
}

const loserDraft = (loser: Instance, winner: Draft["author"]): Draft =>
  draft("delete", winner, "conflict", loser, { removes: loser });

function draft(
  kind: ActionKind,
  author: Draft["author"],
  reason: Reason,
  from: Instance,
  { fills, arrives, removes, unwanted }: Partial<Pick<Draft, "fills" | "arrives" | "removes" | "unwanted">>,
): Draft {
  // Name by name: objects that are put together from others have a shape of their own each, which takes as much again.
  return { kind, author, reason, from, fills, arrives, removes, unwanted, after: NOTHING, place: 0, pass: 0 };
}

/** One action for each location that the content comes to, a copy where there is one. */
function firstPerSite(fillers: readonly (readonly [Placement, Draft])[]): Draft[] {
  const first = new Map<Site, Draft>();
  for (const [{ site }, each] of fillers) {
    const known = first.get(site);
    if (!known || (known.kind !== "copy" && each.kind === "copy")) first.set(site, each);
  }
  return [...first.values()];
}

/**
 * A removal waits for its own destinations, and for one copy at each location that the content comes to, for these are
 * its witnesses. A move does not wait for other moves but where its target comes from one.
 */
function waitsFor(
  each: Draft,
  { wishes }: Unwanted,
  filledBy: ReadonlyMap<Placement, Draft>,
  firsts: readonly Draft[],
): Draft[] {
  const own = wishes.flatMap(({ outcome }) => (outcome?.kind === "placed" ? [filledBy.get(outcome.placement)!] : []));
  const others = firsts.filter((filler) => filler.kind === "copy" || each.kind === "delete");
  return [...own, ...others].filter((filler) => filler !== each);
}

/** Whoever fills a key waits until the one that is there has gone. */
function linkOccupants(drafts: readonly Draft[]): void {
  if (drafts.every(({ fills }) => !fills?.displaces && !fills?.after.length)) return;
  const removedBy = new Map(drafts.flatMap((each) => (each.removes ? [[each.removes, each] as const] : [])));
  for (const each of drafts) {
    if (!each.fills) continue;
    const gone = each.fills.displaces ? [...each.fills.after, each.fills.displaces] : each.fills.after;
    waitFor(
      each,
      gone.map((instance) => removedBy.get(instance)!),
    );
  }
}
