// @ts-check
import { openVault } from "./vault.js";

/**
 * oclif calls this when a storage.yaml has a location of `type: plugin`. It returns what `use:` can name.
 *
 * @returns {Record<string, import("stowage").PluginBackend>}
 */
export default function backends() {
  return { vault: openVault };
}
