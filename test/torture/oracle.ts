import {
  addressOf,
  copiesOf,
  type Facts,
  factsOf,
  forgive,
  isGiven,
  type Ledger,
  type Removal,
  sha256Of,
  violate,
} from "./ledger.js";
import { stage } from "./model/stage.js";
import { type Copy, copiesIn, type Place } from "./place.js";

/** What is about to be gone for good, or was put into the trash for good. */
export interface Doomed {
  place: Place;
  key: string;
  text: string;
  /** This run made it. */
  own: boolean;
}

/** Judges a removal right before it takes effect: I1, I2 and I4, by what is true and not by what the code believes. */
export function judgeRemoval(ledger: Ledger, doomed: Doomed, removal: Removal | undefined, trashed: boolean): void {
  ledger.judged += 1;
  const where = addressOf(doomed.place, doomed.key);
  if (removal) removal.done = true;
  const action = removal?.action;
  const isContent = `sha256:${sha256Of(doomed.text)}` === action?.content;
  // What got its name back from an interrupted removal is the source too, under another version.
  if (!removal || !action || !(removal.source || (isContent && !doomed.own))) {
    judgeOwn(ledger, doomed, trashed || removal?.trash === true);
    return;
  }
  const facts = factsOf(ledger);
  if (!isContent) {
    if (!isUnseen(ledger, facts, doomed, removal))
      violate(ledger, "I4", `${where} goes, but holds ${shown(doomed.text)}`);
    return;
  }
  if (isGiven(action)) ledger.givenUp.add(doomed.text);
  if (action.reason === "conflict") {
    if (!trashed) violate(ledger, "I1", `${where} lost a conflict and goes without trash`);
    return;
  }
  if (!isGiven(action)) countOthers(ledger, facts, doomed, removal);
  const { text, place, key } = doomed;
  if (stage.current)
    ledger.taken.push({
      ...{ text, place, key, step: stage.step, by: stage.current },
      ...{ given: isGiven(action), required: action.required },
    });
  // What nobody has after that was the owner's word, or went too late to be seen.
  queueMicrotask(() => forgive(ledger, doomed.text));
}

/** Its bytes changed after the last look at them; where it has other names, under any of these. */
function isUnseen(ledger: Ledger, facts: Facts, doomed: Doomed, { action, lastLook }: Removal): boolean {
  return ledger.losses.some((loss) => {
    const rot = loss.by === "rot";
    if (loss.step < (rot ? facts.since : (lastLook ?? Number.POSITIVE_INFINITY))) return false;
    if (loss.place === doomed.place && loss.key === doomed.key) return true;
    return `sha256:${sha256Of(loss.text)}` === action?.content && (!rot || ledger.rotten.has(doomed.text));
  });
}

function countOthers(ledger: Ledger, facts: Facts, doomed: Doomed, removal: Removal): void {
  const required = removal.action?.required ?? 1;
  const lastLook = removal.lastLook ?? Number.POSITIVE_INFINITY;
  const isOther = (at: { text?: string; place: Place; key: string }): boolean =>
    at.text === doomed.text && !isAt(at, doomed.place, doomed.key);
  const others = [...copiesOf(ledger, doomed.text)].filter((copy) => copy.kind === "live" && isOther(copy));
  const lost = ledger.losses.filter(
    (each) => isOther(each) && each.step >= (each.by === "rot" ? facts.since : lastLook),
  );
  const proven = others.filter((copy) => copy.lasting && isProved(facts, copy));
  if (count(proven, lost) >= required) return;
  // What another machine took away since the last look, it took because of others that it had proven itself: that is what the order of I2 is for.
  const taken = ledger.taken.filter((each) => isOther(each) && each.step >= lastLook && each.by !== stage.current);
  const byAnyone = others.filter(
    (copy) => copy.lasting && [...ledger.facts.values()].some((any) => isProved(any, copy)),
  );
  const given = taken.filter((each) => each.given);
  // A machine that knew of fewer copies asked for fewer to stay: then there are as many as the two agree on.
  const agreed = Math.min(required, ...taken.filter((each) => !each.given).map((each) => each.required));
  if (count(proven, [...lost, ...taken]) >= required && count(byAnyone, [...lost, ...given]) >= agreed) return;
  const rest = others.map((copy) => {
    const lacks = [
      ...(copy.lasting ? [] : ["not durable"]),
      ...(isProved(facts, copy) ? [] : ["not read in this run"]),
    ];
    return `${addressOf(copy.place, copy.key)}${lacks.length > 0 ? ` (${lacks.join(", ")})` : ""}`;
  });
  const enough =
    count(
      others.filter(({ lasting }) => lasting),
      lost,
    ) >= required;
  violate(
    ledger,
    enough ? "I2" : "I1",
    `${addressOf(doomed.place, doomed.key)} goes with ${count(proven, lost)} of ${required} other copies of ${shown(doomed.text)}; there is ${rest.join(", ") || "none"}`,
  );
}

