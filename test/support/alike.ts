import type { Catalog } from "../../src/catalog/catalog.js";
import { sql } from "../../src/catalog/sql.js";
import type { Config } from "../../src/config/config.js";
import { plan } from "../../src/plan/planner.js";
import { planText } from "../../src/plan/seal.js";
import { catalogOf, configOf, type Given, given, NOW, type SiteFacts } from "./world.js";

/** The same plan made in SQL as far as that goes, and content by content, which targets need, be they all there is. */
export async function bothWays(config: Config, catalog: Catalog) {
  const inSql = await planned(config, catalog);
  const one = await planned(config, catalog, { target: config.locations.map(({ name }) => name) });
  return { one, inSql };
}

/** The same over a world that is made for it, and gone after it. */
export async function bothWaysOver(
  yaml: string,
  files: readonly (string | Given)[],
  { facts = {}, change }: { facts?: Record<string, SiteFacts>; change?: (catalog: Catalog) => Promise<void> } = {},
) {
  const config = configOf(yaml);
  const entries = files.map((file) => (typeof file === "string" ? given(file) : file));
  const catalog = await catalogOf(config, entries, facts);
  try {
    await change?.(catalog);
    return await bothWays(config, catalog);
  } finally {
    await catalog.close();
  }
}

/** What a plan says, byte for byte, what the catalog keeps of it, and how many of its actions were made in SQL, of each kind. */
async function planned(config: Config, catalog: Catalog, selection: { target?: string[] } = {}) {
  await catalog.run(sql`DROP TABLE IF EXISTS work.lead`);
  const made = await plan(config, catalog, { now: NOW, version: "0", ...selection });
  const kept = await catalog.rows(sql`SELECT * FROM plan_actions ORDER BY ALL`);
  const tables = await catalog.rows(sql`SELECT table_name FROM duckdb_tables() WHERE table_name = 'lead'`);
  const kinds =
    tables.length === 0
      ? []
      : await catalog.rows(sql<{ kind: string; count: number }>`
          SELECT c.kind, count(*) AS count FROM work.lead l JOIN work.routine c ON c.class = l.class AND c.step = l.step GROUP BY c.kind`);
  return {
    said: { text: [...planText(made)].join(""), kept, actions: made.actions },
    kinds: Object.fromEntries(kinds.map(({ kind, count }) => [kind, count])),
    actions: kinds.reduce((sum, { count }) => sum + count, 0),
    plan: made,
  };
}
