import { localVersion } from "../../src/backend/local-version.js";
import type { Action, Plan } from "../../src/plan/plan.js";
import { find } from "./model/disk.js";
import { now } from "./model/globals.js";
import { uuidOf, type World } from "./world.js";

/** Wrong clocks are no reason here to refuse a plan. */
const TTL = 100 * 86_400_000;

/** A version that stands for "as it is when the schedule begins". */
export const SEEN = "seen";

/** The plan as it would have been made for this world: with its versions, clock and markers. */
export function bound(world: World, plan: Plan): Plan {
  const at = new Date(now() - 60_000).toISOString();
  const { trash, verify, locations } = world.script;
  const { header } = plan;
  const places = new Map(locations.map(({ name, place }) => [name, place]));
  return {
    ...plan,
    header: {
      ...{ ...header, created_at: at, evaluated_at: at, applyable: true, plan_ttl: TTL },
      safety: { ...header.safety, trash, verify },
      scans: header.scans.map((scan) => ({
        ...scan,
        uuid: uuidOf(places.get(scan.location)!),
        at,
        status: "complete",
      })),
    },
    actions: plan.actions.map((action) => boundAction(world, action)),
  };
}

function boundAction(world: World, action: Action): Action {
  const version = (known: string, location: string, key: string): string =>
    known === SEEN || known.startsWith("v-") ? versionAt(world, location, key) : known;
  const { from, to, witnesses } = action;
  return {
    ...action,
    from: { ...from, version: version(from.version, from.location, from.key) },
    to: to && { ...to, expect: version(to.expect, to.location, to.key) },
    witnesses: witnesses.map((witness) => ({
      ...witness,
      version: witness.version === null ? null : version(witness.version, witness.location, witness.key),
    })),
  };
}

function versionAt({ ledger }: World, location: string, key: string): string {
  const place = ledger.placeOf.get(location);
  if (place?.kind === "bucket") return place.store.objects.get(key)?.token ?? "gone";
  const inode = place && find(place.disk, place.folder + key);
  if (!inode) return "gone";
  return localVersion({ size: BigInt(inode.bytes.length), mtimeNs: inode.mtime, ctimeNs: inode.ctime, ino: inode.ino });
}
