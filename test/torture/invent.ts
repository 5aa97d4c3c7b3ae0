import type { Action, Plan } from "../../src/plan/plan.js";
import { SEEN } from "./bind.js";
import { DAY, eventsOf, KEYS } from "./events.js";
import { sha256Of } from "./ledger.js";
import { type Random, randomOf } from "./model/random.js";
import type { Applier, PlaceSpec, Script } from "./script.js";

const NAMES = ["a", "b", "c", "d"];
const TEXTS = ["one", "two", "three three", "four"];

/** A schedule that follows from its seed; its plans are made here, or are some that the real planner has made. */
export function inventScript(seed: number, pool: readonly Planned[]): Script {
  const random = randomOf(seed);
  const planned = pool.length > 0 && random.chance(0.4) ? random.pick(pool) : undefined;
  const base = planned ?? madeUp(random);
  const buckets = random.pick([0.1, 0.4, 0.4, 1]);
  const places = base.locations.map((name) => placeOf(random, name, buckets));
  shareDisks(random, places);
  const files = withLinks(random, places, base.files);
  const locations = base.locations.map((name) => ({ name, place: name }));
  const count = random.pick([1, 1, 1, 2, 2, 3, 4]);
  const appliers = Array.from({ length: count }, (_, index) => applierOf(random, index, base.plans.length));
  const script: Script = {
    ...{ seed, trash: random.pick([0, 0, 30 * DAY]), verify: random.chance(0.7) ? "content" : "checksum" },
    ...{ places, locations, files, plans: base.plans, appliers, events: [] },
    fine: random.chance(0.25),
    ...(random.chance(0.4) && { gc: random.pick([0, 2 * DAY, 40 * DAY]) }),
  };
  if (!planned && random.chance(0.04)) merge(random, script);
  return { ...script, events: eventsOf(random, script) };
}

/** A world for planning, and plans that machines with different catalogs made of it. */
export interface Planned {
  locations: string[];
  files: Script["files"];
  plans: Plan[];
}

function placeOf(random: Random, name: string, buckets: number): PlaceSpec {
  const bucket = random.chance(buckets);
  return {
    ...{ name, kind: bucket ? "bucket" : "directory", hardLinks: random.chance(0.85) },
    ...{ versioned: random.chance(0.5), hashes: random.chance(0.5), copies: random.chance(0.3) },
  };
}

function shareDisks(random: Random, places: PlaceSpec[]): void {
  const [first, second, third] = random.shuffled(places.filter(({ kind }) => kind === "directory"));
  if (first && second && random.chance(0.4)) second.with = first.name;
  if (first && third && second?.with && random.chance(0.3)) third.with = first.name;
}

/** Where two places lie on one disk, files with one content may be names of one file. */
function withLinks(random: Random, places: readonly PlaceSpec[], files: Script["files"]): Script["files"] {
  const diskOf = new Map(
    places.map(({ name, kind, with: other }) => [name, kind === "bucket" ? undefined : (other ?? name)]),
  );
  if (random.chance(0.4)) return files;
  return files.map((file, index) => {
    const disk = diskOf.get(file.place);
    const twin = files
      .slice(0, index)
      .find((other) => other.text === file.text && other.place !== file.place && diskOf.get(other.place) === disk);
    return disk !== undefined && twin ? { ...file, linkTo: `${twin.place}:${twin.key}` } : file;
  });
}

/** Two locations of the configuration turn out to be one place. */
function merge(random: Random, script: Script): void {
  const [first, second] = random.shuffled(script.locations);
  if (!first || !second) return;
  second.place = first.place;
  script.files = script.files.filter(({ place }) => place !== second.name);
}

function applierOf(random: Random, index: number, plans: number): Applier {
  const plan = random.chance(0.7) ? index % plans : random.below(plans);
  return {
    ...{ name: NAMES[index]!.toUpperCase(), plan, state: random.chance(0.85) ? index : 0 },
    ...{ after: random.chance(0.7) ? 0 : random.below(200), concurrency: random.pick([1, 2, 3]) },
    skew: random.chance(0.12) ? random.pick([-50, -50, -1, 1, 50]) * DAY : 0,
  };
}

/** Files, and plans that each keep to the one order of I2: to the front of `order` content is only ever brought. */
function madeUp(random: Random): Planned {
  const locations = NAMES.slice(0, random.pick([2, 2, 3, 3, 4]));
  const texts = TEXTS.slice(0, random.pick([1, 2, 3]));
  const files: Script["files"] = [];
  for (const place of locations) {
    for (const key of KEYS) if (random.chance(0.4)) files.push(fileOf(random, { place, key, texts }));
  }
  const order = random.shuffled(locations);
  const minCopies = random.pick([1, 1, 2]);
  const plans = Array.from({ length: random.pick([1, 2, 2]) }, (_, index) => {
    const known = files.filter(() => random.chance(0.9));
    return planOf(locations, actionsOf(random, known, order, minCopies), minCopies, index);
  });
  return { locations, files, plans };
}

/** Some carry a note of their hash, where it is a bucket; and some notes are wrong. */
function fileOf(random: Random, at: { place: string; key: string; texts: string[] }): File {
  const { place, key, texts } = at;
  // Some have no copy anywhere.
  const text = random.chance(0.15) ? `only ${place} ${key}` : random.pick(texts);
  const claim = random.chance(0.3) ? text : random.chance(0.1) ? random.pick(TEXTS) : undefined;
  return { place, key, text, ...(claim && { claim }) };
}

