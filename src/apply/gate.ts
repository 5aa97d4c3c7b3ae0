import type { Backend } from "../backend/backend.js";
import { isOpen, opensIn } from "../backend/bandwidth.js";
import type { Window } from "../config/config.js";
import type { Action, Ref } from "../plan/plan.js";

/** Says which actions can be started: each location has its windows, and rests while its storage does not answer. */
export interface Gate {
  /** The location for which the action has to wait; undefined: it can be started. */
  heldBy(action: Action): string | undefined;
  standing(location: string): Standing;
  /** No location rests. */
  awake(): boolean;
  /** None rests, is closed or dead: nothing is held. */
  free(): boolean;
  /** A location that the action can not do without and that was given up. */
  givenUp(action: Action): string | undefined;
  /** The action came to an end, and not because a location did not answer. */
  answered(action: Action): void;
}

/** `ms` until it may be otherwise. `dead`: it rests for so long that nobody waits for it any more. */
export type Standing = { is: "free" } | { is: "rests"; ms: number } | { is: "closed"; ms: number } | { is: "dead" };

export interface GateOptions {
  backends: ReadonlyMap<string, Backend>;
  /** When each location may be worked with; a location without any is always open. */
  windows: ReadonlyMap<string, readonly Window[]>;
  timezone: string;
  now: () => number;
  /** Milliseconds for which a location that does not answer is waited for. */
  patience: number;
}

const FREE: Standing = { is: "free" };

export function openGate(options: GateOptions): Gate {
  const { backends, patience } = options;
  const opening = openings(options);
  /** When each location was first seen to rest, without an answer since. */
  const silent = new Map<string, number>();

  function standing(location: string): Standing {
    const opens = opening(location);
    if (opens > 0) return { is: "closed", ms: opens };
    const ms = backends.get(location)?.pausedFor?.() ?? 0;
    if (ms === 0) return FREE;
    const since = silent.get(location) ?? performance.now();
    silent.set(location, since);
    return performance.now() - since < patience ? { is: "rests", ms } : { is: "dead" };
  }
  const are = (is: Standing["is"]) => (location: string) => standing(location).is === is;
  const known = [...new Set([...backends.keys(), ...options.windows.keys()])];
  const free = (): boolean => known.every(are("free"));
  const firstHeld = (locations: readonly string[]) => locations.find(are("closed")) ?? locations.find(are("rests"));

  /** Of several locations some are enough. */
  function heldByLack(locations: readonly string[], required: number): string | undefined {
    const free = locations.filter(are("free")).length;
    if (free >= required) return undefined;
    const [resting, closed] = [locations.filter(are("rests")), locations.filter(are("closed"))];
    if (free + resting.length >= required) return resting[0];
    // With too few in any case it is started, and says so.
    return free + resting.length + closed.length >= required ? closed[0] : undefined;
  }

  return {
    standing,
    awake: () => !known.some(are("rests")),
    free,
    heldBy(action) {
      // Asked for each action; mostly that is all there is to find out.
      if (free()) return undefined;
      const { always, sources, vouchers, required } = needsOf(action);
      return firstHeld(always) ?? heldByLack(sources, Math.min(1, sources.length)) ?? heldByLack(vouchers, required);
    },
    givenUp(action) {
      const { always, sources } = needsOf(action);
      return always.find(are("dead")) ?? (sources.every(are("dead")) ? sources[0] : undefined);
    },
    answered({ from, to }) {
      for (const { location } of [from, ...(to ? [to] : [])]) {
        if ((backends.get(location)?.pausedFor?.() ?? 0) === 0) silent.delete(location);
      }
    },
  };
}

interface Needs {
  always: string[];
  /** One of these. */
  sources: string[];
  /** So many of these. */
  vouchers: string[];
  required: number;
}

/** A copy reads from whichever source can be had; what removes something needs that very place, and others to vouch for it. */
function needsOf({ kind, from, to, witnesses, required }: Action): Needs {
  const target = to ? [to.location] : [];
  const others = witnesses.filter(({ location, key }) => location !== from.location || key !== from.key);
  if (kind === "copy") return { always: target, sources: locationsOf([from, ...others]), vouchers: [], required: 0 };
  const always = [from.location, ...target];
  return { always, sources: [], vouchers: kind === "verify" ? [] : locationsOf(others), required };
}

const locationsOf = (refs: readonly Ref[]): string[] => [...new Set(refs.map(({ location }) => location))];

/** Milliseconds until a location's window opens; 0 = it is open. Asked for each action, so an answer serves for a second. */
function openings({ windows, timezone, now }: GateOptions): (location: string) => number {
  const known = new Map<string, { second: number; opens: number }>();
  return (location) => {
    const own = windows.get(location) ?? [];
    if (own.length === 0) return 0;
    const at = now();
    const second = Math.floor(at / 1000);
    const before = known.get(location);
    if (before?.second === second) return before.opens;
    const opens = isOpen(own, at, timezone) ? 0 : Math.max(1, opensIn(own, at, timezone));
    known.set(location, { second, opens });
    return opens;
  };
}
