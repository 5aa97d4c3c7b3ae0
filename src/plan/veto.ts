import { address } from "../lib/key.js";
import { countCopies, countDomains } from "./copies.js";
import {
  byConfigOrder,
  type Content,
  type Context,
  type Instance,
  type Unwanted,
  vouches,
  type Wish,
} from "./model.js";
import type { Kept } from "./plan.js";
import type { Site } from "./site.js";
import { isMereName, missingCopies, needsOf, newPlace, type Place } from "./wish.js";

/**
 * Which unwanted instances may go: those of moves whose wishes are fulfilled, and of deletes; less those that S3, S5
 * and S6 keep. Among equals the first in config order with the smallest key stays.
 */
export function acceptRemovals(
  content: Content,
  displaced: ReadonlySet<Instance>,
  context: Context,
  kept: Kept[],
): ReadonlyMap<Instance, Unwanted> {
  if (content.unwanted.size === 0) return content.unwanted;
  const going = new Map<Instance, Unwanted>();
  for (const instance of [...content.unwanted.keys()].sort(byConfigOrder)) {
    const unwanted = content.unwanted.get(instance);
    if (unwanted?.wishes.every((wish) => wish.outcome?.kind === "held" || wish.outcome?.kind === "placed"))
      going.set(instance, unwanted);
  }
  if (going.size === 0) return going;
  const staying: Place[] = content.instances.filter((instance) => !going.has(instance) && !displaced.has(instance));
  const filled = new Map<string, Place>();
  for (const wish of content.wishes) {
    if (wish.outcome?.kind === "placed")
      filled.set(`${wish.site.order} ${wish.outcome.placement.key}`, newPlace(wish.site));
  }
  staying.push(...filled.values());
  const keep = (instance: Instance, code: string, reason: string): void => {
    const { author } = going.get(instance)!;
    going.delete(instance);
    staying.push(instance);
    kept.push({ address: address(instance.site.name, instance.key), rule: author.name, code, reason });
  };
  keepUnproven(going, keep, context);
  keepWanted(content, going, staying, keep);
  keepFloor(content, going, staying, keep, context);
  keepBelow(content, going, staying, keep, context);
  keepRequired(content, going, staying, keep, context);
  return going;
}

type Keep = (instance: Instance, code: string, reason: string) => void;

/**
 * S1: what is only claimed justifies no removal, neither of itself nor where it is all that a move has at its target. The same with what
 * can not be read before it is restored, which can not be copied into a trash either. A claim that is read on the way, because the move transfers it, is no claim any more.
 */
function keepUnproven(going: ReadonlyMap<Instance, Unwanted>, keep: Keep, context: Context): void {
  const trash = context.config.safety.trash > 0;
  for (const [instance, { action, wishes, allowLastCopy }] of [...going]) {
    const held = wishes.flatMap(({ outcome }) => (outcome?.kind === "held" ? [outcome.instance] : []));
    const read = wishes.some((wish) => isReadFrom(instance, wish)) || (action === "delete" && allowLastCopy);
    const unread = [...(instance.claimed && !read ? [instance] : []), ...held].find(({ claimed }) => claimed);
    const lasting = wishes.find(({ outcome, site }) => outcome?.kind === "placed" && site.shut !== undefined);
    const shut = [instance, ...held].find(({ provable }) => !provable);
    if (unread) keep(instance, "claimed", isClaimed(unread === instance ? "its content" : at(unread), unread.site));
    else if (shut)
      keep(
        instance,
        "archived",
        `${shut === instance ? "it" : at(shut)} can not be looked at again before something goes. ${shut.archived}`,
      );
    else if (lasting)
      keep(
        instance,
        "archived",
        `what arrives in ${lasting.site.name} can not be read back (storage_class: ${lasting.site.shut}): \`safety: { verify: checksum }\` trusts the store's own checksum`,
      );
    else if (action === "delete" && trash && instance.archived !== null)
      keep(instance, "archived", `it can not be copied into the trash. ${instance.archived}`);
  }
}

/** The transfer that fulfils the wish reads this very file. */
const isReadFrom = (instance: Instance, { outcome }: Wish): boolean =>
  outcome?.kind === "placed" && outcome.placement.wish.instance === instance && instance.archived === null;

const at = ({ site, key }: Instance): string => address(site.name, key);

const isClaimed = (what: string, site: Site): string =>
  `${what} is only claimed by metadata: run \`stowage verify ${site.name} --claimed\``;

