import type { Catalog } from "../catalog/catalog.js";
import { column, packed, raw, type Sql, sql } from "../catalog/sql.js";
import { keepsKey } from "../config/config.js";
import { collect } from "../lib/iter.js";
import { classify, type Templates, templatesOf } from "./classes.js";
import { entersAnew, freesRoom, isRenamed, proveFloor } from "./guard.js";
import type { Shapes } from "./line.js";
import type { Content, Context, Wish } from "./model.js";
import type { World } from "./observe.js";
import { NOWHERE } from "./occupants.js";
import { orderActions, type Step } from "./order.js";
import type { ActionKind } from "./plan.js";
import { type Routine, routineOf, writeRoutines } from "./routine.js";
import { loadContents } from "./select.js";
import { settle } from "./settle.js";
import type { Site } from "./site.js";
import { dropTaken } from "./vacancy.js";
import { makeWishes, shortfalls } from "./wish.js";

/**
 * Contents that no rule tells apart: at the same locations, with the same rules and requirements, and with names that are equal, and come one before the other,
 * where those of the others do. One of a class is planned as every content is; the others get the same in SQL, and never become objects: each content in
 * `work.alike` has the steps of its class in `work.routine`. Who could meet another one at a name is not among them, nor who has anything to be said about.
 */
export interface Alike {
  /** How many contents need not be looked at one by one. */
  contents: number;
  /** How many actions. */
  steps: number;
  kinds: Readonly<Record<ActionKind, number>>;
  /** To transfer. */
  bytes: number;
  /** The lowest number of verified copies that one of them has after a step; null without steps. */
  floor: number | null;
  flows: ReadonlyMap<Site, Flow>;
  routines: ReadonlyMap<string, Routine>;
  shapes: Shapes;
}

/** What comes to a location and leaves it, in bytes, and how many files are deleted there. Every location that something comes to has one. */
export interface Flow {
  /** By copies, which wait for nothing here: before anything leaves. */
  first: number;
  later: number;
  /** What of both is no more than another name of a file on the same device. */
  renamed: number;
  leaving: number;
  deletes: number;
}

export const NO_ALIKE: Alike = {
  ...{ contents: 0, steps: 0, kinds: { copy: 0, move: 0, delete: 0, verify: 0 }, bytes: 0, floor: null },
  ...{ flows: new Map(), routines: new Map(), shapes: { open: [], names: 0, versions: 0, others: 0 } },
};

/** Of more classes than these, the smallest are hardly worth it: each takes as much as a content that is looked at alone. */
const MAX_CLASSES = 1_000;

/** Sets apart, of the contents in `work.<loaded>`, those that are alike. */
export async function findAlike(catalog: Catalog, world: World, context: Context): Promise<Alike> {
  const { sites, config } = context;
  const templates = templatesOf(context);
  await classify(catalog, world, templates, context);
  await catalog.run(sql`CREATE OR REPLACE TABLE work.examples AS
    SELECT class, min(sha256) AS sha256, arg_min(cid, sha256) AS cid, arg_min(names, sha256) AS names
    FROM work.alike WHERE class IS NOT NULL GROUP BY class ORDER BY count(*) DESC, class LIMIT ${BigInt(MAX_CLASSES)}`);
  const rows = await catalog.rows(
    sql<{ class: string; sha256: string; names: string[] }>`SELECT class, sha256, names FROM work.examples`,
  );
  const classes = new Map(rows.map((row) => [row.sha256, row]));
  const routines = new Map<string, Routine>();
  for (const content of await collect(loadContents(catalog, sites, world, "examples", config.safety.verify))) {
    const known = classes.get(content.sha256);
    const routine = known && routineFor(content, known.names, templates, context);
    if (routine) routines.set(known.class, routine);
  }
  if (routines.size === 0) return NO_ALIKE;
  await catalog.run(
    sql`DELETE FROM work.alike WHERE class IS NULL OR class NOT IN (SELECT class FROM ${packed({ class: column(routines.keys()) })})`,
  );
  const shapes = await writeRoutines(catalog, routines, context);
  await dropTaken(catalog, sites, world);
  return measureAlike(catalog, { ...NO_ALIKE, routines, shapes }, context);
}

