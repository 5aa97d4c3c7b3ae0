import type { Catalog } from "../catalog/catalog.js";
import { column, join, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { batch } from "../lib/iter.js";
import type { Alike } from "./alike.js";
import { entersAnew, freesRoom } from "./guard.js";
import type { Context } from "./model.js";
import type { Step } from "./order.js";
import type { CapacityForecast } from "./plan.js";
import { turnOf } from "./routine.js";
import type { Site } from "./site.js";

/**
 * Gives the steps of `work.alike`, and these others, their places in the order of all: fills `work.numbers`. Those of `work.alike` wait for steps of their own
 * content only, and the others for others only, so that all get the places that they would get together.
 */
export async function numberAll(catalog: Catalog, steps: readonly Step[], context: Context): Promise<void> {
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.own (own BIGINT, turn BIGINT, rank BIGINT, loc BIGINT, key VARCHAR, site BIGINT, spot VARCHAR, enters BIGINT, frees BIGINT)`,
  );
  for await (const group of batch(steps.entries(), ROWS_AT_ONCE))
    await catalog.run(sql`INSERT INTO work.own BY NAME SELECT * FROM ${rowsOf(group, context)}`);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.numbers AS
    SELECT row_number() OVER (ORDER BY turn, rank, loc, key, site, spot) AS number, own, step, cid FROM (
      SELECT c.turn, c.rank, c.loc, a.names[c.source] AS key, c.site, a.names[c.spot] AS spot, a.cid, c.step, NULL::BIGINT AS own
      FROM work.alike a JOIN work.routine c ON c.class = a.class
      UNION ALL BY NAME SELECT * EXCLUDE (enters, frees) FROM work.own)`);
}

const ROWS_AT_ONCE = 100_000;

function rowsOf(steps: readonly (readonly [number, Step])[], context: Context): Sql {
  const numbers = (of: (step: Step, own: number) => number) =>
    column(
      steps.map(([own, step]) => of(step, own)),
      "BIGINT",
    );
  const words = (of: (step: Step) => string) => column(steps.map(([, step]) => of(step)));
  return packed({
    own: numbers((_, own) => own),
    turn: numbers(turnOf),
    rank: numbers(({ rank }) => rank),
    loc: numbers(({ source }) => source.site.order),
    key: words(({ source }) => source.key),
    site: numbers(({ source, fills }) => (fills ?? source).site.order),
    spot: words(({ source, fills }) => (fills ?? source).key),
    enters: numbers((step) => (entersAnew(step) ? step.content.size : 0)),
    frees: numbers((step) => (freesRoom(step, context) ? step.source.size : 0)),
  });
}

/**
 * How full locations are at the worst moment, where that depends on the order of `work.numbers`: where something comes after something has left. Copies that
 * wait for nothing come before anything leaves.
 */
export async function peakInTurns(
  catalog: Catalog,
  steps: readonly Step[],
  { flows }: Alike,
  context: Context,
  capacity: readonly CapacityForecast[],
): Promise<CapacityForecast[]> {
  const later = new Set<Site>();
  const leaving = new Set<Site>();
  for (const step of steps) {
    if (step.fills && (step.action.kind !== "copy" || step.pass > 1)) later.add(step.fills.site);
    if (freesRoom(step, context)) leaving.add(step.source.site);
  }
  for (const [site, flow] of flows) {
    if (flow.later > 0) later.add(site);
    if (flow.leaving > 0) leaving.add(site);
  }
  const mixed = [...later].filter((site) => leaving.has(site) && flows.has(site));
  if (mixed.length === 0) return [...capacity];
  const rows = await catalog.rows(sql<{ site: number; most: number }>`
    SELECT site, greatest(0, max(level))::BIGINT AS most FROM (
      SELECT site, sum(bytes) OVER (PARTITION BY site ORDER BY number, bytes < 0) AS level FROM (
        SELECT n.number, unnest([{ site: coalesce(c.site, o.site), bytes: coalesce(c.enters * a.size, o.enters) },
          { site: coalesce(c.loc, o.loc), bytes: -coalesce(c.frees * a.size, o.frees) }], recursive := true)
        FROM work.numbers n LEFT JOIN work.own o ON o.own = n.own LEFT JOIN work.alike a ON a.cid = n.cid LEFT JOIN work.routine c ON c.class = a.class AND c.step = n.step
      ) WHERE bytes <> 0 AND site IN (${join(mixed.map(({ order }) => raw(String(order))))})
    ) GROUP BY site`);
  const most = new Map(rows.map((row) => [context.sites[row.site]!.name, row.most]));
  return capacity.map((each) =>
    most.has(each.location) ? { ...each, peak: each.before + most.get(each.location)! } : each,
  );
}
