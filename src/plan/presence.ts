import { groupBy } from "../lib/iter.js";
import { countCopies } from "./copies.js";
import { bySource, type Content, type Instance, type Placement, vouches } from "./model.js";
import type { Witness } from "./plan.js";
import type { Settlement } from "./settle.js";
import type { Site } from "./site.js";
import { isMereName, newPlace } from "./wish.js";

/** How many other sources an action names. */
const SOURCES = 8;

/** Where one content is while the plan runs, action by action. */
export interface Presence {
  fill(placement: Placement): void;
  remove(instance: Instance): void;
  /** Verified copies in distinct locations now. */
  copies(): number;
  /** Other instances to read the content from, best first; none that would have to be restored. */
  sources(from: Instance): Witness[];
  /**
   * The copies that justify a removal, one for each location, in the one fixed order of I2: at locations that want the content,
   * then those that the rules leave alone, then those that they empty, each in config order; only such as are higher than what
   * goes. They stay when the plan is done, so no two removals can vouch for each other. Where the location
   * keeps another name of the content, its number of copies does not change, and all that stays may vouch.
   */
  witnesses(removed: Instance): Witness[];
}

export function openPresence(content: Content, settlement: Settlement): Presence {
  const names = new Map<Site, number>();
  const addName = (site: Site, count: number): Map<Site, number> => names.set(site, (names.get(site) ?? 0) + count);
  for (const { counted, site } of content.instances) if (counted) addName(site, 1);
  const made = new Map<Site, Placement>();
  const gone = new Set<Instance>();
  const linked = content.instances.some((instance) => instance.physical !== null);
  let known: { wanted: Set<Site>; staying: Map<Site, Instance[]> } | undefined;
  let best: Instance[] | undefined;

  return {
    fill(placement) {
      addName(placement.site, 1);
      if (!made.has(placement.site)) made.set(placement.site, placement);
    },
    remove(instance) {
      gone.add(instance);
      if (instance.counted) addName(instance.site, -1);
    },
    copies() {
      if (!linked) return [...names.values()].filter((count) => count > 0).length;
      return countCopies([...content.instances.filter((each) => !gone.has(each)), ...[...made.keys()].map(newPlace)]);
    },
    sources(from) {
      best ??= content.instances
        .filter(({ archived }) => archived === null)
        .sort(bySource)
        .slice(0, SOURCES + 1);
      return best.flatMap((each) => (each === from ? [] : [witness(each)])).slice(0, SOURCES);
    },
    witnesses(removed) {
      known ??= {
        wanted: new Set(content.wishes.map((wish) => wish.site)),
        staying: stayingAt(content, settlement),
      };
      const { wanted, staying } = known;
      const rank = (site: Site, unwanted: boolean): number =>
        (wanted.has(site) ? 0 : unwanted ? 2 : 1) * 1_000_000 + site.order;
      const own = rank(removed.site, true);
      const survives = staying.has(removed.site) || made.has(removed.site);
      const found = new Map<Site, { rank: number; witness: Witness }>();
      for (const [site, instances] of staying) {
        const instance = instances.find((each) => !isMereName(each, removed, content.unwanted.get(removed)));
        if (!instance) continue;
        const at = rank(site, content.unwanted.has(instance));
        if (at < own || survives) found.set(site, { rank: at, witness: witness(instance) });
      }
      for (const [site, { key }] of made) {
        if (found.has(site)) continue;
        found.set(site, { rank: rank(site, false), witness: { location: site.name, key, version: null } });
      }
      return [...found.values()].sort((a, b) => a.rank - b.rank).map((each) => each.witness);
    },
  };
}

/** For each location the instances that can vouch and are there when all is done. */
const stayingAt = (content: Content, { removals, displaced }: Settlement): Map<Site, Instance[]> =>
  groupBy(
    content.instances.filter((each) => vouches(each) && !removals.has(each) && !displaced.has(each)),
    ({ site }) => site,
  );

const witness = ({ site, key, version, claimed }: Instance): Witness =>
  claimed ? { location: site.name, key, version, claimed } : { location: site.name, key, version };