/** What is done about a content if it is alone; undefined where there would be something to say about it, or where its steps are not those of its class. */
function routineFor(
  content: Content,
  names: readonly string[],
  templates: Templates,
  context: Context,
): Routine | undefined {
  makeWishes(content, context);
  const settlement = settle([content], new Map(), shortfalls(content, context), NOWHERE, context);
  if (settlement.blocked.length + settlement.kept.length + settlement.conflicts.length > 0) return undefined;
  const steps = orderActions(settlement, context);
  if (proveFloor(steps, context).check.status === "fail") return undefined;
  return routineOf(steps, { content, names, nameOf: ({ wish }) => placeOfName(content, wish, templates) });
}

/** Where, among the names of a content, the one is that a wish asks for. */
function placeOfName({ instances }: Content, { author, instance }: Wish, { adding }: Templates): number {
  const file = instances.indexOf(instance);
  if (!author.rule || keepsKey(author.rule.key)) return file;
  const added = adding.findIndex(({ rule }) => rule === author.rule);
  return instances.length + file * (1 + adding.length) + 1 + added;
}

/** What is in `work.alike` now. */
export async function measureAlike(catalog: Catalog, { routines, shapes }: Alike, context: Context): Promise<Alike> {
  const rows = await catalog.rows(sql<{ class: string; contents: number; bytes: number }>`
    SELECT class, count(*) AS contents, sum(size)::BIGINT AS bytes FROM work.alike GROUP BY class`);
  const alike = { ...NO_ALIKE, routines, shapes, kinds: { ...NO_ALIKE.kinds }, flows: new Map<Site, Flow>() };
  const floors: number[] = [];
  for (const { class: of, contents, bytes } of rows) {
    alike.contents += contents;
    for (const { step } of routines.get(of)!) {
      alike.steps += contents;
      alike.kinds[step.action.kind] += contents;
      if (step.fills) alike.bytes += bytes;
      floors.push(step.action.copies.after);
      addFlow(alike.flows, step, contents, bytes, context);
    }
  }
  return { ...alike, floor: floors.length === 0 ? null : Math.min(...floors) };
}

function addFlow(flows: Map<Site, Flow>, step: Step, contents: number, bytes: number, context: Context): void {
  const { action, fills, source } = step;
  const at = (site: Site): Flow => {
    const flow = flows.get(site) ?? { first: 0, later: 0, renamed: 0, leaving: 0, deletes: 0 };
    flows.set(site, flow);
    return flow;
  };
  if (action.kind === "delete") at(step.source.site).deletes += contents;
  const flow = fills && at(fills.site);
  if (flow && entersAnew(step)) {
    flow[action.kind === "copy" ? "first" : "later"] += bytes;
    if (isRenamed(step)) flow.renamed += bytes;
  }
  if (freesRoom(step, context)) at(source.site).leaving += bytes;
}

/** The instances that go, as `iid`. */
export const goneSql = ({ steps }: Alike): Sql =>
  steps === 0
    ? raw("SELECT NULL::BIGINT AS iid WHERE FALSE")
    : raw(
        "SELECT a.files[c.removes].iid AS iid FROM work.alike a JOIN work.routine c ON c.class = a.class WHERE c.removes IS NOT NULL",
      );

/** What comes to be at a site: `key`, and `iid` of the file that it is made from. */
export const madeSql = ({ order }: Site): Sql =>
  sql`(SELECT a.names[c.spot] AS key, a.files[c.source].iid AS iid FROM work.alike a JOIN work.routine c ON c.class = a.class WHERE c.fills AND c.site = ${order})`;

/** The rules for which something is done about a content, in their order; none where it is not alike. */
export async function rulesOf(catalog: Catalog, content: string): Promise<string[]> {
  const rows = await catalog.rows(sql<{ rule: string }>`
    SELECT c.rule FROM work.alike a JOIN work.routine c ON c.class = a.class
    WHERE a.sha256 = ${content.slice("sha256:".length)} ORDER BY c.step`);
  return rows.map(({ rule }) => rule);
}
