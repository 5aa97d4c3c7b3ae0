import { isExact } from "../catalog/mtime.js";
import { renderKey } from "../config/template.js";
import { address, compareKeys, splitKey } from "../lib/key.js";
import { countCopies, countDomains } from "./copies.js";
import {
  type Author,
  atSlot,
  byPriority,
  type Content,
  type Context,
  holderAt,
  type Instance,
  NONE_PINNED,
  NONE_UNWANTED,
  type Requiring,
  type Ruling,
  type Unwanted,
  type Wish,
} from "./model.js";
import { isHome, isSource } from "./select.js";
import { type Site, slotOf } from "./site.js";

/**
 * What the rules and the default want for one content (S2–S4, S7, S8): fills `wishes`, `unwanted` and `pinned` afresh.
 * A wish that an instance fulfils already has its outcome; so has one that can not be fulfilled for a known reason.
 */
export function makeWishes(content: Content, context: Context): void {
  content.wishes = [];
  content.unwanted = NONE_UNWANTED;
  content.pinned = NONE_PINNED;
  const fallback = context.config.default?.location;
  const housed = content.instances.some(
    (instance) => instance.site.counted && instance.site.name !== fallback && isHome(instance.site),
  );
  for (const instance of content.instances) {
    for (const index of instance.first === null ? instance.more : [...instance.more, instance.first]) {
      applyRule(context.authors.rules[index]!, instance, content, context);
    }
    if (instance.first === null) applyDefault(instance, content, housed, context);
  }
  content.wishes = content.wishes.slice();
}

function isRenamed({ key, sha256 }: Instance): boolean {
  const { stem } = splitKey(key);
  return stem.endsWith(`~${sha256.slice(0, 8)}`) || stem.endsWith(`~${sha256}`);
}

function applyRule(author: Ruling, instance: Instance, content: Content, context: Context): void {
  const { rule } = author;
  if (rule.action === "keep") {
    if (content.pinned === NONE_PINNED) content.pinned = new Set();
    content.pinned.add(instance);
    return;
  }
  const taken = instance.site.removable && isSource(rule, instance.site);
  // What on_conflict renamed on arrival has no name of its own to keep elsewhere.
  const renamed = isRenamed(instance);
  const wishes: Wish[] = [];
  let stays = !taken;
  for (const name of rule.destination) {
    const site = siteOf(context, name);
    const exact = rule.place === "key" && (rule.action === "move" ? taken : site !== instance.site && !renamed);
    const wish = newWish(author, content, site, instance, exact, context);
    if (exact ? site === instance.site && wish.key === instance.key : isHeldBy(instance, wish)) stays = true;
    wishes.push(wish);
  }
  content.wishes.push(...wishes);
  if (stays || rule.action === "copy") return;
  if (content.unwanted === NONE_UNWANTED) content.unwanted = new Map();
  content.unwanted.set(instance, { author, action: rule.action, wishes, allowLastCopy: rule.allowLastCopy });
}

/** It is what a move would look for at its target. */
const isHeldBy = (instance: Instance, { outcome }: Wish): boolean =>
  outcome?.kind === "held" && outcome.instance === instance;

function applyDefault(instance: Instance, content: Content, housed: boolean, context: Context): void {
  const author = context.authors.fallback;
  const location = context.config.default?.location;
  if (!author || location === undefined || housed) return;
  content.wishes.push(newWish(author, content, siteOf(context, location), instance, false, context));
}

const siteOf = ({ sites }: Context, name: string): Site => sites.find((site) => site.name === name)!;

function newWish(
  author: Author,
  content: Content,
  site: Site,
  instance: Instance,
  exact: boolean,
  context: Context,
): Wish {
  const wish: Wish = { author, content, site, instance, exact, key: "", outcome: undefined };
  if (!exact) {
    const holder = holderAt(content, site);
    if (holder) {
      wish.outcome = { kind: "held", instance: holder };
      return wish;
    }
  }
  nameTarget(wish, context);
  if (wish.outcome) return wish;
  const slot = slotOf(site, wish.key);
  const holder = atSlot(content, site, slot);
  if (holder) wish.outcome = { kind: "held", instance: holder };
  else if (!site.writable) wish.outcome = { kind: "waiting" };
  else if (!isReadable(content)) wish.outcome = { kind: "blocked", ...unreadable(content) };
  else if (context.full.has(fullMark(content, site))) {
    wish.outcome = {
      kind: "blocked",
      code: "capacity",
      reason: `${site.name} has no room for ${content.size} more ${content.size === 1 ? "byte" : "bytes"}`,
    };
  }
  return wish;
}

export const isReadable = ({ instances }: Content): boolean => instances.some(({ archived }) => archived === null);

