import type { Config, Location } from "../config/config.js";
import { StowageError } from "../lib/error.js";
import type { Backend } from "./backend.js";
import { localBackend } from "./local.js";

/** Opens a location. Never fails for a root that is not there: the methods do. */
export async function openBackend(location: Location): Promise<Backend> {
  switch (location.type) {
    case "local":
    case "network":
      return localBackend(location.name, location.root);
    default:
      throw new StowageError(
        "UNSUPPORTED",
        `${location.name}: locations of the type ${location.type} can not be opened`,
      );
  }
}

/** The locations that may be touched, opened, by name; those that are offline or retired are left out. */
export async function openBackends(config: Config): Promise<Map<string, Backend>> {
  const usable = config.locations.filter(({ status }) => status === "active" || status === "draining");
  const opened = new Map<string, Backend>();
  for (const location of usable) opened.set(location.name, await openBackend(location));
  return opened;
}
