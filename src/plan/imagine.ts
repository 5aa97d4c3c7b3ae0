import type { Catalog } from "../catalog/catalog.js";
import { layoutColumns } from "../catalog/entries.js";
import { column, instant, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { groupBy } from "../lib/iter.js";
import { goneSql, madeSql } from "./alike.js";
import type { Evaluation } from "./evaluate.js";
import type { Instance } from "./model.js";
import type { World } from "./observe.js";
import type { Site } from "./site.js";

/** When all steps have been taken. Only the contents that something is done with, or that were looked at, can be judged otherwise than before. */
export const LATER: World = {
  ...{ instances: "after", evaluated: "after_scope", contents: "after_contents", facts: "after_facts" },
  ...{ judged: "after_judged", decision: "after_decision", loaded: "after_loaded" },
};

/**
 * Makes the world `LATER`, as long as `PRESENT` is there to be looked at. A new instance has the content and the
 * mtime of the file it is made from, appears at `now`, and gets what its location's layout makes of its key.
 */
export async function imagine(catalog: Catalog, { steps, alike }: Evaluation, now: number): Promise<void> {
  const gone = steps.flatMap((step) => step.removes ?? []);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.gone AS ${numbers(gone)} UNION ALL ${goneSql(alike)}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.made AS SELECT * FROM work.inst WHERE FALSE`);
  const filled = groupBy(
    steps.flatMap(({ source, fills }) => (fills ? [{ source, ...fills }] : [])),
    ({ site }) => site,
  );
  for (const [site, own] of filled) await make(catalog, site, given(own), now);
  for (const site of alike.flows.keys()) await make(catalog, site, madeSql(site), now);
  await catalog.run(sql`CREATE OR REPLACE VIEW work.after AS
    SELECT * FROM work.inst i ANTI JOIN work.gone g ON g.iid = i.iid UNION ALL BY NAME SELECT * FROM work.made`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.scope AS SELECT DISTINCT cid FROM work.loaded`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.after_scope AS
    SELECT * EXCLUDE ("first", more, needs) FROM work.loaded ANTI JOIN work.gone USING (iid) UNION ALL BY NAME SELECT * FROM work.made`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.after_judged AS SELECT * FROM work.decision WHERE FALSE`);
  await catalog.run(sql`CREATE OR REPLACE VIEW work.after_decision AS
    SELECT * FROM work.after_judged UNION ALL SELECT * FROM work.decision ANTI JOIN work.scope USING (cid)`);
}

const numbers = (instances: readonly Instance[]): Sql =>
  instances.length === 0
    ? raw("SELECT NULL::BIGINT AS iid WHERE FALSE")
    : sql`SELECT DISTINCT iid FROM ${packed({
        iid: column(
          instances.map(({ id }) => id),
          "BIGINT",
        ),
      })}`;

const given = (filled: readonly { source: Instance; key: string }[]): Sql =>
  packed({
    key: column(filled.map(({ key }) => key)),
    iid: column(
      filled.map(({ source }) => source.id),
      "BIGINT",
    ),
  });

/** Adds to `work.made` the instances that come to be at a site; their numbers are negative. */
async function make(catalog: Catalog, site: Site, arriving: Sql, now: number): Promise<void> {
  const named = layoutColumns(site.location.layout);
  const archived = site.shut === undefined ? null : `It is stored in ${site.shut}.`;
  await catalog.run(sql`
    INSERT INTO work.made BY NAME
    SELECT *, ${named.project} AS project, ${named.attrs} AS attrs FROM (
      SELECT -((SELECT count(*) FROM work.made) + row_number() OVER ()) AS iid,
        ${site.order}::INTEGER AS loc, ${site.name} AS location, m.key, nfc_normalize(m.key) AS norm_key, s.sha256, s.cid, s.size, s.mtime,
        ${instant(now)} AS accessed, 'planned' AS version, NULL::VARCHAR AS physical, 'present' AS state,
        ${instant(now)} AS first_seen, ${instant(now)} AS last_verified, s.media_type, s.mime, TRUE AS usable, ${raw(String(site.counted))} AS counted,
        ${archived}::VARCHAR AS archived
      FROM ${arriving} m JOIN work.loaded s ON s.iid = m.iid)`);
}
