import type { Catalog } from "../catalog/catalog.js";
import { column, name, packed, raw, sql } from "../catalog/sql.js";
import { requireHeap } from "../lib/heap.js";
import { collect, groupBy } from "../lib/iter.js";
import { type Alike, findAlike, measureAlike, NO_ALIKE } from "./alike.js";
import { type Forecast, forecast, hasRoom, overflowMarks } from "./guard.js";
import { asksOfContents } from "./match.js";
import { type Content, type Context, listAuthors } from "./model.js";
import { numberAll, peakInTurns } from "./numbers.js";
import { contentId, decide, prepareFacts, type World } from "./observe.js";
import { lookUp, type Occupancy, type Spot } from "./occupants.js";
import { orderActions, type Step } from "./order.js";
import { spotsOf } from "./place.js";
import { gather, loadContents, selectInteresting } from "./select.js";
import { type Settlement, settle } from "./settle.js";
import type { Site } from "./site.js";
import { dropContested } from "./vacancy.js";
import {
  eligible,
  fullMark,
  makeWishes,
  missingCopies,
  needsOf,
  newPlace,
  type Shortfall,
  shortfalls,
} from "./wish.js";

/** The outcome of one evaluation of the rules over one table of instances. */
export interface Evaluation {
  steps: readonly Step[];
  /** What was planned in SQL, and is in none of the others. */
  alike: Alike;
  settlement: Settlement;
  forecast: Forecast;
  context: Context;
}

/** How often a plan is made again without what does not fit, before all that is left over is blocked. */
const CAPACITY_ROUNDS = 12;

/**
 * Evaluates the rules over one world of instances (S1–S9): which contents want something, what becomes of each wish, and in which
 * order it is done. What exceeds a location's capacity is blocked and the rest settled again without it.
 * @param inSql contents that are alike may be planned in SQL, as long as there is room for all: see `Alike`
 */
export async function evaluate(
  catalog: Catalog,
  config: Context["config"],
  sites: readonly Site[],
  world: World,
  now: number,
  { inSql = false } = {},
): Promise<Evaluation> {
  await prepareFacts(catalog, world, now, { ofContents: wantsContents(config) });
  await decide(catalog, config, world);
  await selectInteresting(catalog, config, sites, world);
  await gather(catalog, world, "interesting");
  const question = { config, sites, authors: listAuthors(config) };
  const context: Context = { ...question, full: new Set(), failed: new Set() };
  let alike = inSql ? await findAlike(catalog, world, context) : NO_ALIKE;
  for (let tries = 1; ; tries += 1) {
    const outcome = await evaluateRest(catalog, world, question, alike);
    if (typeof outcome === "object") return outcome;
    alike = outcome === "met" && tries < TRIES ? await measureAlike(catalog, alike, context) : NO_ALIKE;
  }
}

/** How often contents that are alike may be fewer than was thought. */
const TRIES = 3;

/**
 * Evaluates the contents that are looked at one by one.
 * @returns "met" when some that were alike met one of them at a name, and are alike no more; "full" when they leave too little room, so that who gets
 * it has to be decided
 */
async function evaluateRest(
  catalog: Catalog,
  world: World,
  question: Pick<Context, "config" | "sites" | "authors">,
  alike: Alike,
): Promise<Evaluation | "met" | "full"> {
  const full = new Set<string>();
  const failed = new Set<string>();
  const context: Context = { ...question, full, failed };
  const { sites } = context;
  if (![...alike.flows].every(([site, flow]) => hasRoom(site, flow))) return "full";
  const selection = alike.contents > 0 ? "rest" : "interesting";
  if (selection === "rest")
    await catalog.run(
      sql`CREATE OR REPLACE TABLE work.rest AS SELECT cid FROM work.interesting ANTI JOIN work.alike USING (cid)`,
    );
  await requireHeapFor(catalog, world, selection);
  const contents = await collect(loadContents(catalog, sites, world, selection, context.config.safety.verify));
  const short = wishAll(contents, context);
  const occupancy = await lookUp(catalog, sites, world.instances, spots(contents, context));
  if (alike.contents > 0 && occupancy.spots > 0 && (await dropContested(catalog, sites))) return "met";
  const bystanders = await loadBystanders(catalog, sites, world, contents, context, occupancy);
  for (let round = 1; ; round += 1) {
    const needed = round === 1 ? short : wishAll(contents, context);
    for (const bystander of bystanders.values()) makeWishes(bystander, context);
    const settlement = settle(contents, bystanders, needed, occupancy, context);
    const steps = orderActions(settlement, context);
    const outlook = forecast(steps, context, alike.flows);
    const lost = disappointed(contents, settlement, context).filter((mark) => !failed.has(mark));
    if (alike.steps > 0 && outlook.overflow.length > 0) return "full";
    if (outlook.overflow.length === 0 && lost.length === 0)
      return { steps, alike, settlement, forecast: await inOrder(catalog, steps, alike, context, outlook), context };
    for (const mark of lost) failed.add(mark);
    const marks =
      round < CAPACITY_ROUNDS
        ? overflowMarks(firstToGoWithout(settlement, outlook))
        : overflowMarks(everyPlacement(settlement, outlook));
    for (const mark of marks) full.add(mark);
  }
}

