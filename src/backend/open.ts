import { dirname } from "node:path";
import type { Config, Location, PluginStore, Settings, Store } from "../config/config.js";
import { assertNever, codeOf, StowageError } from "../lib/error.js";
import type { Backend, Features } from "./backend.js";
import { type Discreet, discreet, discreetly } from "./discreet.js";
import { localBackend } from "./local.js";
import type { PluginBackend } from "./plugin.js";
import type { Requests } from "./requests.js";
import type { ObjectStore } from "./store.js";
import { unopened } from "./unopened.js";

export type { PluginBackend, PluginLocation, PluginTools } from "./plugin.js";

export interface OpenOptions {
  /** What is known of the location from an earlier probe. */
  features?: Features;
  /** Finds what is installed under the name that `use:` gives. */
  plugin?: (use: string) => Promise<PluginBackend>;
  /** How often a request is tried again, and how many transfers run at once. */
  transfer?: Pick<Settings["transfer"], "concurrency" | "retries">;
  /** Milliseconds for which a store that stopped answering is waited for. */
  patience?: number;
  /** The directory of storage.yaml. */
  base?: string;
  /** What keeps the secrets of all locations out of errors; unset: those of this one. */
  discreet?: Discreet;
}

/** Opens a location, and loads the code for its kind only then. Never fails for a root or bucket that is not there: the methods do. */
export async function openBackend(location: Location, options: OpenOptions = {}): Promise<Backend> {
  const { name, store } = location;
  if (location.type === "network") return localBackend(name, location.root);
  if (location.type === "local") return localBackend(name, location.root, { hands: 16 });
  if (!store) throw new StowageError("UNSUPPORTED", `${name}: the ${location.type} location does not say where it is`);
  const { openRequests } = await import("./requests.js");
  const { concurrency, retries } = options.transfer ?? TRANSFER;
  const quiet = options.discreet ?? discreet([store]);
  const requests = openRequests(name, {
    ...{ retries, concurrency: Math.max(16, concurrency + LOOKS), discreet: quiet },
    ...(options.patience !== undefined && { patience: options.patience }),
  });
  if (store.type === "plugin") {
    const opened = await openPlugin(location, store, requests, options).catch((error: unknown) => {
      throw quiet(error);
    });
    return discreetly(opened, quiet);
  }
  const { bucketBackend } = await import("./bucket.js");
  return bucketBackend(name, store.prefix, await openStore(store, requests), requests, known(location, options));
}

/** Places for looks, of which a transfer may need one before it gives up its own. */
const LOOKS = 4;

const TRANSFER = { concurrency: 8, retries: 5 };

const known = ({ allowUnconditionalDelete }: Location, { features }: OpenOptions) => ({
  allowUnconditionalDelete,
  ...(features?.store && { verdicts: features.store, probed: features.probed }),
});

async function openStore(store: Exclude<Store, PluginStore>, requests: Requests): Promise<ObjectStore> {
  switch (store.type) {
    case "s3":
      return await (await import("./s3.js")).s3Store(store, requests);
    case "gcs":
      return await (await import("./gcs.js")).gcsStore(store, requests);
    case "azure":
      return await (await import("./azure.js")).azureStore(store, requests);
    case "supabase":
      return await (await import("./supabase.js")).supabaseStore(store, requests);
    default:
      return assertNever(store);
  }
}

async function openPlugin(
  location: Location,
  { use, options: given }: PluginStore,
  requests: Requests,
  options: OpenOptions,
): Promise<Backend> {
  const { name } = location;
  if (!options.plugin) {
    throw new StowageError("UNSUPPORTED", `${name}: no plug-ins are loaded here, so "${use}" can not be opened`, {
      hint: "The command line loads installed plug-ins; a program hands them to `openBackends` as `plugin`.",
    });
  }
  const open = await options.plugin(use);
  const { pluginTools } = await import("./plugin.js");
  const tools = pluginTools(name, { requests, ...known(location, options) });
  return await open({ name, options: given, base: options.base ?? "." }, tools);
}

export interface OpenAllOptions {
  /** What is known of the locations from earlier probes, by name. */
  features?: ReadonlyMap<string, Features>;
  plugin?: (use: string) => Promise<PluginBackend>;
  /** What is named like a secret there is said in no error. */
  environment?: NodeJS.ProcessEnv;
  /** See `OpenOptions`. */
  patience?: number;
}

/** The locations that may be touched, opened, by name; those that are offline or retired are left out. One that can not be reached does not keep the others from being used. */
export async function openBackends(config: Config, options: OpenAllOptions = {}): Promise<Map<string, Backend>> {
  const usable = config.locations.filter(({ status }) => status === "active" || status === "draining");
  const opened = new Map<string, Backend>();
  const quiet = discreet(
    usable.flatMap(({ store }) => (store ? [store] : [])),
    options.environment,
  );
  for (const location of usable)
    opened.set(location.name, await openOne(location, config, { ...options, discreet: quiet }));
  return opened;
}

type OpenOneOptions = OpenAllOptions & { discreet: Discreet };

async function openOne(location: Location, config: Config, options: OpenOneOptions): Promise<Backend> {
  const { features, plugin, discreet, patience } = options;
  const seen = features?.get(location.name);
  try {
    return await openBackend(location, {
      transfer: config.settings.transfer,
      base: dirname(config.file),
      discreet,
      ...(seen && { features: seen }),
      ...(plugin && { plugin }),
      ...(patience !== undefined && { patience }),
    });
  } catch (error) {
    if (codeOf(error) !== "UNAVAILABLE" && codeOf(error) !== "ACCESS_DENIED") throw error;
    return unopened(location.name, error);
  }
}
