import type { Site } from "./site.js";

/**
 * Verified copies in distinct locations; hard links across locations are one (S6). A matching between locations and
 * stored files, because one location may hold both a link and a file of its own.
 */
export function countCopies(places: readonly Copy[]): number {
  if (places.some((place) => place.physical !== null)) return matchCopies(places);
  let count = 0;
  places.forEach((place, index) => {
    if (place.counted && places.findIndex((other) => other.counted && isSameSite(other, place)) === index) count += 1;
  });
  return count;
}

export interface Copy {
  site: Pick<Site, "order">;
  physical: string | null;
  counted: boolean;
}

/** The same over the domains of the locations: one file with names in two of them is in one. */
export function countDomains(places: readonly (Copy & { site: Pick<Site, "location"> })[]): number {
  const domains = [...new Set(places.map(({ site }) => site.location.domain))];
  const inDomains = places.map(({ site, physical, counted }) => ({
    site: { order: domains.indexOf(site.location.domain) },
    physical,
    counted,
  }));
  return countCopies(inDomains);
}

const isSameSite = (a: Copy, b: Copy): boolean => a.site.order === b.site.order;

function matchCopies(places: readonly Copy[]): number {
  const stored = new Map<number, Set<string>>();
  for (const place of places) {
    if (!place.counted) continue;
    const { order } = place.site;
    const id = place.physical ?? `own:${order}`;
    const ids = stored.get(order);
    if (ids) ids.add(id);
    else stored.set(order, new Set([id]));
  }
  const takenBy = new Map<string, number>();
  const place = (site: number, tried: Set<string>): boolean => {
    for (const id of stored.get(site)!) {
      if (tried.has(id)) continue;
      tried.add(id);
      const holder = takenBy.get(id);
      if (holder === undefined || place(holder, tried)) {
        takenBy.set(id, site);
        return true;
      }
    }
    return false;
  };
  return [...stored.keys()].filter((site) => place(site, new Set())).length;
}
