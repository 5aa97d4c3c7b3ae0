import type { FaultKind } from "./model/computer.js";
import type { Random } from "./model/random.js";
import type { Event, Script } from "./script.js";

export const KEYS = ["x", "y", "d/x", "d/y"];
export const DAY = 86_400_000;

const FAULTS: readonly FaultKind[] = ["error", "lost answer", "full", "bad write", "bad read", "broken listing"];

/** What happens beside the appliers of a schedule. */
export function eventsOf(random: Random, script: Script): Event[] {
  const length = 30 + 70 * script.appliers.length;
  const events = Array.from({ length: random.below(6) }, () => {
    // Some of it happened before anybody starts: the plans are stale then.
    const at = random.chance(0.2) ? 0 : random.below(length);
    return { at, ...eventOf(random, script) } as Event;
  });
  if (script.appliers.length > 1 && random.chance(0.3)) events.push(duel(random, script));
  if (random.chance(0.1)) events.push(...betrayal(random, script, random.below(length)));
  return events;
}

/** Who is about to remove something stands still, while others do what their plans say of the same contents. */
function duel(random: Random, script: Script): Event {
  const place = random.pick(script.places).name;
  const call = isBucket(script, place) ? "remove" : "unlink";
  return { at: 0, kind: "fault", place, fault: "hold", times: 1, call };
}

/** A copy that vouches is deleted, and the process that relies on it dies soon after that. */
function betrayal(random: Random, script: Script, at: number): Event[] {
  const { name, plan } = random.pick(script.appliers);
  const witnesses = script.plans[plan]?.actions.flatMap((action) => action.witnesses) ?? [];
  if (witnesses.length === 0) return [];
  const { location, key } = random.pick(witnesses);
  const place = script.locations.find((each) => each.name === location)?.place ?? location;
  return [
    { at, kind: "delete", place, key },
    { at: at + random.below(12), kind: "crash", applier: name },
  ];
}

/** Mostly something that a plan is about: elsewhere little can go wrong. */
function aimOf(random: Random, script: Script): { place: string; key: string } {
  const applier = random.pick(script.appliers);
  const actions = script.plans[applier.plan]?.actions ?? [];
  if (actions.length === 0 || random.chance(0.2))
    return { place: random.pick(script.places).name, key: random.pick(KEYS) };
  const { from, to, witnesses } = random.pick(actions);
  const { location, key } = random.pick([from, ...(to ? [to, to] : []), ...witnesses]);
  return { place: script.locations.find(({ name }) => name === location)?.place ?? location, key };
}

const isBucket = ({ places }: Script, place: string): boolean =>
  places.some(({ name, kind }) => name === place && kind === "bucket");

function callAt(random: Random, bucket: boolean): string {
  return random.pick(
    bucket ? ["put", "put", "remove", "remove", "head", "read"] : ["link", "rename", "unlink", "fsync", "read"],
  );
}

function eventOf(random: Random, script: Script): Record<string, unknown> {
  const { place, key } = aimOf(random, script);
  const bucket = isBucket(script, place);
  const call = callAt(random, bucket);
  const applier = random.pick(script.appliers).name;
  const other = random.pick(script.places.filter((each) => each.with !== undefined || each.name === place)).name;
  const times = random.pick([1, 1, 2, 8]);
  const kinds: (() => Record<string, unknown>)[] = [
    () => ({ kind: "write", place, key, text: `new ${random.below(100)}`, inPlace: random.chance(0.5) }),
    () => ({
      kind: "write",
      place,
      key,
      text: script.files.length > 0 ? random.pick(script.files).text : "z",
      inPlace: false,
    }),
    () => ({ kind: "delete", place, key }),
    () => ({ kind: "delete", place, key }),
    () => ({ kind: "link", place, key, to: other, as: random.pick(KEYS) }),
    () => ({ kind: "rot", place, key }),
    () => ({ kind: "crash", applier }),
    () => ({ kind: "crash", applier }),
    () => ({ kind: "pause", applier, steps: 20 + random.below(200) }),
    () => ({ kind: "clock", applier, ms: random.pick([-40, -1, 1, 40]) * DAY }),
    () => ({ kind: "power" }),
    () => ({ kind: "power" }),
    () => ({ kind: "unmount", place, steps: 1 + random.below(60) }),
    () => ({ kind: "fault", place, fault: random.pick(FAULTS), times }),
    () => ({ kind: "fault", place, fault: "error", times, call }),
    () => ({ kind: "fault", place, fault: "lost answer", times: random.pick([1, 1, 2]), call }),
    () => ({ kind: "fault", place, fault: "hold", times: 1, call }),
    () => ({ kind: "fault", place, fault: "hold", times: 1, call: bucket ? "remove" : "unlink" }),
    () => ({ kind: "fault", place, fault: "cut", times: 1, call: "fsync", skip: random.below(12) }),
    () => ({ kind: "fault", place, fault: "cut", times: 1, call: "fsync", skip: random.below(12) }),
    () => ({ kind: "list", place, broken: random.chance(0.5) }),
  ];
  return random.pick(kinds)();
}