/** What would have to be restored, where all instances are archived. */
export function unreadable({ instances }: Content): { code: string; reason: string } {
  const { site, key, archived } = [...instances].sort(byPriority)[0]!;
  return { code: "archived", reason: `no copy of it can be read now. ${address(site.name, key)}: ${archived}` };
}

export const fullMark = (content: Content, site: Site): string => `${content.sha256} ${site.order}`;

function nameTarget(wish: Wish, context: Context): void {
  const { instance, author } = wish;
  if (!author.rule) {
    wish.key = instance.key;
    return;
  }
  const rendered = renderKey(author.rule.key, {
    key: instance.key,
    sha256: instance.sha256,
    project: instance.project,
    attrs: instance.attrs === null ? {} : (JSON.parse(instance.attrs) as Record<string, string>),
    mediaType: instance.mediaType,
    modified: isExact(instance.mtime) ? Number(instance.mtime / 1_000_000n) : undefined,
    location: instance.site.name,
    timezone: context.config.settings.timezone,
  });
  if ("key" in rendered) {
    wish.key = rendered.key;
    return;
  }
  const why = rendered.unresolved === "modified" ? `: ${BEYOND}` : "";
  const reason = rendered.invalid ?? `the key template has no value for {${rendered.unresolved}}${why}`;
  wish.outcome = { kind: "blocked", code: "unresolved", reason };
}

/** The one reason for which a file has no time. */
const BEYOND = "the file's time is beyond the years that can be told (1780 to 2260)";

/** A requirement that does not hold, with the locations that could help, best first (S5). */
export interface Shortfall {
  content: Content;
  author: Requiring;
  candidates: Site[];
}

/** Requirements of a content that would not hold even if every wish came true and nothing went. */
export function shortfalls(content: Content, context: Context): Shortfall[] {
  return needsOf(content, context)
    .filter((author) => missingCopies(author, placesWithWishes(content, context)))
    .map((author) => ({ content, author, candidates: eligible(content, context) }));
}

/** The requirements that hold for a content. */
export const needsOf = (content: Content, { authors }: Context): Requiring[] =>
  content.needs.map((index) => authors.needs[index]!);

export interface Place {
  site: Site;
  physical: string | null;
  counted: boolean;
  provable: boolean;
  claimed: boolean;
}

/** Where the content is and will be as far as its wishes are not already known to fail. */
export function placesWithWishes(content: Content, context: Context): Place[] {
  const wished = content.wishes
    .filter((wish) => wish.outcome === undefined || wish.outcome.kind === "placed")
    .filter((wish) => wish.outcome || !context.failed.has(fullMark(content, wish.site)))
    .map((wish) => newPlace(wish.site));
  return [...content.instances, ...wished];
}

export const newPlace = (site: Site): Place => ({
  ...{ site, physical: null, counted: site.counted },
  ...{ provable: site.shut === undefined, claimed: false },
});

/**
 * A name in another location of the very file that goes: apply would not take it for another copy. It is one where that is what a move has at its
 * (last) target: then what goes is but one of its names.
 */
export function isMereName(place: Pick<Place, "site" | "physical">, going: Instance, unwanted?: Unwanted): boolean {
  if (place.physical === null || place.physical !== going.physical || place.site === going.site) return false;
  if (unwanted?.action !== "move") return true;
  const last = unwanted.wishes.at(-1);
  return (
    last?.site !== place.site || last.outcome?.kind !== "held" || last.outcome.instance.physical !== going.physical
  );
}

/** What is missing: a copy in a domain that has none, any further copy, or nothing. */
export function missingCopies({ need }: Requiring, places: readonly Place[]): "domain" | "copy" | undefined {
  if (countDomains(places) < need.domains) return "domain";
  return countCopies(places) < need.copies ? "copy" : undefined;
}

export function eligible(content: Content, context: Context): Site[] {
  return context.sites
    .filter((site) => site.writable && site.counted && !context.full.has(fullMark(content, site)))
    .filter((site) => !content.instances.some((instance) => instance.site === site))
    .sort((a, b) => b.location.priority - a.location.priority || a.order - b.order);
}

/** A content-wish's names, smallest key first: the first that is free is taken (S7 details). */
export function byTargetKey(a: Wish, b: Wish): number {
  return compareKeys(a.key, b.key) || byRank(a, b);
}

/** The order in which claimants of one key are served: rule order, location priority, key bytes. */
export function byRank(a: Wish, b: Wish): number {
  return (
    a.author.rank - b.author.rank ||
    b.instance.site.location.priority - a.instance.site.location.priority ||
    compareKeys(a.instance.key, b.instance.key) ||
    a.instance.site.order - b.instance.site.order
  );
}
