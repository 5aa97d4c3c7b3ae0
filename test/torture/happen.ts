import { addressOf, forgive, lose } from "./ledger.js";
import { computer } from "./model/computer.js";
import { type Disk, losePower, newInode } from "./model/disk.js";
import { type Actor, kill, note, stage } from "./model/stage.js";
import { judgeWorld } from "./oracle.js";
import { type Copy, copiesIn, type Place, rots, userDeletes, userLinks, userWrites } from "./place.js";
import type { Event } from "./script.js";
import type { World } from "./world.js";

/** Lets an event happen to the world. @returns false when there was nothing that it could happen to */
export function happen(world: World, event: Event, running: ReadonlyMap<string, Actor>): boolean {
  note(`* ${event.kind} ${Object.values(event).slice(2).join(" ")}`);
  switch (event.kind) {
    case "write":
    case "delete":
    case "link":
    case "rot":
      return change(world, event);
    case "crash":
    case "pause":
    case "clock":
      return befall(event, running.get(event.applier));
    case "power":
      return powerLoss(world);
    case "unmount":
      return unmount(world, event.place, event.steps);
    case "fault":
      computer.faults.push({
        ...{ place: diskOf(world, event.place), kind: event.fault, left: event.times },
        ...(event.call !== undefined && { call: event.call }),
        ...(event.skip !== undefined && { skip: event.skip }),
      });
      return true;
    case "list":
      if (event.broken) computer.faults.push({ place: diskOf(world, event.place), kind: "broken listing", left: 1 });
      return true;
  }
}

/** Faults are those of a disk, or of a bucket. */
function diskOf({ places }: World, name: string): string {
  const place = places.get(name);
  return place?.kind === "directory" ? place.disk.name : name;
}

const liveAt = (place: Place, key: string): Copy | undefined =>
  [...copiesIn(place)].find((copy) => copy.kind === "live" && copy.key === key);

function change(world: World, event: Extract<Event, { key: string }>): boolean {
  const { ledger } = world;
  const place = world.places.get(event.place);
  if (!place) return false;
  const before = liveAt(place, event.key);
  switch (event.kind) {
    case "write":
      userWrites(place, event.key, event.text, { inPlace: event.inPlace });
      if (!liveAt(place, event.key)) return false;
      ledger.owed.add(event.text);
      ledger.genuine.add(event.text);
      break;
    case "delete":
      if (!before) return false;
      userDeletes(place, event.key);
      break;
    case "rot":
      if (!before || !rots(place, event.key)) return false;
      ledger.rotten.add(liveAt(place, event.key)?.text ?? "");
      break;
    case "link":
      return linkOver(world, place, event, before);
  }
  // Of a file that has several names all have the new bytes.
  if (before && before.reading !== liveAt(place, event.key)?.reading) {
    const by = event.kind === "rot" ? "rot" : "user";
    lose(ledger, by, place, event.key, before.text);
    for (const other of ledger.places) {
      for (const copy of copiesIn(other)) {
        if (copy.physical === before.physical && copy.text !== before.text)
          lose(ledger, by, other, copy.key, before.text);
      }
    }
  }
  return true;
}

/** As programs do that save room: a copy becomes a hard link to another one. */
function linkOver(
  world: World,
  from: Place,
  event: Extract<Event, { kind: "link" }>,
  source: Copy | undefined,
): boolean {
  const to = world.places.get(event.to);
  if (!source || from.kind !== "directory" || to?.kind !== "directory" || from.disk !== to.disk) return false;
  const before = liveAt(to, event.as);
  if (before?.physical === source.physical || !userLinks(from, event.key, to, event.as)) return false;
  world.ledger.linked.add(addressOf(to, event.as));
  if (before) lose(world.ledger, "user", to, event.as, before.text);
  forgive(world.ledger, before?.text ?? source.text);
  return true;
}

function befall(event: Extract<Event, { applier: string }>, actor: Actor | undefined): boolean {
  if (!actor?.alive || actor.waiting.length === 0) return false;
  if (event.kind === "crash") kill(actor);
  else if (event.kind === "pause") actor.pausedUntil = stage.step + event.steps;
  else actor.skew += event.ms;
  return true;
}

/** Everybody dies, and what was not synced may be gone. Buckets have a battery. */
export function powerLoss({ ledger, disks }: World): boolean {
  const before = new Map(
    ledger.places.flatMap((place) => [...copiesIn(place)].map((copy) => [addressOf(place, copy.key), copy])),
  );
  for (const actor of stage.actors) kill(actor);
  stage.boot += 1;
  for (const disk of disks) losePower(disk);
  judgeWorld(ledger, `after the power was lost at ${stage.step}, with ${before.size} copies before`);
  return true;
}

/** Something empty is mounted over the disk for a while. */
function unmount({ places, ledger }: World, name: string, steps: number): boolean {
  const place = places.get(name);
  if (place?.kind !== "directory" || place.disk.shown !== place.disk.root) return false;
  const { disk } = place;
  ledger.unmounted = true;
  disk.shown = emptyRoot(place.folder);
  mounts.set(disk, stage.step + steps);
  return true;
}

const mounts = new WeakMap<Disk, number>();

export function remount(disks: readonly Disk[]): void {
  for (const disk of disks) {
    if (disk.shown !== disk.root && (mounts.get(disk) ?? 0) <= stage.step) disk.shown = disk.root;
  }
}

function emptyRoot(folder: string) {
  const root = newInode(true);
  const empty = newInode(true);
  for (const inode of [root, empty]) inode.elsewhere = true;
  root.entries?.set(folder.replace(/\/$/, ""), empty);
  return root;
}
