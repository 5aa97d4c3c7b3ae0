import { execFile } from "node:child_process";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { Backend, Features } from "../backend/backend.js";
import type { Catalog } from "../catalog/catalog.js";
import type { Config } from "../config/config.js";
import { codeOf, StowageError } from "../lib/error.js";
import { openClock } from "./clock.js";
import { failOnErrors } from "./diagnostics.js";
import type { Output } from "./output.js";

/** What a command works on. What it opens is closed when the command ends, however it ends. */
export interface Workspace {
  readonly config: Config;
  /** The name of the configuration as it is shown: `storage.yaml`. */
  readonly file: string;
  /** Milliseconds; `STOWAGE_NOW` stops it. */
  readonly clock: () => number;
  /** `read` leaves the catalog open to other readers, and fails where there is none. */
  catalog(mode: "read" | "write"): Promise<Catalog>;
  /** Opened once; `patience` is that of the first who asks: milliseconds for which a store that stopped answering is waited for. */
  backends(patience?: number): Promise<Map<string, Backend>>;
  /** The commit that storage.yaml has; undefined when it has changed since, or is not in git. */
  commit(): Promise<string | undefined>;
}

/** Loads the configuration that the flags name and runs `body` on it. */
export async function withWorkspace<T>(
  flags: { config: string },
  output: Output,
  body: (workspace: Workspace) => Promise<T>,
): Promise<T> {
  const clock = openClock(process.env["STOWAGE_NOW"]);
  const { checkConfig } = await import("../config/load.js");
  const { config, diagnostics } = await checkConfig(resolve(flags.config), { env: process.env });
  failOnErrors(diagnostics);
  if (!config) throw new StowageError("CONFIG_INVALID", `${flags.config} can not be used`);
  const closers: (() => Promise<void>)[] = [];
  let opened: Promise<Map<string, Backend>> | undefined;
  let current: Catalog | undefined;
  const file = join(config.settings.state, "catalog.duckdb");
  try {
    return await body({
      config,
      file: basename(config.file),
      clock,
      async catalog(mode) {
        const { openCatalog } = await import("../catalog/catalog.js");
        const catalog = await openCatalog(file, {
          readOnly: mode === "read",
          ...(config.settings.memory === undefined ? {} : { memory: config.settings.memory }),
          onRebuild: (reason) => output.warn(`the catalog is built anew, and is empty until it is scanned: ${reason}`),
        });
        current = catalog;
        const close = async (): Promise<void> => {
          if (current !== catalog) return;
          current = undefined;
          await catalog.close();
        };
        closers.push(close);
        return { ...catalog, close };
      },
      backends(patience) {
        opened ??= openAll(config, file, current, closers, patience);
        return opened;
      },
      commit: () => commitOf(config.file),
    });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function openAll(
  config: Config,
  file: string,
  catalog: Catalog | undefined,
  closers: (() => Promise<void>)[],
  patience: number | undefined,
): Promise<Map<string, Backend>> {
  const { openBackends } = await import("../backend/open.js");
  const { findBackend } = await import("./plugins.js");
  const stores = config.locations.some(({ store }) => store !== undefined);
  const features = stores ? await knownFeatures(file, catalog) : new Map<string, Features>();
  const given = { features, plugin: findBackend, environment: process.env };
  const backends = await openBackends(config, { ...given, ...(patience !== undefined && { patience }) });
  for (const backend of backends.values()) closers.push(() => backend.close());
  return backends;
}

/** What `init` has found out about the locations. Where it can not be told now, each backend finds out again what it relies on. */
async function knownFeatures(file: string, open: Catalog | undefined): Promise<Map<string, Features>> {
  const { knownLocations } = await import("../catalog/scans.js");
  const read = async (catalog: Catalog) => {
    const known = [...(await knownLocations(catalog)).values()];
    return new Map(known.flatMap(({ name, features }) => (features ? [[name, JSON.parse(features) as Features]] : [])));
  };
  if (open) return await read(open);
  const { openCatalog } = await import("../catalog/catalog.js");
  try {
    const catalog = await openCatalog(file, { readOnly: true });
    return await read(catalog).finally(() => catalog.close());
  } catch (error) {
    if (error instanceof StowageError) return new Map();
    throw error;
  }
}

/** The last commit that touched the file, as long as the file is as it was then. */
async function commitOf(file: string): Promise<string | undefined> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)("git", ["-C", dirname(file), ...args], { timeout: 10_000 })).stdout.trim();
  try {
    const [changes, commit] = await Promise.all([
      git("status", "--porcelain", "--ignored", "--", file),
      git("log", "-1", "--format=%H", "--", file),
    ]);
    return changes === "" && commit !== "" ? commit : undefined;
  } catch (error) {
    // No git (ENOENT), or no repository (git's own exit code): both mean that there is no commit to name.
    if (codeOf(error) === "ENOENT" || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
}
