import { address } from "../lib/key.js";
import { decideGroup, type Stayer } from "./conflict.js";
import {
  atSlot,
  type Content,
  type Context,
  type Instance,
  type Placement,
  type Unwanted,
  type Wish,
} from "./model.js";
import type { Occupancy } from "./occupants.js";
import { type Claim, claimKeys, type Group, isFree, settleClaim } from "./place.js";
import type { Blocked, Conflict, Kept } from "./plan.js";
import { claimFor, placeShortfalls } from "./shortfall.js";
import { type Site, slotOf } from "./site.js";
import { acceptRemovals } from "./veto.js";
import { byTargetKey, missingCopies, needsOf, type Shortfall } from "./wish.js";

/** What is to happen: keys that are filled, instances that go, and all that stays as it is although a rule wants it otherwise. */
export interface Settlement {
  placements: Placement[];
  removals: Map<Instance, Unwanted>;
  /** Conflict losers that go to trash. */
  displaced: ReadonlySet<Instance>;
  blocked: Blocked[];
  /** Hashes of the contents with a wish that is blocked, and why. */
  blockedContents: ReadonlyMap<string, string>;
  kept: Kept[];
  conflicts: Conflict[];
}

/**
 * Settles all wishes against each other. Contents depend on each other where one wants a key that another is about to
 * leave; they are followed depth first, and those that wait for one another in a circle are blocked as a swap.
 *
 * @param contents those something is to be done about; `bystanders` are contents that only own a contested key
 */
export function settle(
  contents: readonly Content[],
  bystanders: ReadonlyMap<string, Content>,
  short: readonly Shortfall[],
  occupancy: Occupancy,
  context: Context,
): Settlement {
  const known = new Map<string, Content>(bystanders);
  for (const content of contents) known.set(content.sha256, content);
  const instanceAt = (site: Site, key: string, sha256: string | null): Instance | undefined =>
    sha256 === null ? undefined : instanceOf(known.get(sha256), site, key);
  const mayLeave = (site: Site, key: string): boolean =>
    occupancy.at(site, key).every((occupant) => {
      const instance = instanceAt(site, occupant.key, occupant.sha256);
      return instance?.content.unwanted.has(instance);
    });
  const groups = claimKeys(contents, occupancy, mayLeave);
  const byContent = new Map<Content, Group[]>();
  for (const group of groups.values()) {
    for (const { content } of group.claims) {
      const own = byContent.get(content);
      if (own) own.push(group);
      else byContent.set(content, [group]);
    }
  }
  const conflicts: Conflict[] = [];
  const displaced = new Set<Instance>();
  const removals = new Map<Content, ReadonlyMap<Instance, Unwanted>>();
  const kept: Kept[] = [];
  const stack: (Group | Content)[] = [];

  placeShortfalls(short, groups, occupancy, context);

  const markSwap = (frame: Group | Content): void => {
    for (const open of stack.slice(stack.indexOf(frame))) if ("claims" in open) open.swap = true;
  };

  const anchored = (instance: Instance | undefined, owner: Content | undefined): string | undefined => {
    if (!instance || !owner) return "the content of the file that is there is not known";
    if (stack.includes(owner) || (removals.get(owner)?.size ?? 0) > 0)
      return "other copies of the file that is there leave in this plan";
    if (instance.claimed)
      return `what the file there is, is only claimed by metadata: run \`stowage verify ${instance.site.name} --claimed\``;
    if (!instance.provable) return `the file that is there is archived: ${instance.archived}`;
    if (instance.site.stuck) return instance.site.stuck.reason;
    return anchorOf(instance, owner, context);
  };

  const settleGroup = (group: Group): void => {
    if (group.state === "done") return;
    if (group.state === "open") {
      markSwap(group);
      return;
    }
    group.state = "open";
    stack.push(group);
    const stayers: Stayer[] = [];
    const leaving: Instance[] = [];
    for (const occupant of occupancy.at(group.site, group.claims[0]!.key)) {
      const instance = instanceAt(group.site, occupant.key, occupant.sha256);
      const owner = instance && known.get(instance.sha256);
      if (instance && owner && leaves(owner, instance)) leaving.push(instance);
      else stayers.push({ occupant, instance, anchored: anchored(instance, owner) });
    }
    const verdict = decideGroup(group, stayers, leaving, context, groups, occupancy);
    conflicts.push(...verdict.conflicts);
    for (const loser of verdict.displaced) displaced.add(loser);
    group.state = "done";
    stack.pop();
  };

  const leaves = (content: Content, instance: Instance): boolean =>
    content.unwanted.has(instance) && (settleContent(content)?.has(instance) ?? false);

  const settleContent = (content: Content): ReadonlyMap<Instance, Unwanted> | undefined => {
    const settled = removals.get(content);
    if (settled) return settled;
    if (stack.includes(content)) {
      markSwap(content);
      return undefined;
    }
    stack.push(content);
    for (const group of byContent.get(content) ?? []) settleGroup(group);
    placeRest(content, groups, occupancy);
    const going = acceptRemovals(content, displaced, context, kept);
    removals.set(content, going);
    stack.pop();
    return going;
  };

  for (const content of contents) settleContent(content);
  const placements = new Set<Placement>();
  const blockedContents = new Map<string, string>();
  const stuck: Wish[] = [];
  for (const { wishes, sha256 } of contents) {
    for (const wish of wishes) {
      const { outcome } = wish;
      if (outcome?.kind === "placed") placements.add(outcome.placement);
      if (outcome?.kind === "blocked") blockedContents.set(sha256, outcome.reason);
      if (outcome?.kind === "blocked" || outcome?.kind === "kept") stuck.push(wish);
    }
  }
  return {
    placements: [...placements],
    removals: new Map([...removals.values()].flatMap((map) => (map.size === 0 ? [] : [...map]))),
    displaced,
    conflicts,
    blockedContents,
    ...reportWishes(stuck, kept),
  };
}

