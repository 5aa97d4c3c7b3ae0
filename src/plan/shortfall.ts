import { countDomains } from "./copies.js";
import type { Content, Context, Wish } from "./model.js";
import type { Occupancy } from "./occupants.js";
import { type Claim, type Group, isFree, slotId } from "./place.js";
import { type Site, slotOf } from "./site.js";
import { isReadable, missingCopies, newPlace, placesWithWishes, type Shortfall, unreadable } from "./wish.js";

/** S5: a copy at the best location where a name is free; where there is none, the requirement is blocked. */
export function placeShortfalls(
  short: readonly Shortfall[],
  groups: Map<string, Group>,
  occupancy: Occupancy,
  context: Context,
): void {
  for (const { content, author, candidates } of short) {
    for (
      let missing = missingCopies(author, placesWithWishes(content, context));
      missing;
      missing = missingCopies(author, placesWithWishes(content, context))
    ) {
      const places = placesWithWishes(content, context);
      const helps = (site: Site) => countDomains([...places, newPlace(site)]) > countDomains(places);
      const good = candidates
        .filter((site) => !content.wishes.some((wish) => wish.site === site))
        .filter((site) => missing !== "domain" || helps(site));
      const free = good.flatMap((site) => freeName(content, site, groups, occupancy) ?? []);
      const [spot] = free;
      const instance = spot?.instance ?? content.instances[0]!;
      const wish: Wish = {
        author,
        content,
        site: spot?.site ?? instance.site,
        instance,
        exact: false,
        key: spot?.key ?? instance.key,
        outcome: undefined,
      };
      content.wishes.push(wish);
      if (spot && !isReadable(content)) {
        wish.outcome = { kind: "blocked", ...unreadable(content) };
        break;
      }
      if (!spot) {
        const what = missing === "domain" ? `${author.need.domains} domains` : `${author.need.copies} copies`;
        wish.outcome = {
          kind: "blocked",
          code: "require",
          reason: `${noRoom(good)} for the ${what} that ${author.name} requires${claimsOf(content)}`,
        };
        break;
      }
      wish.outcome = {
        kind: "placed",
        placement: { content, site: spot.site, key: spot.key, wish, after: [], displaces: undefined },
      };
      claimFor(groups, wish, spot);
    }
  }
}

/** Where there are locations it is the names that are missing. */
const noRoom = (sites: readonly Site[]): string =>
  sites.length === 0 ? "there is no location" : `no name is free in ${sites.map(({ name }) => name).join(", ")}`;

/** Copies that would count if somebody had looked at them. */
function claimsOf({ instances }: Content): string {
  const names = [...new Set(instances.flatMap(({ claimed, site }) => (claimed && site.counted ? [site.name] : [])))];
  if (names.length === 0) return "";
  return `, not counting what is only claimed by metadata: run \`stowage verify ${names.join(" ")} --claimed\``;
}

function freeName(content: Content, site: Site, groups: Map<string, Group>, occupancy: Occupancy) {
  for (const instance of content.instances) {
    if (isFree(site, instance.key, content, groups, occupancy)) return [{ site, key: instance.key, instance }];
  }
  return undefined;
}

/** Takes the key, so that nobody else is placed there. */
export function claimFor(groups: Map<string, Group>, wish: Wish, spot: { site: Site; key: string }): void {
  const slot = slotOf(spot.site, spot.key);
  const claim: Claim = { content: wish.content, site: spot.site, key: spot.key, wishes: [wish] };
  groups.set(slotId(spot.site, slot), { site: spot.site, slot, claims: [claim], state: "done", swap: false });
}
