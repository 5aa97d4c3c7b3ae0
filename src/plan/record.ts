import type { Catalog } from "../catalog/catalog.js";
import { column, join, packed, raw, type Sql, sql } from "../catalog/sql.js";
import type { Config } from "../config/config.js";
import type { Evaluation } from "./evaluate.js";
import type { Step } from "./order.js";
import type { Blocked } from "./plan.js";
import type { Site } from "./site.js";

/**
 * Keeps the last plan in the catalog for questions: what each rule decided (`rule_evaluations`), the actions
 * (`plan_actions`), what is blocked (`plan_blocked`) and the status that storage.yaml gives each location. The view `sync_status` reads them.
 */
export async function recordDecisions(
  catalog: Catalog,
  config: Config,
  { steps, alike, settlement }: Evaluation,
  blocked: readonly Blocked[],
  sites: readonly Site[],
): Promise<void> {
  const stuck = settlement.blockedContents;
  await catalog.transaction(async () => {
    for (const table of ["plan_rules", "plan_decisions"]) await catalog.run(sql`DELETE FROM ${raw(table)}`);
    await catalog.run(rules(config));
    await catalog.run(decisions);
    for (const { name, location } of sites)
      await catalog.run(
        sql`UPDATE storage_locations SET status = ${location.status} WHERE name = ${name} AND status <> ${location.status}`,
      );
    await catalog.run(sql`DELETE FROM plan_actions`);
    if (steps.length > 0) await catalog.run(actions(steps));
    if (alike.steps > 0) await catalog.run(alikeActions);
    await catalog.run(sql`DELETE FROM plan_pending`);
    for (const query of waiting(config, sites)) await catalog.run(query);
    if (stuck.size > 0) await catalog.run(pending(stuck));
    await catalog.run(sql`DELETE FROM plan_blocked`);
    if (blocked.length > 0) await catalog.run(blocks(blocked));
  });
}

function rules(config: Config): Sql {
  const rows = config.rules.map((rule, index) => sql`(${index}::INTEGER, ${rule.name}, ${rule.action})`);
  return sql`INSERT INTO plan_rules VALUES ${join([sql`(-1::INTEGER, 'default', 'default')`, ...rows])}`;
}

const decisions = sql`INSERT INTO plan_decisions
  SELECT file, coalesce("first", -1) FROM work.decision`;

/** Contents that a rule wants at a location which can not be had now, and which are not known to be there. */
function waiting(config: Config, sites: readonly Site[]): Sql[] {
  return sites.flatMap((site) => {
    if (!site.unavailable) return [];
    const rules = config.rules.flatMap((rule, index) => (rule.destination.includes(site.name) ? [sql`${index}`] : []));
    if (rules.length === 0) return [];
    const wanted = join(rules);
    return [
      sql`INSERT INTO plan_pending SELECT DISTINCT i.sha256, ${`waits for ${site.name}: ${site.unavailable.reason}`}
        FROM work.decision d JOIN work.inst i ON i.iid = d.iid
        WHERE d.cid IS NOT NULL AND (d."first" IN (${wanted}) OR list_has_any(d.more, [${wanted}]::INTEGER[]))
          AND NOT EXISTS (SELECT 1 FROM file_locations f WHERE f.sha256 = i.sha256 AND f.location = ${site.name} AND f.state = 'present')`,
    ];
  });
}

function pending(stuck: ReadonlyMap<string, string>): Sql {
  return sql`INSERT INTO plan_pending SELECT * FROM ${packed({ sha256: column(stuck.keys()), reason: column(stuck.values()) })}`;
}

function actions(steps: readonly Step[]): Sql {
  const all = steps.map((step) => step.action);
  return sql`INSERT INTO plan_actions BY NAME SELECT * FROM ${packed({
    id: column(all.map((action) => action.id)),
    kind: column(all.map((action) => action.kind)),
    rule: column(all.map((action) => action.rule.name)),
    reason: column(all.map((action) => action.reason)),
    sha256: column(all.map((action) => action.content.slice("sha256:".length))),
    size: column(
      all.map((action) => action.size),
      "BIGINT",
    ),
    from_location: column(all.map((action) => action.from.location)),
    from_key: column(all.map((action) => action.from.key)),
    to_location: column(all.map((action) => action.to?.location)),
    to_key: column(all.map((action) => action.to?.key)),
    bytes: column(
      all.map((action) => action.bytes),
      "BIGINT",
    ),
  })}`;
}

const alikeActions = sql`INSERT INTO plan_actions BY NAME
  SELECT 'a' || l.number AS id, c.kind, c.rule, c.reason, l.sha256, l.size, c.from_location, l.name0 AS from_key, c.to_location, CASE c."to" WHEN 1 THEN l.name0 WHEN 2 THEN l.name1 END AS to_key,
    CASE WHEN c.fills THEN l.size ELSE 0 END AS bytes
  FROM work.lead l JOIN work.routine c ON c.class = l.class AND c.step = l.step`;

/** An empty key or rule (a whole location) is written as `-`: a packed column has no empty text. */
function blocks(blocked: readonly Blocked[]): Sql {
  const split = blocked.map((entry) => ({ ...entry, colon: entry.address.indexOf(":") }));
  return sql`INSERT INTO plan_blocked BY NAME SELECT * FROM ${packed({
    location: column(split.map((entry) => entry.address.slice(0, entry.colon))),
    key: column(split.map((entry) => entry.address.slice(entry.colon + 1) || "-")),
    rule: column(split.map((entry) => entry.rule || "-")),
    code: column(split.map((entry) => entry.code)),
    reason: column(split.map((entry) => entry.reason)),
  })}`;
}
