import type { Catalog } from "../catalog/catalog.js";
import { layoutColumns } from "../catalog/entries.js";
import { column, instant, name, packed, raw, sql } from "../catalog/sql.js";
import { groupBy } from "../lib/iter.js";
import type { Step } from "./order.js";

/**
 * Writes `work.<after>`: the instances as they will be when all steps have been taken. A new instance has the content and the
 * mtime of the file it is made from, appears at `now`, and gets what its location's layout makes of its key.
 */
export async function imagine(
  catalog: Catalog,
  before: string,
  after: string,
  steps: readonly Step[],
  now: number,
): Promise<void> {
  await catalog.run(sql`CREATE OR REPLACE TABLE work.${name(after)} AS SELECT * FROM work.${name(before)}`);
  const removed = steps.flatMap((step) => step.removes ?? []);
  if (removed.length > 0) {
    const gone = packed({
      loc: column(
        removed.map((instance) => instance.site.order),
        "BIGINT",
      ),
      key: column(removed.map((instance) => instance.key)),
    });
    await catalog.run(sql`DELETE FROM work.${name(after)} a USING ${gone} g WHERE a.loc = g.loc AND a.key = g.key`);
  }
  const filled = steps.flatMap((step) => (step.fills ? [{ placement: step.fills, from: step.action.from }] : []));
  for (const [site, own] of groupBy(filled, ({ placement }) => placement.site)) {
    const made = packed({
      key: column(own.map(({ placement }) => placement.key)),
      from_location: column(own.map(({ from }) => from.location)),
      from_key: column(own.map(({ from }) => from.key)),
    });
    const named = layoutColumns(site.location.layout);
    const archived = site.shut === undefined ? null : `It is stored in ${site.shut}.`;
    await catalog.run(sql`
      INSERT INTO work.${name(after)} BY NAME
      SELECT *, ${named.project} AS project, ${named.attrs} AS attrs FROM (
        SELECT ${site.order}::INTEGER AS loc, ${site.name} AS location, m.key, nfc_normalize(m.key) AS norm_key, s.sha256, s.size, s.mtime,
          ${instant(now)} AS accessed, 'planned' AS version, NULL::VARCHAR AS physical, 'present' AS state,
          ${instant(now)} AS first_seen, ${instant(now)} AS last_verified, s.media_type, s.mime, TRUE AS usable, ${raw(String(site.counted))} AS counted,
          ${archived}::VARCHAR AS archived
        FROM ${made} m JOIN work.${name(before)} s ON s.location = m.from_location AND s.key = m.from_key)`);
  }
}
