import type { ConflictStrategy } from "../config/config.js";
import { address, normKey } from "../lib/key.js";
import type { Context, Instance, Placement, Wish } from "./model.js";
import type { Occupancy, Occupant } from "./occupants.js";
import { block, type Claim, type Group, isFree, renamed, settleClaim, slotId } from "./place.js";
import type { Conflict } from "./plan.js";
import { slotOf } from "./site.js";
import { byRank } from "./wish.js";

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
  if (group.swap) return blockAll(claims, stayers, "swap", "the contents would have to change places", verdict);
  const round = { group, leaving, context, groups, occupancy, verdict };
  const exact = claims.filter((claim) => head(claim).exact);
  if (exact.length > 0) decideClaims(exact, stayers, round);
  const loose = claims.filter((claim) => !head(claim).exact);
  if (loose.length > 0) decideClaims(loose, exact.length > 0 ? newcomers(exact, stayers) : stayers, round);
  return verdict;
}

/** "Exact-key wishes are placed first": for a wish that any key would do for, they are there already. */
function newcomers(exact: readonly Claim[], stayers: Stayer[]): Stayer[] {
  return [
    ...stayers,
    ...exact.map(({ content, key, wishes }) => ({
      occupant: { key, sha256: content.sha256, state: "planned" },
      instance: wishes[0]?.instance,
      anchored: "another rule wants a file at this very key",
    })),
  ];
}

interface Round {
  group: Group;
  leaving: Instance[];
  context: Context;
  groups: Map<string, Group>;
  occupancy: Occupancy;
  verdict: Verdict;
}

function decideClaims(claims: Claim[], stayers: Stayer[], round: Round): Verdict {
  const { group, leaving, context, groups, occupancy, verdict } = round;
  const put = (claim: Claim, key = claim.key, displaces?: Instance) => place(claim, key, leaving, displaces);
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
    return blockAll(claims, stayers, "conflict", differ(at, claims, stayers, why), verdict);
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
    const others = stayers.length === 0 ? claims.slice(1) : claims;
    if (others.every((claim) => head(claim).outcome?.kind === "blocked")) verdict.conflicts.at(-1)!.outcome = "blocked";
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

/** Names that differ in their Unicode form only look the same wherever they are printed. */
function differ(at: string, claims: Claim[], stayers: Stayer[], why: string): string {
  const keys = new Set([...claims.map(({ key }) => key), ...stayers.map(({ occupant }) => occupant.key)]);
  const twins = new Set([...keys].map(normKey)).size < keys.size;
  return `different contents for ${at}: ${why}${twins ? "; the names differ in their Unicode form only" : ""}`;
}

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
  record(verdict, claims, stayers, strategyOf(claims[0]!), "blocked");
  return verdict;
}

function record(verdict: Verdict, claims: Claim[], stayers: Stayer[], strategy: string, outcome: string): void {
  const { site, key } = claims[0]!;
  const occupant = stayers[0]?.occupant;
  verdict.conflicts.push({
    address: address(site.name, key),
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
  const why = occupancy.obstacle(claim.site, renamed(claim.key, claim.content.sha256.slice(0, 8)));
  const beside = `no free name beside ${address(claim.site.name, claim.key)}`;
  block(claim, "conflict", why ? `${beside}: ${why.reason}` : beside);
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
    verdict.conflicts.pop();
    blockAll(claims, stayers, "conflict", differ(at, claims, stayers, why), verdict);
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