function actionsOf(random: Random, known: Script["files"], order: readonly string[], minCopies: number): Action[] {
  const actions: Action[] = [];
  const targets = new Set<string>();
  for (const file of random.shuffled(known).slice(0, random.pick([1, 2, 3, 4]))) {
    const action = actionOf(random, file, known, { order, minCopies, targets });
    if (action) actions.push(...action.map((each, index) => ({ ...each, id: `a${actions.length + index + 1}` })));
  }
  // What takes the place of a loser comes after it.
  return actions.map((action, index) =>
    action.depends_on.length > 0 ? { ...action, depends_on: [actions[index - 1]!.id] } : action,
  );
}

type File = Script["files"][number];

interface Frame {
  order: readonly string[];
  minCopies: number;
  targets: Set<string>;
}

function actionOf(random: Random, file: File, known: readonly File[], frame: Frame): Action[] | undefined {
  const same = known.filter(({ text }) => text === file.text);
  const rank = frame.order.indexOf(file.place);
  const higher = same.filter(({ place }) => frame.order.indexOf(place) < rank);
  const needed = Math.min(frame.minCopies, new Set(same.map(({ place }) => place)).size);
  const kind = random.pick(["move", "move", "move", "delete", "delete", "copy", "verify", "loser", "word", "repair"]);
  const targetIn = (places: readonly string[]): File | undefined => {
    const free = places.flatMap((place) =>
      KEYS.filter((key) => !frame.targets.has(`${place}:${key}`)).map((key) => ({ place, key, text: file.text })),
    );
    const target = free.length === 0 ? undefined : random.pick(free);
    if (target) frame.targets.add(`${target.place}:${target.key}`);
    return target;
  };
  switch (kind) {
    case "verify":
      return [action(file, kind, {})];
    case "copy": {
      const to = targetIn(frame.order.filter((place) => place !== file.place));
      return to && [action(file, kind, { to, known, witnesses: same.filter((other) => other !== file) })];
    }
    case "move": {
      const to = targetIn(frame.order.slice(0, rank));
      if (!to) return undefined;
      const witnesses = [to, ...higher.filter(({ place, key }) => place !== to.place || key !== to.key)];
      return enough(witnesses, needed) ? [action(file, kind, { to, known, witnesses, required: needed })] : undefined;
    }
    case "delete":
      return enough(higher, needed) ? [action(file, kind, { witnesses: higher, required: needed })] : undefined;
    case "word":
      return random.chance(0.5) ? [action(file, "delete", { required: 0 })] : undefined;
    case "repair": {
      const from = higher[0];
      return from && [action(from, "copy", { to: { ...file }, known, reason: "repair" })];
    }
    default: {
      const winner = known.find(({ text, place }) => text !== file.text && place !== file.place);
      if (!winner || frame.targets.has(`${file.place}:${file.key}`)) return undefined;
      frame.targets.add(`${file.place}:${file.key}`);
      const loser = action(file, "delete", { required: 0, reason: "conflict" });
      const to = { ...file, text: winner.text };
      return [loser, { ...action(winner, "copy", { to, known: [] }), depends_on: ["the one before"] }];
    }
  }
}

const enough = (witnesses: readonly File[], needed: number): boolean =>
  needed > 0 && new Set(witnesses.map(({ place }) => place)).size >= needed;

interface Details {
  to?: File;
  known?: readonly File[];
  witnesses?: readonly File[];
  required?: number;
  reason?: Action["reason"];
}

function action(file: File, kind: Action["kind"], details: Details): Action {
  const { to, known = [], witnesses = [], required = 0, reason = "rule" } = details;
  const has = (at: File): boolean => known.some(({ place, key }) => place === at.place && key === at.key);
  const bytes = to ? file.text.length : 0;
  return {
    ...{ type: "action", id: "", kind, rule: { name: "made-up", line: 1 }, reason },
    ...{ content: `sha256:${sha256Of(file.text)}`, size: file.text.length },
    from: { location: file.place, key: file.key, version: SEEN },
    to: to ? { location: to.place, key: to.key, expect: has(to) ? SEEN : "absent" } : null,
    witnesses: witnesses.map((at) => ({
      location: at.place,
      key: at.key,
      version: at === to && !has(at) ? null : SEEN,
    })),
    ...{ depends_on: [], copies: { before: 1, after: 1 }, required, bytes },
  };
}

export function planOf(locations: readonly string[], actions: Action[], minCopies: number, index: number): Plan {
  return {
    header: {
      ...{ type: "plan", format_version: "1.0", stowage_version: "0", plan_id: `p-${index}`, plan_ttl: 100 * DAY },
      ...{ config: { digest: "sha256:0", commit: null }, created_at: "", evaluated_at: "", applyable: true },
      safety: { min_copies: minCopies, verify: "content", trash: 0 },
      scans: locations.map((location, order) => ({
        ...{ location, type: "local", root: `/${location}`, priority: 100 - order, uuid: null, at: null },
        ...{ status: "complete", files: 0, bytes: 0 },
      })),
    },
    actions,
    footer: {
      type: "end",
      summary: { copy: 0, move: 0, delete: 0, verify: 0, blocked: 0, kept: 0, bytes: 0, files: 0, locations: 0 },
      ...{ blocked: [], kept: [], conflicts: [], drift: [], checks: [], capacity: [] },
      ...{ proof: { min_copies: minCopies, floor: 1, converges: true }, digest: "" },
    },
  };
}
