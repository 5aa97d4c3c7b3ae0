import type { Plan } from "../../src/plan/plan.js";
import { bound } from "./bind.js";
import { happen, powerLoss, remount } from "./happen.js";
import { factsOf, type Violation, violate } from "./ledger.js";
import { computer } from "./model/computer.js";
import { now } from "./model/globals.js";
import { type Actor, begin, enter, kill, note, openStage, play, stage } from "./model/stage.js";
import { judgePublished, judgeWorld } from "./oracle.js";
import type { Product } from "./product.js";
import type { Applier, Event, Script } from "./script.js";
import { buildWorld, openLocations, type World } from "./world.js";

export interface Result {
  violations: Violation[];
  steps: number;
  /** Destructive calls that were judged. */
  judged: number;
  /** Of events that found something to happen to, by kind. */
  events: Record<string, number>;
  outcomes: Record<string, number>;
  trace: string[];
}

/** Plays a script to its end: the appliers, then what was killed once more, then gc. */
export async function playScript(script: Script, product: Product, traced = false): Promise<Result> {
  openStage(script.seed, traced);
  const world = buildWorld(script, product);
  const plans = script.plans.map((plan) => bound(world, plan));
  const result: Result = { violations: [], steps: 0, judged: 0, events: {}, outcomes: {}, trace: [] };
  const running = new Map<string, Actor>();
  const ended = new Set<string>();
  for (const applier of script.appliers)
    running.set(
      applier.name,
      start(world, applier, plans, () => ended.add(applier.name), result),
    );
  computer.cut = () => powerLoss(world);
  const events = [...script.events].sort((a, b) => a.at - b.at);
  await play(() => {
    remount(world.disks);
    while (events[0] && events[0].at <= stage.step) fire(world, events.shift()!, running, result);
  });
  // What is broken off or came too late is over; the same plans are applied again, undisturbed.
  computer.faults = [];
  for (const disk of world.disks) disk.shown = disk.root;
  const killed = script.appliers.filter(({ name }) => !ended.has(name));
  for (const actor of stage.actors) kill(actor);
  const waiting = new Set(killed);
  for (const applier of killed)
    start(world, { ...applier, after: 0, skew: 0 }, plans, () => waiting.delete(applier), result);
  await play(() => undefined);
  for (const { name } of waiting) violate(world.ledger, "end", `${name}, applied again and undisturbed, does not end`);
  if (script.gc !== undefined) await sweep(world, script.gc);
  judgeWorld(world.ledger, "in the end");
  judgePublished(world.ledger);
  const { violations, judged } = world.ledger;
  return Object.assign(result, { violations, judged, steps: stage.step, trace: stage.trace ?? [] });
}

function fire(world: World, event: Event, running: ReadonlyMap<string, Actor>, result: Result): void {
  if (!happen(world, event, running)) return;
  if (event.kind === "list") startListing(world, event.place);
  result.events[event.kind] = (result.events[event.kind] ?? 0) + 1;
}

function start(world: World, applier: Applier, plans: readonly Plan[], over: () => void, result: Result): Actor {
  const again = stage.actors.some(({ name }) => name === applier.name);
  const actor = enter(applier.name + (again ? "'" : ""));
  actor.pausedUntil = stage.step + applier.after;
  actor.skew = applier.skew;
  const plan = plans[applier.plan]!;
  begin(actor, async () => {
    factsOf(world.ledger).plan = plan;
    try {
      const report = await world.product.apply(plan, openLocations(world), {
        ...{ state: `/state-${applier.state}`, configDigest: plan.header.config.digest, now: () => now() + actor.skew },
        ...{ concurrency: applier.concurrency, retries: 1, pause: 1, patience: 1000 },
      });
      for (const { outcome, code } of report.outcomes) {
        const what = code === undefined ? outcome : `${outcome} ${code}`;
        result.outcomes[what] = (result.outcomes[what] ?? 0) + 1;
        if (code === "INVARIANT" || code === "ERROR") violate(world.ledger, "code", `an action ends with ${what}`);
        note(`outcome ${what}`);
      }
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      result.outcomes[code] = (result.outcomes[code] ?? 0) + 1;
      note(`ends with ${code}`);
      if (!(error instanceof Error) || error.name !== "StowageError")
        violate(world.ledger, "code", `apply ends with ${String(error)}`);
    }
    over();
  });
  return actor;
}

/** A scan of one location, beside all else. */
function startListing(world: World, place: string): void {
  const actor = enter(`scan ${place}`);
  begin(actor, async () => {
    const location = world.script.locations.find((each) => each.place === place)?.name ?? place;
    try {
      for await (const _ of openLocations(world).get(location)!.list());
    } catch {
      // A listing that says that it failed is none.
    }
  });
}

async function sweep(world: World, later: number): Promise<void> {
  stage.clock += BigInt(later) * 1_000_000n;
  const actor = enter("gc");
  begin(actor, async () => {
    const state = `/state-${world.script.appliers[0]?.state ?? 0}`;
    const { trash } = world.script;
    try {
      const swept = await world.product.gc(openLocations(world), { state, trash, now: now() });
      note(`gc purged ${swept.purged.length}`);
    } catch (error) {
      note(`gc ends with ${(error as { code?: string }).code ?? String(error)}`);
    }
  });
  await play(() => undefined);
}
