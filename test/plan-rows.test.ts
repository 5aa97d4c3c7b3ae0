import { expect, it } from "vitest";
import type { Catalog } from "../src/catalog/catalog.js";
import { type Sql, sql } from "../src/catalog/sql.js";
import { plan } from "../src/plan/planner.js";
import { catalogOf, configOf, given, NOW } from "./support/world.js";

const CONFIG = configOf(`version: 1
locations:
  - { name: alpha, type: local, path: /alpha, purpose: [organized] }
  - { name: beta, type: local, path: /beta, purpose: [backup] }
rules:
  - { name: both, match: { path: "/d/[0-4]*" }, action: copy, destination: beta, place: key }
  - { name: over, match: { location: alpha }, action: move, from: [alpha], destination: beta, key: "moved/{filename}" }
`);

const FILES = Array.from({ length: 20 }, (_, n) => [
  `alpha:d/${n} c${n}`,
  ...(n % 3 ? [] : [`beta:d/${n} c${n}`]),
]).flat();

it("rows are known by where they lie, so a plan writes nothing into the catalog before it has looked at all of them (S12)", async () => {
  const catalog = await catalogOf(CONFIG, FILES.map(given));
  let written = false;
  const looked = (query: Sql): void => {
    if (/work\."?(inst|after|facts|after_facts)\b/.test(query.text)) expect(written, query.text).toBe(false);
  };
  const watched: Catalog = {
    ...catalog,
    async transaction(body) {
      const done = await catalog.transaction(body);
      written = true;
      return done;
    },
  };
  for (const call of ["run", "rows", "row", "texts", "stream"] as const)
    Object.assign(watched, {
      [call](query: Sql) {
        looked(query);
        return catalog[call](query);
      },
    });
  const { header } = await plan(CONFIG, watched, { now: NOW, version: "0" });
  expect({ written, applyable: header.applyable }).toEqual({ written: true, applyable: true });
  await catalog.close();
});

/** What makes that necessary: a commit may end with a checkpoint. */
it("DuckDB gives rows other numbers when it writes down that those before them are gone", async () => {
  const catalog = await catalogOf(CONFIG, [given("alpha:a a")]);
  const place = async () =>
    (await catalog.row(sql<{ place: number }>`SELECT rowid AS place FROM file_locations WHERE key = 'a'`))?.place;
  await catalog.run(sql`CREATE TABLE work.kept AS FROM file_locations`);
  await catalog.run(sql`DELETE FROM file_locations`);
  await catalog.run(
    sql`INSERT INTO file_locations SELECT k.* REPLACE ('k' || r.range AS key) FROM range(130_000) r, work.kept k`,
  );
  await catalog.run(sql`INSERT INTO file_locations FROM work.kept`);
  await catalog.run(sql`CHECKPOINT`);
  await catalog.run(sql`DELETE FROM file_locations WHERE key <> 'a'`);
  const before = await place();
  await catalog.run(sql`CHECKPOINT`);
  expect(await place()).toBeLessThan(before ?? 0);
  await catalog.close();
});
