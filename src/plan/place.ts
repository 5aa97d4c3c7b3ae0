import type { ConflictStrategy } from "../config/config.js";
import { groupBy } from "../lib/iter.js";
import { address, compareKeys, splitKey } from "../lib/key.js";
import type { Content, Context, Instance, Outcome, Placement, Wish } from "./model.js";
import { ancestors, type Occupancy, type Occupant, type Spot } from "./occupants.js";
import type { Conflict } from "./plan.js";
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

const slotId = (site: Site, slot: string): string => `${site.order} ${slot}`;

/** The keys that the open wishes of these contents may ask for. */
export function* spotsOf(contents: Iterable<Content>): Generator<Spot> {
  for (const content of contents) {
    for (const wish of content.wishes) {
      if (wish.outcome !== undefined || wish.key === undefined) continue;
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
export function claimKeys(contents: Iterable<Content>, occupancy: Occupancy): Map<string, Group> {
  const groups = new Map<string, Group>();
  const floating: Wish[][] = [];
  for (const content of contents) {
    const open = content.wishes.filter((wish) => wish.outcome === undefined && wish.author.reason !== "require");
    for (const wishes of groupBy(open, (wish) => wish.site).values()) {
      const exact = wishes.filter((wish) => wish.exact);
      for (const same of groupBy(exact, (wish) => wish.key).values()) addClaim(groups, same.sort(byRank), occupancy);
      const loose = wishes.filter((wish) => !wish.exact);
      if (exact.length === 0 && loose.length > 0) floating.push(loose.sort(byTargetKey));
    }
  }
  for (const wishes of floating) addClaim(groups, wishes, occupancy);
  for (const wishes of floating) preferFreeName(groups, wishes, occupancy);
  blockFoldersInTheWay(groups);
  return groups;
}

function addClaim(groups: Map<string, Group>, wishes: Wish[], occupancy: Occupancy): void {
  const [first] = wishes;
  if (!first || first.key === undefined) return;
  const obstacle = occupancy.obstacle(first.site, first.key);
  if (obstacle && wishes.every((wish) => wish.key === first.key)) {
    for (const wish of wishes) wish.outcome = { kind: "blocked", ...obstacle };
    return;
  }
  const slot = slotOf(first.site, first.key);
  const id = slotId(first.site, slot);
  const group = groups.get(id) ?? { site: first.site, slot, claims: [], state: "new", swap: false };
  groups.set(id, group);
  const same = group.claims.find((claim) => claim.content === first.content);
  if (same) same.wishes.push(...wishes);
  else group.claims.push({ content: first.content, site: first.site, key: first.key, wishes });
}

/** Where the smallest name is contested, the next name that is free takes its place. */
function preferFreeName(groups: Map<string, Group>, wishes: Wish[], occupancy: Occupancy): void {
  const [first] = wishes;
  if (!first || first.key === undefined || first.outcome !== undefined) return;
  const { content, site } = first;
  const group = groups.get(slotId(site, slotOf(site, first.key)));
  const claim = group?.claims.find((candidate) => candidate.content === content);
  if (!group || !claim) return;
  if (group.claims.length === 1 && isFree(site, first.key, content, groups, occupancy)) return;
  const other = wishes.find(
    (wish) => wish.key !== undefined && wish.key !== first.key && isFree(site, wish.key, content, groups, occupancy),
  );
  if (!other) {
    const obstacle = occupancy.obstacle(site, first.key);
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
  const claims = groups.get(slotId(site, slotOf(site, key)))?.claims ?? [];
  return claims.every((claim) => claim.content === content);
}

/** Two claims of one plan of which one needs a folder where the other needs a file: neither. */
function blockFoldersInTheWay(groups: Map<string, Group>): void {
  const losers = new Set<Group>();
  for (const group of groups.values()) {
    if (group.claims.length === 0) continue;
    for (const parent of ancestors(group.slot)) {
      const file = groups.get(slotId(group.site, parent));
      if (file && file.claims.length > 0) losers.add(file).add(group);
    }
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

const block = (claim: Claim, code: string, reason: string): void =>
  settleClaim(claim, { kind: "blocked", code, reason });

/** An occupant of another content that does not leave by itself. `instance` where its content is known. */
export interface Stayer {
  occupant: Occupant;
  instance: Instance | undefined;
  /** Why it can not be sent to trash; undefined when it can. */
  anchored: string | undefined;
}

export interface Verdict {
  conflicts: Conflict[];
  displaced: Instance[];
}

/**
 * Decides one slot (S9). `leaving` are occupants that this plan takes away anyway: they are waited for.
 * Every wish of every claim has its outcome afterwards.
 */
export function decideGroup(
  group: Group,
  stayers: Stayer[],
  leaving: Instance[],
  context: Context,
  groups: Map<string, Group>,
  occupancy: Occupancy,
): Verdict {
  const claims = [...group.claims].sort((a, b) => byRank(head(a), head(b)));
  const verdict: Verdict = { conflicts: [], displaced: [] };
  const put = (claim: Claim, key = claim.key, displaces?: Instance) => place(claim, key, leaving, displaces);
  if (group.swap) return blockAll(claims, stayers, "swap", "the contents would have to change places", verdict);
  if (claims.length === 0) return verdict;
  if (stayers.length === 0 && claims.length === 1) {
    put(claims[0]!);
    return verdict;
  }
  const strategies = new Set(claims.map(strategyOf));
  const strategy = strategies.size === 1 ? [...strategies][0]! : "manual";
  const at = address(group.site.name, claims[0]!.key);
  if (strategy === "manual") {
    const why =
      strategies.size > 1 && !strategies.has("manual")
        ? "their rules name different on_conflict strategies"
        : "on_conflict is manual";
    return blockAll(claims, stayers, "conflict", `different contents for ${at}: ${why}`, verdict);
  }
  record(verdict, claims, stayers, strategy, OUTCOMES[strategy]);
  if (strategy === "skip") {
    claims.forEach((claim, index) => {
      if (index === 0 && stayers.length === 0) put(claim);
      else keep(claim, `${at} is taken (on_conflict: skip)`);
    });
  } else if (strategy === "rename") {
    claims.forEach((claim, index) => {
      if (index === 0 && stayers.length === 0) put(claim);
      else rename(claim, put, groups, occupancy);
    });
  } else {
    contest(claims, stayers, strategy, put, verdict, context);
  }
  return verdict;
}

const OUTCOMES = {
  skip: "the first keeps the name, the others stay where they are",
  rename: "the first keeps the name, the others are renamed",
  newest: "the newest gets the name",
  largest: "the largest gets the name",
  primary: "the one of the highest priority gets the name",
} as const;

const head = (claim: Claim): Wish => claim.wishes[0]!;
const strategyOf = (claim: Claim): ConflictStrategy => head(claim).author.rule?.onConflict ?? "manual";

function place(claim: Claim, key: string, leaving: Instance[], displaces: Instance | undefined): void {
  const wish = head(claim);
  const placement: Placement = { content: claim.content, site: claim.site, key, wish, after: leaving, displaces };
  settleClaim(claim, { kind: "placed", placement });
}

function keep(claim: Claim, reason: string): void {
  settleClaim(claim, { kind: "kept", code: "conflict", reason });
}

function blockAll(claims: Claim[], stayers: Stayer[], code: string, reason: string, verdict: Verdict): Verdict {
  for (const claim of claims) block(claim, code, reason);
  record(verdict, claims, stayers, claims[0] ? strategyOf(claims[0]) : "manual", "blocked");
  return verdict;
}

function record(verdict: Verdict, claims: Claim[], stayers: Stayer[], strategy: string, outcome: string): void {
  const first = claims[0];
  if (!first) return;
  const occupant = stayers[0]?.occupant;
  verdict.conflicts.push({
    address: address(first.site.name, first.key),
    strategy,
    outcome,
    claimants: claims.map((claim) => ({
      address: address(head(claim).instance.site.name, head(claim).instance.key),
      content: `sha256:${claim.content.sha256}`,
    })),
    occupant: occupant ? { content: occupant.sha256 === null ? "unknown" : `sha256:${occupant.sha256}` } : null,
  });
}

function rename(
  claim: Claim,
  put: (claim: Claim, key: string) => void,
  groups: Map<string, Group>,
  occupancy: Occupancy,
): void {
  for (const tag of [claim.content.sha256.slice(0, 8), claim.content.sha256]) {
    const key = renamed(claim.key, tag);
    const holder = claim.content.instances.find((instance) => instance.site === claim.site && instance.key === key);
    if (holder) {
      settleClaim(claim, { kind: "held", instance: holder });
      return;
    }
    if (!isFree(claim.site, key, claim.content, groups, occupancy)) continue;
    reserve(groups, claim, key);
    put(claim, key);
    return;
  }
  block(claim, "conflict", `no free name beside ${address(claim.site.name, claim.key)}`);
}

/** Nobody else is placed on a key that a rename has taken. */
function reserve(groups: Map<string, Group>, claim: Claim, key: string): void {
  const slot = slotOf(claim.site, key);
  const id = slotId(claim.site, slot);
  const group = groups.get(id) ?? { site: claim.site, slot, claims: [], state: "done", swap: false };
  if (!group.claims.some((other) => other.content === claim.content))
    group.claims.push({ ...claim, key, wishes: claim.wishes });
  group.state = "done";
  groups.set(id, group);
}

/** newest, largest, primary: one winner among the incoming and the one that is there; a tie is left to the user. */
function contest(
  claims: Claim[],
  stayers: Stayer[],
  strategy: "newest" | "largest" | "primary",
  put: (claim: Claim, key?: string, displaces?: Instance) => void,
  verdict: Verdict,
  context: Context,
): void {
  const [stayer] = stayers;
  const at = address(claims[0]!.site.name, claims[0]!.key);
  const refuse = (why: string) => {
    verdict.conflicts.length = 0;
    blockAll(claims, stayers, "conflict", `different contents for ${at}: ${why}`, verdict);
  };

  const hopeless =
    stayers.length > 1
      ? "more than one file is in the way"
      : stayer && !stayer.instance
        ? `the file there can not be replaced (${stayer.occupant.state}, content not known)`
        : undefined;
  if (hopeless !== undefined) {
    refuse(hopeless);
    return;
  }
  const scored = claims.map((claim) => ({
    claim: claim as Claim | undefined,
    score: scoreOf(head(claim).instance, strategy),
  }));
  if (stayer?.instance) scored.push({ claim: undefined, score: scoreOf(stayer.instance, strategy) });
  const best = scored.reduce((top, next) => (next.score > top ? next.score : top), scored[0]!.score);
  const winners = scored.filter((entry) => entry.score === best);
  if (winners.length > 1) {
    refuse(`two are equally ${strategy}`);
    return;
  }
  const winner = winners[0]!.claim;
  if (winner && stayer?.instance) {
    const why =
      stayer.anchored ??
      (context.config.safety.trash === 0 ? "there is no trash for the one that loses (safety.trash: 0)" : undefined);
    if (why !== undefined) {
      refuse(why);
      return;
    }
    verdict.displaced.push(stayer.instance);
  }
  for (const claim of claims) {
    if (claim === winner) put(claim, claim.key, stayer?.instance);
    else keep(claim, `another content is ${strategy} for ${at}`);
  }
}

function scoreOf(instance: Instance, strategy: "newest" | "largest" | "primary"): bigint {
  switch (strategy) {
    case "newest":
      return instance.mtime;
    case "largest":
      return BigInt(instance.size);
    case "primary":
      return BigInt(instance.site.location.priority);
  }
}

export const byPlacement = (a: Placement, b: Placement): number =>
  a.site.order - b.site.order || compareKeys(a.key, b.key);