/** Where there are others: numbers all, which tells how full each location will be. */
async function inOrder(
  catalog: Catalog,
  steps: readonly Step[],
  alike: Alike,
  context: Context,
  outlook: Forecast,
): Promise<Forecast> {
  if (alike.steps === 0) return outlook;
  await numberAll(catalog, steps, context);
  return { ...outlook, capacity: await peakInTurns(catalog, steps, alike, context, outlook.capacity) };
}

/** Rules ask for it, or `verify`, which tells how many copies there are. */
const wantsContents = ({ rules, require, locations }: Context["config"]): boolean =>
  [...rules, ...require].some(({ match }) => asksOfContents(match)) || locations.some(({ verify }) => verify);

/** Of an instance that something is to be done about, with its content, its wishes and the action: the least that was measured. */
const BYTES_EACH = 1_900;

/** @throws `OUT_OF_MEMORY` */
async function requireHeapFor(catalog: Catalog, world: World, selection: string): Promise<void> {
  const row = await catalog.row(
    sql<{
      count: number;
    }>`SELECT count(*) AS count FROM work.${name(world.loaded)} SEMI JOIN work.${name(selection)} USING (cid)`,
  );
  const count = row?.count ?? 0;
  requireHeap(count * BYTES_EACH, `${count.toLocaleString("en")} files that something is to be done about`);
}

function wishAll(contents: readonly Content[], context: Context): Shortfall[] {
  return contents.flatMap((content) => {
    makeWishes(content, context);
    return shortfalls(content, context);
  });
}

function* spots(contents: readonly Content[], context: Context): Generator<Spot> {
  yield* spotsOf(contents);
  for (const content of contents) {
    if (content.needs.length === 0) continue;
    for (const site of eligible(content, context)) for (const { key } of content.instances) yield { site, key };
  }
}

/** Arrivals that did not come about although a requirement counted on them. */
function disappointed(contents: readonly Content[], settlement: Settlement, context: Context): string[] {
  return contents.flatMap((content) => {
    if (content.needs.length === 0) return [];
    const staying = content.instances.filter(
      (each) => !settlement.removals.has(each) && !settlement.displaced.has(each),
    );
    const placed = content.wishes.flatMap((wish) => (wish.outcome?.kind === "placed" ? [newPlace(wish.site)] : []));
    if (!needsOf(content, context).some((author) => missingCopies(author, [...staying, ...placed]))) return [];
    const lost = content.wishes.filter((wish) => wish.outcome?.kind === "blocked" || wish.outcome?.kind === "kept");
    return lost.filter((wish) => wish.author.reason !== "require").map((wish) => fullMark(content, wish.site));
  });
}

/** Where contents with several names fit in part, it is they who go without at first: what they leave is room for others. */
function firstToGoWithout({ placements }: Settlement, { overflow }: Forecast): Forecast["overflow"] {
  const over = groupBy(overflow, markOf);
  const placed = groupBy(placements, markOf);
  const partly = new Set(overflow.filter((each) => placed.get(markOf(each))!.length > over.get(markOf(each))!.length));
  const sites = new Set(Array.from(partly, ({ site }) => site));
  return overflow.filter((each) => partly.has(each) || !sites.has(each.site));
}

type Overflowing = Forecast["overflow"][number];

const markOf = ({ content, site }: Overflowing): string => fullMark(content, site);

function everyPlacement(settlement: Settlement, outlook: Forecast): Forecast["overflow"] {
  const tight = new Set(outlook.overflow.map(({ site }) => site));
  return settlement.placements.filter(({ site }) => tight.has(site)).map(({ content, site }) => ({ content, site }));
}

/** The contents of files that are where something wants to go, as far as they are not looked at already. */
async function loadBystanders(
  catalog: Catalog,
  sites: readonly Site[],
  world: World,
  contents: readonly Content[],
  context: Context,
  occupancy: Occupancy,
): Promise<Map<string, Content>> {
  const known = new Set(contents.map((content) => content.sha256));
  const wanted = new Set<string>();
  for (const { sha256 } of occupancy.all()) if (sha256 !== null && !known.has(sha256)) wanted.add(sha256);
  if (wanted.size === 0) return new Map();
  await catalog.run(
    sql`CREATE OR REPLACE TABLE work.bystanders AS SELECT ${contentId(raw("sha256"))} AS cid FROM ${packed({ sha256: column(wanted) })}`,
  );
  await gather(catalog, world, "bystanders");
  const loaded = await collect(loadContents(catalog, sites, world, "bystanders", context.config.safety.verify));
  return new Map(loaded.map((content) => [content.sha256, content]));
}
