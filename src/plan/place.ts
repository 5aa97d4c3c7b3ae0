import { groupBy } from "../lib/iter.js";
import { address, splitKey } from "../lib/key.js";
import type { Content, Outcome, Wish } from "./model.js";
import { ancestors, type Occupancy, type Spot } from "./occupants.js";
import { type Site, slotOf } from "./site.js";
import { byRank, byTargetKey } from "./wish.js";

/** One content that claims a key. */
export interface Claim {
  content: Content;
  site: Site;
  key: string;
  /** In rank order; the first one speaks for the claim. */
  wishes: Wish[];
}

/** All claims to one slot of a site, and what is there now. */
export interface Group {
  site: Site;
  slot: string;
  claims: Claim[];
  state: "new" | "open" | "done";
  /** Part of a cycle of contents that each wait for the other's key. */
  swap: boolean;
}

export const slotId = (site: Site, slot: string): string => `${site.order} ${slot}`;

/** The keys that the open wishes of these contents may ask for. */
export function* spotsOf(contents: Iterable<Content>): Generator<Spot> {
  for (const content of contents) {
    for (const wish of content.wishes) {
      if (wish.outcome !== undefined) continue;
      yield { site: wish.site, key: wish.key };
      if (wish.author.rule?.onConflict !== "rename") continue;
      yield { site: wish.site, key: renamed(wish.key, content.sha256.slice(0, 8)) };
      yield { site: wish.site, key: renamed(wish.key, content.sha256) };
    }
  }
}

/** `{stem}~{tag}{ext}` beside the key (S9, rename). */
export function renamed(key: string, tag: string): string {
  const { dir, stem, ext } = splitKey(key);
  return `${dir === "" ? "" : `${dir}/`}${stem}~${tag}${ext}`;
}

/**
 * The claims of all contents by slot. Exact wishes claim their key; of the wishes for "any key" at one site one name
 * is chosen (S7 details). A claim to an impossible key is blocked here.
 */
export function claimKeys(
  contents: Iterable<Content>,
  occupancy: Occupancy,
  mayLeave: (site: Site, key: string) => boolean,
): Map<string, Group> {
  const groups = new Map<string, Group>();
  const floating: Wish[][] = [];
  for (const content of contents) {
    const open = content.wishes.filter((wish) => wish.outcome === undefined && wish.author.reason !== "require");
    const [first] = open;
    if (first && open.length === 1) {
      if (first.exact) addClaim(groups, [first], occupancy);
      else floating.push([first]);
      continue;
    }
    for (const wishes of groupBy(open, (wish) => wish.site).values()) {
      const exact = wishes.filter((wish) => wish.exact);
      for (const same of groupBy(exact, (wish) => wish.key).values()) addClaim(groups, same.sort(byRank), occupancy);
      const loose = wishes.filter((wish) => !wish.exact);
      if (exact.length === 0 && loose.length > 0) floating.push(loose.sort(byTargetKey));
    }
  }
  const claimed = floating.flatMap((wishes) => addClaim(groups, wishes, occupancy) ?? []);
  for (const made of claimed) preferFreeName(groups, made, occupancy, mayLeave);
  blockFoldersInTheWay(groups);
  return groups;
}

interface Made {
  group: Group;
  claim: Claim;
}

/** The claim of one content's wishes, in an array that becomes the claim's, to the key of the first of them; undefined where it is impossible. */
function addClaim(groups: Map<string, Group>, wishes: Wish[], occupancy: Occupancy): Made | undefined {
  const first = wishes[0]!;
  const obstacle = occupancy.obstacle(first.site, first.key);
  if (obstacle && wishes.every((wish) => wish.key === first.key)) {
    for (const wish of wishes) wish.outcome = { kind: "blocked", ...obstacle };
    return undefined;
  }
  const slot = slotOf(first.site, first.key);
  const id = slotId(first.site, slot);
  const group = groups.get(id);
  const same = group?.claims.find((claim) => claim.content === first.content);
  if (group && same) {
    same.wishes.push(...wishes);
    return { group, claim: same };
  }
  const claim: Claim = { content: first.content, site: first.site, key: first.key, wishes };
  if (group) {
    group.claims.push(claim);
    return { group, claim };
  }
  const made: Group = { site: first.site, slot, claims: [claim], state: "new", swap: false };
  groups.set(id, made);
  return { group: made, claim };
}