function instanceOf(content: Content | undefined, site: Site, key: string): Instance | undefined {
  const found = content && atSlot(content, site, slotOf(site, key));
  return found?.key === key
    ? found
    : content?.instances.find((instance) => instance.site === site && instance.key === key);
}

/** Why a conflict loser must stay: a rule wants it there, pins it, or a requirement counts on it. */
function anchorOf(instance: Instance, content: Content, context: Context): string | undefined {
  if (content.pinned.has(instance)) return "a rule keeps the file that is there";
  if (content.wishes.some((wish) => wish.site === instance.site)) return "a rule wants the file that is there";
  const others = content.instances.filter((other) => other !== instance);
  const short = needsOf(content, context).some((author) => missingCopies(author, others));
  return short ? "a requirement counts on the file that is there" : undefined;
}

/** Wishes for any key at a site where an exact wish was meant to fulfil them and did not, or did. */
function placeRest(content: Content, groups: Map<string, Group>, occupancy: Occupancy): void {
  const rest = content.wishes.filter((wish) => wish.outcome === undefined).sort(byTargetKey);
  for (const wish of rest) {
    if (wish.outcome !== undefined) continue;
    const sibling = content.wishes.find(
      (other) => other.site === wish.site && (other.outcome?.kind === "placed" || other.outcome?.kind === "held"),
    );
    if (sibling?.outcome) {
      wish.outcome = sibling.outcome;
      continue;
    }
    const same = rest.filter((other) => other.site === wish.site);
    const free = same.find((other) => isFree(other.site, other.key, content, groups, occupancy));
    const claim: Claim = { content, site: wish.site, key: free?.key ?? wish.key, wishes: same };
    if (free === undefined) {
      settleClaim(claim, { kind: "blocked", code: "conflict", reason: `no name is free at ${wish.site.name}` });
      continue;
    }
    settleClaim(claim, {
      kind: "placed",
      placement: { content, site: wish.site, key: free.key, wish: free, after: [], displaces: undefined },
    });
    claimFor(groups, wish, { site: wish.site, key: free.key });
  }
}

/** One line per matched file, location and reason; a copy speaks once for all names of a content. */
function reportWishes(wishes: readonly Wish[], kept: Kept[]): { blocked: Blocked[]; kept: Kept[] } {
  const blocked = new Map<string, Blocked>();
  const stays = new Map<string, Kept>(kept.map((entry) => [`${entry.address} ${entry.rule} ${entry.code}`, entry]));
  const spoken = new Set<string>();
  for (const wish of wishes) {
    const { outcome, author } = wish;
    if (outcome?.kind !== "blocked" && outcome?.kind !== "kept") continue;
    if (author.rule?.action !== "move") {
      const once = `${wish.content.sha256} ${wish.site.order} ${author.name} ${outcome.kind}`;
      if (spoken.has(once)) continue;
      spoken.add(once);
    }
    const entry = {
      address: address(wish.instance.site.name, wish.instance.key),
      rule: author.name,
      code: outcome.code,
      reason: outcome.reason,
    };
    const id = `${entry.address} ${entry.rule} ${entry.code}`;
    if (outcome.kind === "blocked") blocked.set(id, blocked.get(id) ?? entry);
    else stays.set(id, stays.get(id) ?? entry);
  }
  return { blocked: [...blocked.values()], kept: [...stays.values()] };
}
