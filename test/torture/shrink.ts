import { playScript } from "./play.js";
import type { Product } from "./product.js";
import type { Script } from "./script.js";

/** The smallest script that can be cut out of this one and breaks the same invariant. */
export async function shrink(script: Script, product: Product, invariant: string): Promise<Script> {
  const breaks = async (candidate: Script): Promise<boolean> => {
    try {
      return (await playScript(candidate, product)).violations.some((each) => each.invariant === invariant);
    } catch {
      // It does not even run: another trouble.
      return false;
    }
  };
  let smallest = script;
  for (let better = true; better; ) {
    better = false;
    for (const candidate of smaller(smallest)) {
      if (!(await breaks(candidate))) continue;
      smallest = candidate;
      better = true;
      break;
    }
  }
  return smallest;
}

function* smaller(script: Script): Generator<Script> {
  const { appliers, events, plans, files, locations, places } = script;
  if (script.gc !== undefined) {
    const { gc: _, ...rest } = script;
    yield rest;
  }
  for (const applier of appliers) {
    if (appliers.length === 1) break;
    const left = events.filter((event) => !("applier" in event) || event.applier !== applier.name);
    yield { ...script, appliers: appliers.filter((each) => each !== applier), events: left };
  }
  for (const event of events) yield { ...script, events: events.filter((each) => each !== event) };
  for (const [index, plan] of plans.entries()) {
    for (const action of plan.actions) {
      const actions = plan.actions.filter((each) => each !== action);
      yield { ...script, plans: plans.with(index, { ...plan, actions }) };
    }
  }
  for (const file of files) yield { ...script, files: files.filter((each) => each !== file) };
  const used = new Set(
    plans.flatMap(({ actions }) => actions.flatMap(({ from, to }) => [from.location, to?.location])),
  );
  for (const place of places) {
    const needed = used.has(place.name) || places.some((other) => other.with === place.name);
    if (needed || files.some((file) => file.place === place.name) || places.length === 1) continue;
    yield without(script, place.name);
  }
  for (const applier of appliers) {
    if (applier.after === 0 && applier.skew === 0 && applier.concurrency === 1) continue;
    yield {
      ...script,
      appliers: appliers.map((each) => (each === applier ? { ...each, after: 0, skew: 0, concurrency: 1 } : each)),
    };
  }
  if (locations.length < 1) yield script;
}

function without(script: Script, name: string): Script {
  return {
    ...script,
    places: script.places.filter((place) => place.name !== name),
    locations: script.locations.filter((location) => location.place !== name),
    events: script.events.filter((event) => !("place" in event) || event.place !== name),
    plans: script.plans.map((plan) => ({
      ...plan,
      header: { ...plan.header, scans: plan.header.scans.filter(({ location }) => location !== name) },
    })),
  };
}
