import type { Backend } from "../../src/backend/backend.js";
import { markerText } from "../../src/backend/marker.js";
import type { Requests } from "../../src/backend/requests.js";
import { factsOf, type Ledger, newLedger, sha256Of } from "./ledger.js";
import { computer } from "./model/computer.js";
import { type Disk, newDisk, newInode, restartNumbers } from "./model/disk.js";
import { observed, reached, watchStore } from "./observe.js";
import { type Place, userLinks, userWrites } from "./place.js";
import type { Product } from "./product.js";
import type { Script } from "./script.js";
import { type Trash, watchDisks } from "./watch.js";

export interface World {
  ledger: Ledger;
  trash: Trash;
  places: Map<string, Place>;
  disks: Disk[];
  product: Product;
  script: Script;
}

export const uuidOf = (place: string): string =>
  `00000000-0000-4000-8000-${Buffer.from(place).toString("hex").padStart(12, "0").slice(-12)}`;

/** The places as the script wants them, with markers and files, all durable. */
export function buildWorld(script: Script, product: Product): World {
  const ledger = newLedger();
  const trash: Trash = { keep: script.trash, inodes: new Map(), objects: new Map() };
  const world: World = { ledger, trash, places: new Map(), disks: [], product, script };
  restartNumbers();
  Object.assign(computer, {
    ...{ mounts: new Map(), faults: [] },
    proved: (reading: string) => factsOf(ledger).proved.add(reading),
  });
  // A disk is there before others lie on it; the order of the places is that of the script.
  const specs = [...script.places].sort((a, b) => Number(a.with !== undefined) - Number(b.with !== undefined));
  for (const spec of specs) world.places.set(spec.name, buildPlace(world, spec));
  ledger.places = [...world.places.values()];
  for (const { name, place } of script.locations) ledger.placeOf.set(name, world.places.get(place)!);
  for (const state of new Set(script.appliers.map((applier) => applier.state))) {
    const disk = newDisk(`state-${state}`);
    disk.private = !script.fine && script.appliers.filter((applier) => applier.state === state).length === 1;
    computer.mounts.set(`/state-${state}`, disk);
    world.disks.push(disk);
  }
  for (const place of ledger.places) {
    userWrites(place, ".stowage-location", markerText(uuidOf(place.name)), { inPlace: false });
  }
  fill(world);
  const watch = watchDisks(ledger, trash);
  for (const disk of world.disks) disk.watch = watch;
  return world;
}

function buildPlace(world: World, spec: Script["places"][number]): Place {
  const { name, kind, versioned, hashes, copies, hardLinks } = spec;
  const common = { name, uuid: uuidOf(name), rotted: new Map<object, number>() };
  if (kind === "bucket") {
    const store = world.product.memoryStore({ address: `memory://${name}`, versioned, hashes, copies, page: 2 });
    const bucket: Place = { ...common, kind, store, hashes, makers: new Map() };
    watchStore(world.ledger, world.trash, bucket);
    return bucket;
  }
  const shared = world.disks.find((disk) => disk.name === spec.with);
  const disk = shared ?? newDisk(name, hardLinks);
  if (!shared) {
    world.disks.push(disk);
    computer.mounts.set(`/${name}`, disk);
  }
  const root = newInode(true);
  disk.root.entries?.set(name, root);
  disk.root.lasting.set(name, root);
  return { ...common, kind, disk, folder: `${name}/` };
}

function fill({ script, places, ledger }: World): void {
  for (const { place: name, key, text, linkTo, claim } of script.files) {
    const place = places.get(name)!;
    const [other, ...rest] = linkTo?.split(":") ?? [];
    const target = other === undefined ? undefined : places.get(other);
    const linked =
      place.kind === "directory" &&
      target?.kind === "directory" &&
      place.disk === target.disk &&
      userLinks(target, rest.join(":"), place, key);
    if (place.kind === "bucket" && claim !== undefined)
      place.store.overwrite(key, Buffer.from(text, "latin1"), { "stowage-sha256": sha256Of(claim) });
    else if (!linked) userWrites(place, key, text, { inPlace: false });
    ledger.owed.add(text);
    ledger.genuine.add(text);
  }
}

/** The locations as a process opens them that has just started. */
export function openLocations({ script, places, ledger, product }: World): Map<string, Backend> {
  const backends = new Map<string, Backend>();
  for (const { name, place: placeName } of script.locations) {
    const place = places.get(placeName)!;
    const backend =
      place.kind === "directory"
        ? product.localBackend(name, `/${place.disk.name}/${place.name}`)
        : product.bucketBackend(name, "", reached(ledger, place, place.store), straight, {
            allowUnconditionalDelete: false,
          });
    backends.set(name, observed(ledger, place, backend));
  }
  return backends;
}

const straight: Requests = {
  send: (body) => body({ signal: new AbortController().signal, number: 1, alive: () => undefined }),
  watched: (bytes) => bytes,
  pausedFor: () => 0,
  giveUp: () => undefined,
  onRetry: undefined,
};
