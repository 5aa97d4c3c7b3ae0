import type { Location, Settings } from "./config.js";
import type { Findings } from "./findings.js";
import type { StorageFile } from "./schema.gen.js";
import { didYouMean } from "./suggest.js";
import type { Checked } from "./validate.js";

type OwnPlaces = Pick<Settings, "lock" | "journal">;

/** The locations in which stowage keeps something of its own for all machines: they have to be there and writable. */
export function ownPlaces(
  written: Checked<NonNullable<StorageFile["settings"]>>,
  locations: readonly Location[],
  names: readonly string[],
  found: Findings,
): OwnPlaces {
  const places: OwnPlaces = {};
  for (const key of ["lock", "journal"] as const) {
    const name = written[key];
    if (name === undefined) continue;
    const at = [written, key] as const;
    const location = locations.find((each) => each.name === name);
    const why = location && unusable(location);
    if (!names.includes(name)) {
      found.error("UNKNOWN_LOCATION", at, `there is no location "${name}"`, didYouMean(name, names));
    } else if (why) {
      const hint = `Name a location that is active and may be written to, or leave "${key}" out.`;
      found.error("NOT_WRITABLE", at, `${name} can not hold the ${key}: ${why}`, hint);
    }
    places[key] = name;
  }
  return places;
}

function unusable({ readOnly, status }: Location): string | undefined {
  if (readOnly) return "it is read_only";
  return status === "active" ? undefined : `its status is ${status}`;
}