/** S3: a wanted location beats an unwanted instance. */
function keepWanted(
  content: Content,
  going: ReadonlyMap<Instance, Unwanted>,
  staying: readonly Place[],
  keep: Keep,
): void {
  for (const wish of content.wishes) {
    if (!wish.exact || wish.outcome?.kind !== "held" || !going.has(wish.outcome.instance)) continue;
    keep(wish.outcome.instance, "wanted", `${wish.author.name} wants it at this key`);
  }
  for (const wish of content.wishes) {
    if (staying.some((place) => place.site === wish.site)) continue;
    const last = [...going.keys()].find((instance) => instance.site === wish.site);
    if (last) keep(last, "wanted", `${wish.author.name} wants the content in ${wish.site.name}`);
  }
}

/** S6: never below min(min_copies, what it had), and never below one but by allow_last_copy. */
function keepFloor(
  content: Content,
  going: ReadonlyMap<Instance, Unwanted>,
  staying: readonly Place[],
  keep: Keep,
  context: Context,
): void {
  const floor = floorOf(content, context);
  const vouching = () => staying.filter((place) => place.provable && !isLinkedAway(place, going));
  const bidden = ({ action, allowLastCopy }: Unwanted) => action === "delete" && allowLastCopy;
  const why = floor === 1 ? "it is the last verified copy" : `min_copies: ${floor} verified copies must stay`;
  const hold = (instance: Instance, short = unproven(staying)) =>
    keep(instance, short?.code ?? "min-copies", short ? `${why}; ${short.reason}` : why);
  for (const [instance, unwanted] of firstPerSite(going)) {
    const count = countCopies(vouching());
    if (count >= floor) return;
    if (countCopies([...vouching(), instance]) > count && !bidden(unwanted)) hold(instance);
  }
  if (countCopies(vouching()) >= floor) return;
  // Also a name whose location keeps another one: it would go without the proofs that apply wants to see.
  const short = unproven(staying);
  for (const [instance, unwanted] of [...going]) if (!bidden(unwanted)) hold(instance, short);
}

/** I2: what a rule does not want either, and stays only because it must, vouches for nothing that is higher in the one fixed order. */
function keepBelow(
  content: Content,
  going: ReadonlyMap<Instance, Unwanted>,
  staying: readonly Place[],
  keep: Keep,
  context: Context,
): void {
  const stays = new Set(staying);
  const low = content.instances.filter((each) => stays.has(each) && content.unwanted.has(each));
  if (low.length === 0) return;
  const floor = floorOf(content, context);
  const wanted = new Set(content.wishes.map(({ site }) => site));
  for (const [instance, { action, allowLastCopy }] of [...going]) {
    if (action === "delete" && allowLastCopy) continue;
    const lower = new Set<Place>(low.filter(({ site }) => !wanted.has(site) && site.order > instance.site.order));
    const above = staying.filter((place) => vouches(place) && !lower.has(place) && !isLinkedAway(place, going));
    if (lower.size === 0 || above.some(({ site }) => site === instance.site) || countCopies(above) >= floor) continue;
    const names = [...new Set(Array.from(lower, ({ site }) => site.name))].join(" and ");
    const why = `min_copies: ${floor} verified copies must stay`;
    keep(instance, "min-copies", `${why}, and what is in ${names} is to go, too`);
  }
}

/** A copy that would be enough if it could be relied on. */
function unproven(staying: readonly Place[]): { code: string; reason: string } | undefined {
  const claimed = staying.find((place) => place.claimed && place.site.counted);
  if (claimed) return { code: "claimed", reason: isClaimed(`the copy in ${claimed.site.name}`, claimed.site) };
  const shut = staying.find((place) => place.counted && !place.provable);
  return shut && { code: "archived", reason: `the copy in ${shut.site.name} is archived and can not be read again` };
}

function isLinkedAway(place: Place, going: ReadonlyMap<Instance, Unwanted>): boolean {
  if (place.physical === null) return false;
  return [...going].some(([instance, unwanted]) => isMereName(place, instance, unwanted));
}

/** S5: what a requirement counts on stays. */
function keepRequired(
  content: Content,
  going: ReadonlyMap<Instance, Unwanted>,
  staying: readonly Place[],
  keep: Keep,
  context: Context,
): void {
  for (const author of needsOf(content, context)) {
    for (const [instance] of firstPerSite(going)) {
      const missing = missingCopies(author, staying);
      if (missing === undefined) break;
      const count = missing === "domain" ? countDomains : countCopies;
      if (count([...staying, instance]) > count(staying)) keep(instance, "require", `${author.name} requires it`);
    }
  }
}

/** The smallest key of every location, in config order. */
function firstPerSite(going: ReadonlyMap<Instance, Unwanted>): [Instance, Unwanted][] {
  const seen = new Set<Site>();
  return [...going].filter(([instance]) => !seen.has(instance.site) && seen.add(instance.site));
}

/** How many verified copies the content must keep at every step. */
export const floorOf = (content: Content, context: Context): number =>
  Math.max(1, Math.min(context.config.safety.minCopies, content.copies));
