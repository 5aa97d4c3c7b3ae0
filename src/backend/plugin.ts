import { StowageError } from "../lib/error.js";
import type { Backend } from "./backend.js";
import { type BucketOptions, bucketBackend } from "./bucket.js";
import { openRequests, type Requests, unavailable } from "./requests.js";
import type { ObjectStore } from "./store.js";

/** What a plug-in offers under a name of its own: it opens a location of `type: plugin`, and touches nothing before it is asked something. */
export type PluginBackend = (location: PluginLocation, tools: PluginTools) => Promise<Backend> | Backend;

export interface PluginLocation {
  name: string;
  /** As they stand in storage.yaml, with the variables filled in. Never to be shown: any of them may be a secret. */
  options: Record<string, unknown>;
  /** The directory of storage.yaml, for relative paths. */
  base: string;
}

/** What stowage lends to a plug-in, so that it needs none of stowage's code of its own. */
export interface PluginTools {
  /** The way of all requests to this location. */
  requests: Requests;
  /** Makes a location of a store of objects: see `bucketBackend`. */
  bucketBackend(name: string, prefix: string, store: ObjectStore, requests: Requests): Backend;
  /** For what is over for now and may be tried again. */
  unavailable: typeof unavailable;
  StowageError: typeof StowageError;
}

export interface ToolsOptions extends Partial<BucketOptions> {
  requests?: Requests;
}

/** The tools for one location; without options as in a test. */
export function pluginTools(
  name: string,
  { requests, verdicts, probed, allowUnconditionalDelete }: ToolsOptions = {},
): PluginTools {
  const options = { allowUnconditionalDelete: allowUnconditionalDelete ?? false, verdicts, probed };
  return {
    requests: requests ?? openRequests(name, { retries: 5, concurrency: 16 }),
    bucketBackend: (location, prefix, store, way) => bucketBackend(location, prefix, store, way, options),
    unavailable,
    StowageError,
  };
}
