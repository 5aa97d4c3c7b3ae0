import { createHash } from "node:crypto";
import type { Action, Plan } from "../../src/plan/plan.js";
import { type Actor, note, stage } from "./model/stage.js";
import { type Copy, copiesIn, type Place } from "./place.js";

/** What the oracle knows of the true world, and what the code can not know. */
export interface Ledger {
  places: Place[];
  /** By the location's name. */
  placeOf: Map<string, Place>;
  facts: Map<Actor, Facts>;
  /** Contents that must be somewhere. */
  owed: Set<string>;
  /** Contents that the owner gave up: in the trash for its time only. */
  givenUp: Set<string>;
  /** All that users ever had. */
  genuine: Set<string>;
  /** Bytes that came of rot. */
  rotten: Set<string>;
  /** Copies that users and rot took away. */
  losses: Loss[];
  /** Copies that removals took away which were judged well, or are about to. */
  taken: Taken[];
  violations: Violation[];
  /** Destructive calls that were judged. */
  judged: number;
  /** Names that users made for files that were there, by `addressOf`. */
  linked: Set<string>;
  /** A disk went away at some time. */
  unmounted: boolean;
}

export interface Violation {
  invariant: string;
  text: string;
  step: number;
}

interface Taken {
  text: string;
  place: Place;
  key: string;
  step: number;
  by: Actor;
  /** The owner gave it up there (`allow_last_copy`): for others it is as if a user had deleted it. */
  given: boolean;
  /** How many other copies it needed; infinity where that is not known. */
  required: number;
}

interface Loss {
  text: string;
  place: Place;
  key: string;
  step: number;
  by: "user" | "rot";
}

/** One run of one process. */
export interface Facts {
  since: number;
  plan: Plan | undefined;
  /** What it has read to the end, or wrote and read back. */
  proved: Set<string>;
  removals: Map<string, Removal>;
  /** Names that it took with an empty file of its own. */
  reserved: Set<string>;
  /** When it last looked at a name. */
  looked: Map<string, number>;
}

/** A call of `Backend.remove` under way. */
export interface Removal {
  action: Action | undefined;
  /** It takes away what the action removes; else what the action itself has put there, or found damaged. */
  source: boolean;
  trash: boolean;
  /** When the last look began; undefined before. */
  lastLook: number | undefined;
  done: boolean;
}

export const isGiven = (action: Action | undefined): boolean => action?.kind === "delete" && action.required === 0;

export const newLedger = (): Ledger => ({
  places: [],
  placeOf: new Map(),
  facts: new Map(),
  owed: new Set(),
  genuine: new Set(),
  givenUp: new Set(),
  rotten: new Set(),
  losses: [],
  taken: [],
  violations: [],
  judged: 0,
  linked: new Set(),
  unmounted: false,
});

export function factsOf(ledger: Ledger): Facts {
  const actor = stage.current;
  if (!actor) throw new Error("nobody acts");
  const known = ledger.facts.get(actor);
  if (known) return known;
  const facts: Facts = {
    ...{ since: stage.step, plan: undefined, proved: new Set<string>(), removals: new Map<string, Removal>() },
    ...{ reserved: new Set<string>(), looked: new Map<string, number>() },
  };
  ledger.facts.set(actor, facts);
  return facts;
}

export function violate(ledger: Ledger, invariant: string, text: string): void {
  note(`VIOLATION of ${invariant}: ${text}`);
  ledger.violations.push({ invariant, text: `${stage.current?.name ?? "world"}: ${text}`, step: stage.step });
}

const hashes = new Map<string, string>();

export function sha256Of(text: string): string {
  const known = hashes.get(text);
  if (known) return known;
  const hash = createHash("sha256").update(Buffer.from(text, "latin1")).digest("hex");
  if (hashes.size > 10_000) hashes.clear();
  hashes.set(text, hash);
  return hash;
}

export function* copiesOf(ledger: Ledger, text: string): Generator<Copy> {
  for (const place of ledger.places) for (const copy of copiesIn(place)) if (copy.text === text) yield copy;
}

export const addressOf = (place: Place, key: string): string => `${place.name}:${key}`;

/** Notes that somebody but stowage took a copy away; what was the last is owed no more. */
export function lose(ledger: Ledger, by: Loss["by"], place: Place, key: string, text: string): void {
  ledger.losses.push({ text, place, key, step: stage.step, by });
  forgive(ledger, text);
}

/** What nobody has any more is owed no more. */
export function forgive(ledger: Ledger, text: string): void {
  for (const copy of copiesOf(ledger, text)) if (copy.kind !== "temporary") return;
  ledger.owed.delete(text);
}