/** Where the smallest name is contested, the next name that is free takes its place. */
function preferFreeName(
  groups: Map<string, Group>,
  { group, claim }: Made,
  occupancy: Occupancy,
  mayLeave: (site: Site, key: string) => boolean,
): void {
  const { content, site, wishes } = claim;
  const leaves = (key: string) => mayLeave(site, key) && occupancy.obstacle(site, key) === undefined;
  const usable = (key: string): boolean =>
    (leaves(key) && unclaimed(site, key, content, groups)) || isFree(site, key, content, groups, occupancy);
  if (group.claims.length === 1 && (leaves(claim.key) || usable(claim.key))) return;
  const names = wishes.filter((wish) => wish.key !== claim.key);
  const other =
    names.find((wish) => isFree(site, wish.key, content, groups, occupancy)) ?? names.find((wish) => usable(wish.key));
  if (!other) {
    const obstacle = occupancy.obstacle(site, claim.key);
    if (obstacle) {
      group.claims.splice(group.claims.indexOf(claim), 1);
      for (const wish of wishes) wish.outcome = { kind: "blocked", ...obstacle };
    }
    return;
  }
  group.claims.splice(group.claims.indexOf(claim), 1);
  addClaim(groups, [other, ...wishes.filter((wish) => wish !== other)], occupancy);
}

/** Nobody is there, nobody else wants to be, and nothing is in the way. */
export function isFree(
  site: Site,
  key: string,
  content: Content,
  groups: ReadonlyMap<string, Group>,
  occupancy: Occupancy,
): boolean {
  if (occupancy.obstacle(site, key)) return false;
  if (occupancy.at(site, key).some((occupant) => occupant.sha256 !== content.sha256)) return false;
  return unclaimed(site, key, content, groups);
}

function unclaimed(site: Site, key: string, content: Content, groups: ReadonlyMap<string, Group>): boolean {
  const claims = groups.get(slotId(site, slotOf(site, key)))?.claims ?? [];
  return claims.every((claim) => claim.content === content);
}

/** Two claims of one plan of which one needs a folder where the other needs a file: neither. */
function blockFoldersInTheWay(groups: Map<string, Group>): void {
  const losers = new Set<Group>();
  const files = new Map<string, Group[]>();
  /** What claims one of these folders as a file; most keys share their folder with others. */
  const filesAt = (site: Site, slot: string): Group[] => {
    const folder = slot.slice(0, Math.max(0, slot.lastIndexOf("/")));
    const id = slotId(site, folder);
    const known = files.get(id);
    if (known) return known;
    const claimed = ancestors(slot).map((parent) => groups.get(slotId(site, parent)));
    const found = claimed.filter((file) => file !== undefined && file.claims.length > 0) as Group[];
    files.set(id, found);
    return found;
  };
  for (const group of groups.values()) {
    if (group.claims.length === 0) continue;
    for (const file of filesAt(group.site, group.slot)) losers.add(file).add(group);
  }
  for (const group of losers) {
    for (const claim of group.claims) {
      block(claim, "conflict", `${address(claim.site.name, claim.key)} would have to be a file and a folder`);
    }
    group.state = "done";
  }
}

export function settleClaim(claim: Claim, outcome: Outcome): void {
  for (const wish of claim.wishes) wish.outcome = outcome;
}

export const block = (claim: Claim, code: string, reason: string): void =>
  settleClaim(claim, { kind: "blocked", code, reason });
