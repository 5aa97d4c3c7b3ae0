import { realpathSync } from "node:fs";
import type { Backend } from "../backend/backend.js";
import { isInside } from "../backend/inside.js";
import type { KnownLocation } from "../catalog/scans.js";
import { type Config, isOutOfUse, type Location } from "../config/config.js";
import { ExitCode, messageOf, StowageError } from "../lib/error.js";

/** What a location looks like before anything in it is believed. */
export interface Health {
  location: string;
  /** Equal for two locations exactly when they are one place. */
  identity?: string;
  /** Real path of a local root. */
  root?: string;
  uuid?: string;
  /** Buckets that show its marker in a folder of theirs. */
  inside?: string[];
  /** Why it may not be relied on (S14). */
  suspect?: string;
  hint?: string;
}

/** Looks at the root and the marker. Never throws: what can not be found out makes the location suspect. */
export async function examine(location: string, backend: Backend, expected: string | undefined): Promise<Health> {
  const health: Health = { location };
  try {
    const uuid = await backend.marker();
    health.identity = await backend.identity();
    if (backend.root !== undefined) health.root = realpathSync(backend.root);
    if (uuid !== undefined) health.uuid = uuid;
    return { ...health, ...judge(location, uuid, expected) };
  } catch (error) {
    const hint = error instanceof StowageError ? error.hint : undefined;
    return {
      ...health,
      suspect: messageOf(error, location),
      hint: hint ?? "Connect or mount the storage, then scan again.",
    };
  }
}

function judge(
  location: string,
  uuid: string | undefined,
  expected: string | undefined,
): { suspect?: string; hint?: string } {
  const adopt = `run \`stowage init --adopt ${location}\``;
  if (uuid === undefined && expected === undefined) {
    return { suspect: "it was never adopted: there is no .stowage-location in it", hint: "Run `stowage init`." };
  }
  if (uuid === undefined) {
    return {
      suspect: "its marker .stowage-location is missing",
      hint: `If the right storage is mounted there and only the marker was lost, ${adopt}.`,
    };
  }
  if (expected !== undefined && uuid !== expected) {
    return {
      suspect: `its marker says ${uuid} and not ${expected}: this is another storage`,
      hint: `If that is what you want, ${adopt}.`,
    };
  }
  return {};
}

/** The locations to look at, in config order. @throws `UNKNOWN_LOCATION`, `LOCATION_AWAY` for a name that is offline or retired */
export function chooseLocations(config: Config, names: readonly string[] | undefined): Location[] {
  const all = config.locations.map((location) => location.name);
  const unknown = names?.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new StowageError("UNKNOWN_LOCATION", `there is no location "${unknown}" in ${config.file}`, {
      hint: `The locations are: ${all.join(", ")}.`,
      exit: ExitCode.usage,
    });
  }
  const chosen = config.locations.filter(({ name }) => names?.includes(name) ?? true);
  const away = names && chosen.find(isOutOfUse);
  if (away) {
    throw new StowageError(
      "LOCATION_AWAY",
      `the location "${away.name}" is ${away.status} in ${config.file}: it is not looked at`,
      { hint: "Write `status: active` there when it is back, or leave its name out.", exit: ExitCode.usage },
    );
  }
  return chosen.filter((location) => !isOutOfUse(location));
}

/** Looks at every location, also those that are not scanned now: one storage under two names is found either way. */
export async function examineAll(
  config: Config,
  backends: ReadonlyMap<string, Backend>,
  known: ReadonlyMap<string, KnownLocation>,
  expected?: ReadonlyMap<string, string>,
): Promise<Map<string, Health>> {
  const all = chooseLocations(config, undefined).map(async ({ name }): Promise<[string, Health][]> => {
    const backend = backends.get(name);
    return backend ? [[name, await examine(name, backend, known.get(name)?.uuid ?? expected?.get(name))]] : [];
  });
  const healths = (await Promise.all(all)).flat();
  for (const [index, [, health]] of healths.entries()) {
    await noteInside(
      health,
      healths.slice(0, index).map(([, other]) => other),
      backends,
    );
  }
  return new Map(healths);
}

/** Notes which of two buckets lies in the other, whatever their addresses are. Where that can not be asked the outer one is suspect. */
export async function noteInside(
  health: Health,
  others: readonly Health[],
  backends: ReadonlyMap<string, Backend>,
): Promise<void> {
  for (const [inner, outer] of others.flatMap((other) => [[health, other] as const, [other, health] as const])) {
    const [within, around] = [backends.get(inner.location), backends.get(outer.location)];
    if (!within || !around || inner.uuid === undefined || outer.suspect !== undefined) continue;
    try {
      if (await isInside(within, inner.uuid, around)) inner.inside = [...(inner.inside ?? []), outer.location];
    } catch (error) {
      outer.suspect = messageOf(error, outer.location);
    }
  }
}

/** @throws `SAME_STORAGE` when two locations are one directory or device, one lies inside the other, or both carry one marker (S14) */
export function refuseSameStorage(all: readonly Health[]): void {
  for (const [index, a] of all.entries()) {
    for (const b of all.slice(index + 1)) {
      const why = sameStorage(a, b);
      if (why === undefined) continue;
      throw new StowageError(
        "SAME_STORAGE",
        `the locations "${a.location}" and "${b.location}" are one storage: ${why}`,
        {
          hint: "Two names for one storage would count one copy twice. Remove or move one of them in storage.yaml.",
          exit: ExitCode.error,
        },
      );
    }
  }
}

/** Why the two are one storage, if they are. */
export function sameStorage(a: Health, b: Health): string | undefined {
  if (a.identity !== undefined && a.identity === b.identity)
    return isAddress(a.identity) ? `both are ${a.identity}` : "both lead to the same directory";
  if (a.identity !== undefined && b.identity !== undefined && isAddress(a.identity) && isAddress(b.identity)) {
    if (isBelow(a.identity, b.identity)) return `${a.identity} lies inside ${b.identity}`;
    if (isBelow(b.identity, a.identity)) return `${b.identity} lies inside ${a.identity}`;
  }
  if (a.root !== undefined && b.root !== undefined) {
    if (isBelow(a.root, b.root)) return `${a.root} lies inside ${b.root}`;
    if (isBelow(b.root, a.root)) return `${b.root} lies inside ${a.root}`;
  }
  if (a.inside?.includes(b.location)) return `${a.location} lies inside ${b.location}`;
  if (b.inside?.includes(a.location)) return `${b.location} lies inside ${a.location}`;
  if (a.uuid !== undefined && a.uuid === b.uuid) return `both have the marker ${a.uuid}`;
  return undefined;
}

/** A bucket is known by its address, prefix and all. */
const isAddress = (identity: string): boolean => identity.includes("://");

const isBelow = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith("/") ? outer : `${outer}/`);
