import type { Config, Requirement, Rule } from "../config/config.js";
import { compareKeys } from "../lib/key.js";
import { type Site, slotOf } from "./site.js";

/** One file or object that takes part in planning; its content is known. */
export interface Instance {
  /** Its number in the work tables. */
  id: number;
  content: Content;
  site: Site;
  key: string;
  sha256: string;
  size: number;
  /** Nanoseconds since the epoch. */
  mtime: bigint;
  version: string;
  /** Equal for hard links; null where the file has one name. */
  physical: string | null;
  /** It is a copy: its location counts, and its hash is more than a claim of its metadata. */
  counted: boolean;
  /** Its hash is only what its metadata claims: good enough to copy it, and for no removal. */
  claimed: boolean;
  /** It can not be read before it is restored; how. */
  archived: string | null;
  /** What it is can be shown again at any time, as `safety.verify` asks. */
  provable: boolean;
  /** The first rule that matched, as an index into the config's rules; null = none did. */
  first: number | null;
  /** `continue` rules that matched before it. */
  more: number[];
  project: string | null;
  attrs: string | null;
  mediaType: string | null;
  /** Its place, from 1, among those that something is to be done about, by config order and key; 0 = it has none. */
  place: number;
}

/** A content with all its instances, in config order and then in byte order of their keys. */
export interface Content {
  sha256: string;
  size: number;
  instances: Instance[];
  /** Verified copies in distinct locations before the plan. */
  copies: number;
  /** Indexes of the requirements that hold for it. */
  needs: number[];
  wishes: Wish[];
  /** Instances that a rule wants gone. */
  unwanted: Map<Instance, Unwanted>;
  pinned: Set<Instance>;
}

/** Most contents have neither: one empty collection serves them all, and is never added to. */
export const NONE_UNWANTED: Content["unwanted"] = new Map();
export const NONE_PINNED: Content["pinned"] = new Set();

/** Who wants something: a rule, the default, or a requirement. */
export interface Author {
  name: string;
  line: number;
  /** Position in the order of evaluation; `default` after all rules, requirements after that. */
  rank: number;
  reason: "rule" | "default" | "require";
  rule?: Rule;
}

/** A rule as an author. */
export type Ruling = Author & { rule: Rule };

/** A requirement as an author. */
export type Requiring = Author & { need: Requirement };

/** "This content should be at that location", under this key or under any. */
export interface Wish {
  author: Author;
  content: Content;
  site: Site;
  /** The matched instance. */
  instance: Instance;
  /** True: at exactly `key`. False: anywhere at the site, `key` being what it would get. */
  exact: boolean;
  /** Empty where the template has no value for it, or no name is needed. */
  key: string;
  outcome: Outcome | undefined;
}

/** What became of a wish. Only `held` and `placed` let a source go. */
export type Outcome =
  | { kind: "held"; instance: Instance }
  | { kind: "placed"; placement: Placement }
  | { kind: "waiting" }
  | { kind: "kept"; code: string; reason: string }
  | { kind: "blocked"; code: string; reason: string };

/** A key that this plan fills. */
export interface Placement {
  content: Content;
  site: Site;
  key: string;
  /** The wish that decided the key. */
  wish: Wish;
  /** Occupants that leave by themselves, and must be gone before. */
  after: Instance[];
  /** An occupant that goes to trash to make room. */
  displaces: Instance | undefined;
}

export interface Unwanted {
  author: Author;
  action: "move" | "delete";
  /** The wishes of a move that must be fulfilled before. */
  wishes: Wish[];
  allowLastCopy: boolean;
}

/** From this many instances on, finding one of them by name is worth an index. */
const MANY = 16;

interface Index {
  first: Map<Site, Instance>;
  slots: Map<string, Instance>;
}

const indexes = new WeakMap<Content, Index>();

function indexOf(content: Content): Index {
  const known = indexes.get(content);
  if (known) return known;
  const index: Index = { first: new Map(), slots: new Map() };
  for (const instance of content.instances) {
    if (!index.first.has(instance.site)) index.first.set(instance.site, instance);
    const id = `${instance.site.order} ${slotOf(instance.site, instance.key)}`;
    if (!index.slots.has(id)) index.slots.set(id, instance);
  }
  indexes.set(content, index);
  return index;
}

/** The content's first instance at a site. */
export const firstAt = (content: Content, site: Site): Instance | undefined =>
  content.instances.length < MANY
    ? content.instances.find((instance) => instance.site === site)
    : indexOf(content).first.get(site);

/** The content's instance whose key takes this slot of a site. */
export const atSlot = (content: Content, site: Site, slot: string): Instance | undefined =>
  content.instances.length < MANY
    ? content.instances.find((instance) => instance.site === site && slotOf(site, instance.key) === slot)
    : indexOf(content).slots.get(`${site.order} ${slot}`);

/** Good for a removal: a copy that can be looked at again before something goes. */
export const vouches = (place: { counted: boolean; provable: boolean }): boolean => place.counted && place.provable;

/** The content's instance at a site that fulfils a wish for it there: one that vouches, if there is one. */
export function holderAt(content: Content, site: Site): Instance | undefined {
  const first = firstAt(content, site);
  if (!first || vouches(first)) return first;
  return content.instances.find((instance) => instance.site === site && vouches(instance)) ?? first;
}

/** What one evaluation is about. */
export interface Context {
  config: Config;
  sites: readonly Site[];
  authors: Authors;
  /** Contents that do not fit: `<sha256> <site order>`. */
  full: ReadonlySet<string>;
  /** Arrivals that an earlier round found blocked, in the same form: requirements do not count on them. */
  failed: ReadonlySet<string>;
}

export interface Authors {
  rules: readonly Ruling[];
  fallback: Author | undefined;
  needs: readonly Requiring[];
}

export function listAuthors(config: Config): Authors {
  return {
    rules: config.rules.map((rule, rank) => ({ name: rule.name, line: rule.line, rank, reason: "rule", rule })),
    fallback: config.default && { name: "default", line: config.default.line, rank: 1_000_000, reason: "default" },
    needs: config.require.map((need, index) => ({
      name: need.name,
      line: need.line,
      rank: 2_000_000 + index,
      reason: "require",
      need,
    })),
  };
}

export const byConfigOrder = (a: Instance, b: Instance): number =>
  a.site.order - b.site.order || compareKeys(a.key, b.key);

/** Read from first: location priority, then config order, then key. */
export const byPriority = (a: Instance, b: Instance): number =>
  b.site.location.priority - a.site.location.priority || byConfigOrder(a, b);

/** What can be read before what would have to be restored; what is known before what is only claimed. */
export const qualityOf = ({ archived, claimed }: Pick<Instance, "archived" | "claimed">): number =>
  archived !== null ? 2 : claimed ? 1 : 0;

/** The best to copy from first. */
export const bySource = (a: Instance, b: Instance): number => qualityOf(a) - qualityOf(b) || byPriority(a, b);
