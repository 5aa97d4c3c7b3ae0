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
 * Every instance that a matcher matches, in order of location name and key. The same predicates as in rules: what `find`
 * shows is what a rule with this match would see.
 */
export async function* find(
  config: Config,
  catalog: Catalog,
  matcher: Matcher,
  options: { now: number },
): AsyncGenerator<Found> {
  await prepare(config, catalog, options.now);
  yield* catalog.stream(sql<Found>`
    SELECT location, key, sha256, size, modified, media_type, mime, project, copies FROM work.facts
    WHERE usable AND ${condition(matcher)} ORDER BY location, key`);
}

/** Between two objects of `findJson`: no object contains a line break. */
export const BETWEEN = ",\n    ";

/** The same as JSON objects, many in one text with `BETWEEN` between them: they are written in less time where DuckDB writes them. */
export async function* findJson(
  config: Config,
  catalog: Catalog,
  matcher: Matcher,
  options: { now: number },
): AsyncGenerator<string> {
  await prepare(config, catalog, options.now);
  const groups = catalog.texts(sql`
    SELECT CAST(json_object('location', location, 'key', key, 'size', size, 'media_type', media_type, 'mime', mime, 'project', project, 'copies', copies,
      'content', 'sha256:' || sha256, 'modified', strftime(epoch_ms(CAST(trunc(modified) AS BIGINT)), '%Y-%m-%dT%H:%M:%S.%gZ')) AS VARCHAR)
    FROM work.facts WHERE usable AND ${condition(matcher)} ORDER BY location, key`);
  for await (const lines of groups) yield lines.join(BETWEEN);
}

async function prepare(config: Config, catalog: Catalog, now: number): Promise<void> {
  await observe(catalog, await loadSites(config, catalog));
  await prepareFacts(catalog, PRESENT, now);
}