/** Distinct places, and distinct files: two names of one file are one copy. */
function count(copies: readonly Copy[], unseen: readonly { place: Place; key: string }[]): number {
  const places = new Set([...copies, ...unseen].map(({ place }) => place));
  const files = [...copies.map(({ physical }) => physical), ...unseen.map(({ place, key }) => addressOf(place, key))];
  return Math.min(places.size, new Set(files).size);
}

/** Read by itself in this run, or vouched for by the store, where that is enough. */
function isProved(facts: Facts, { place, reading }: Copy): boolean {
  if (facts.proved.has(reading)) return true;
  return facts.plan?.header.safety.verify === "checksum" && place.kind === "bucket" && place.hashes;
}

const isAt = (at: { place: Place; key: string }, place: Place, key: string): boolean =>
  at.place === place && at.key === key;

/** What a run has written itself it may take away again; damaged files it may put into the trash. */
function judgeOwn(ledger: Ledger, doomed: Doomed, trashed: boolean): void {
  if (doomed.own || trashed) return;
  if (![...copiesOf(ledger, doomed.text)].some((copy) => copy.kind === "live" && !isAt(copy, doomed.place, doomed.key)))
    violate(ledger, "I4", `${addressOf(doomed.place, doomed.key)} goes, which this run did not make`);
}

/** Judges the end of what lies in the trash: its time has come by the true clock, and it was put there by a removal that was carried out. */
export function judgePurge(
  ledger: Ledger,
  copy: Doomed,
  trash: { since: bigint; settled: boolean; keep: number },
): void {
  ledger.judged += 1;
  // Others in the trash are judged when they go.
  for (const other of copiesOf(ledger, copy.text))
    if (other.kind !== "temporary" && other.lasting && !isAt(other, copy.place, copy.key)) return;
  if (!ledger.owed.has(copy.text)) return;
  // In a bucket the object itself stays until its removal is confirmed: who took that away was judged then.
  if (copy.place.kind === "bucket" && !trash.settled) return void ledger.owed.delete(copy.text);
  const age = Number((stage.clock - trash.since) / 1_000_000n);
  const where = addressOf(copy.place, copy.key);
  if (!trash.settled && !ledger.givenUp.has(copy.text))
    violate(ledger, "I1", `${where} is purged, whose removal never was confirmed; nobody else has ${shown(copy.text)}`);
  else if (age < trash.keep)
    violate(ledger, "I7", `${where} is purged before its time; nobody else has ${shown(copy.text)}`);
  else ledger.owed.delete(copy.text);
}

/** At the end, and after each loss of power: what is owed is there. */
export function judgeWorld(ledger: Ledger, when: string): void {
  for (const text of ledger.owed) {
    if ([...copiesOf(ledger, text)].some((copy) => copy.kind !== "temporary")) continue;
    violate(ledger, "I1", `${shown(text)} is nowhere ${when}`);
    ledger.owed.delete(text);
  }
}

/** Nothing has a name that holds bytes which nobody ever had. A bucket can not be read before it is published. */
export function judgePublished(ledger: Ledger): void {
  for (const place of ledger.places) {
    if (place.kind === "bucket") continue;
    for (const text of wrong(ledger, place)) violate(ledger, "I4", `${text}, which nobody ever wrote, was published`);
  }
}

function* wrong(ledger: Ledger, place: Place): Generator<string> {
  for (const copy of copiesIn(place)) {
    if (copy.kind !== "live" || ledger.genuine.has(copy.text) || ledger.rotten.has(copy.text)) continue;
    // The empty file by which a name was taken: its note says that it is none.
    if (copy.text === "" && copy.maker !== undefined) continue;
    yield `${addressOf(place, copy.key)} ${shown(copy.text)}`;
  }
}

export const shown = (text: string): string => JSON.stringify(text);
