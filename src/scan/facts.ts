import type { Backend, Entry } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import { storable } from "../catalog/mtime.js";
import { column, packed, type Sql, sql } from "../catalog/sql.js";
import type { Config, Matcher } from "../config/config.js";

// What a storage that is no directory tells of its objects, on the way into the catalog.

/** An entry, and its tags where they were asked for. */
export type Told = Entry & { tags?: readonly string[] };

/** Such a location's versions change with every write, and reading from it costs money: an object store. */
export const isObjectStore = (backend: Backend): boolean =>
  backend.features.store !== undefined || backend.resilient === true;

/** Adds listed objects. */
export const stageTold = (catalog: Catalog, entries: readonly Told[]): Promise<void> =>
  catalog.run(
    sql`INSERT INTO work.walk BY NAME SELECT ${TOLD}, partial IS NOT NULL AS partial FROM ${packedTold(entries)}`,
  );

/** A page of a listing that came twice does no harm. */
export async function dropRepeated(catalog: Catalog): Promise<void> {
  const row = await catalog.row(
    sql<{ repeated: boolean }>`SELECT count(*) > count(DISTINCT key) AS repeated FROM work.walk`,
  );
  if (row?.repeated)
    await catalog.run(sql`CREATE OR REPLACE TABLE work.walk AS SELECT DISTINCT ON (key) * FROM work.walk`);
}

/** Completes rows of `work.next` by what the store told of them. */
export const completeNext = (catalog: Catalog, entries: readonly Told[]): Promise<void> =>
  catalog.run(sql`UPDATE work.next n SET size = t.size, mtime = t.mtime, version = t.version, sha256 = t.sha256, claim = t.claim,
      storage_class = t.storage_class, archived = t.archived, attrs = t.attrs, tags = t.tags, stars = t.stars,
      same = n.same AND t.version = n.version, partial = false, asked = true
    FROM (SELECT ${TOLD} FROM ${packedTold(entries)}) t WHERE t.key = n.key`);

const TOLD: Sql = {
  text: `key, size, mtime, version, physical, sha256, claim, storage_class, archived, attrs,
    CAST(from_json(tags, '["VARCHAR"]') AS VARCHAR[]) AS tags, CAST(stars AS DOUBLE) AS stars`,
  values: [],
};

function packedTold(entries: readonly Told[]): Sql {
  const text = (value: (entry: Told) => string | undefined) => column(entries.map(value));
  return packed({
    key: text(({ key }) => key),
    size: column(
      entries.map(({ size }) => size),
      "BIGINT",
    ),
    mtime: column(
      entries.map(({ mtime }) => storable(mtime)),
      "TIMESTAMP_NS",
    ),
    version: text(({ version }) => version),
    physical: text(({ physical }) => physical),
    sha256: text(({ sha256 }) => sha256),
    claim: text(({ claim }) => claim),
    storage_class: text(({ storageClass }) => storageClass),
    archived: text(({ archived }) => archived),
    attrs: text(({ attrs }) => (attrs && Object.keys(attrs).length > 0 ? JSON.stringify(attrs) : undefined)),
    tags: text(({ tags }) => tags && JSON.stringify(tags)),
    stars: text((entry) => starsOf(entry)?.toString()),
    partial: text(({ partial }) => (partial ? "1" : undefined)),
  });
}

/** The number under `stars` or `rating` in the metadata or the tags. */
function starsOf({ attrs = {}, tags = [] }: Told): number | undefined {
  const named = (name: string) => attrs[name] ?? tags.find((tag) => tag.startsWith(`${name}=`))?.slice(name.length + 1);
  const text = named("stars") ?? named("rating");
  const stars = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(stars) ? stars : undefined;
}

/** Whether anything in the configuration looks at tags, or at stars, which may be tags. */
export function wantsTags({ rules, require, sets }: Pick<Config, "rules" | "require" | "sets">): boolean {
  return [...rules, ...require, ...sets].some(({ match }) => looksAtTags(match));
}

function looksAtTags(matcher: Matcher): boolean {
  switch (matcher.op) {
    case "all":
    case "any":
      return matcher.of.some(looksAtTags);
    case "not":
    case "set":
      return looksAtTags(matcher.of);
    case "tag":
      return true;
    case "range":
      return matcher.field === "stars";
    default:
      return false;
  }
}
