import type { Catalog } from "../catalog/catalog.js";
import { sql } from "../catalog/sql.js";
import type { Config, Matcher } from "../config/config.js";
import { condition } from "./match.js";
import { observe, PRESENT, prepareFacts } from "./observe.js";
import { loadSites } from "./site.js";

/** One instance as `find` shows it. */
export interface Found {
  location: string;
  key: string;
  /** Lower-case hex; null = not known. */
  sha256: string | null;
  size: number;
  /** Milliseconds since the epoch. */
  modified: number;
  media_type: string | null;
  mime: string | null;
  project: string | null;
  copies: number | null;
}

/**
 * Every instance that a matcher matches, in order of location name and key. The same conditions as in rules: what `find`
 * shows is what a rule with this match would see.
 */
export async function* find(
  config: Config,
  catalog: Catalog,
  matcher: Matcher,
  options: { now: number },
): AsyncGenerator<Found> {
  await observe(catalog, await loadSites(config, catalog));
  await prepareFacts(catalog, PRESENT, options.now);
  yield* catalog.stream(sql<Found>`
    SELECT location, key, sha256, size, modified, media_type, mime, project, copies FROM work.facts
    WHERE usable AND ${condition(matcher)} ORDER BY location, key`);
}
