import { execFile } from "node:child_process";
import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Config, settings } from "@oclif/core";
import type { Backend } from "../backend/backend.js";
import type { PluginBackend } from "../backend/open.js";
import { codeOf, messageOf, StowageError } from "../lib/error.js";

/** What a plug-in offers: the hook `stowage:backends` returns this. */
export type PluginBackends = Record<string, PluginBackend>;

/** One plug-in that the operator has installed or linked. */
export interface Installed {
  name: string;
  type: "user" | "link";
  /** The folder of a linked one. */
  root?: string;
}

interface Manifest {
  private?: boolean;
  dependencies?: Record<string, string>;
  oclif?: { schema?: number; plugins?: Installed[] };
}

/** A plug-in is handed what it needs of stowage: npm must not fetch its peer, another stowage. */
const QUIET = ["--no-audit", "--no-fund", "--legacy-peer-deps"];
const HOOK = "stowage:backends";
const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** stowage with the plug-ins of this user: oclif finds them in its data directory (`STOWAGE_DATA_DIR`), and runs them as they are. */
function loadOclif(): Promise<Config> {
  settings.enableAutoTranspile = false;
  return Config.load(PACKAGE);
}

/**
 * Finds a backend by the name that `use:` gives, among those that installed plug-ins offer. storage.yaml never says where code
 * lies: only what the operator installed is loaded.
 * @throws `UNKNOWN_PLUGIN`, `PLUGIN_FAILED`
 */
export async function findBackend(use: string): Promise<PluginBackend> {
  const offers = await offered();
  const found = offers.filter((each) => each.use === use);
  if (found[0] && found.length === 1) return guarded(found[0]);
  if (found.length > 1) {
    throw new StowageError(
      "UNKNOWN_PLUGIN",
      `several plug-ins offer "${use}": ${found.map((each) => each.plugin).join(", ")}`,
      {
        hint: "Remove one of them with `stowage plugins uninstall NAME`.",
      },
    );
  }
  const names = offers.map((each) => each.use).join(", ");
  throw new StowageError("UNKNOWN_PLUGIN", `no installed plug-in offers the backend "${use}"`, {
    hint: `Install one with \`stowage plugins install PACKAGE\`. ${names === "" ? "None is installed." : `Offered are: ${names}.`}`,
  });
}

const METHODS: readonly (keyof Backend)[] = [
  "marker",
  "writeMarker",
  "identity",
  "list",
  "stat",
  "read",
  "write",
  "remove",
  "space",
  "leftovers",
  "purge",
  "close",
];

/** What is wrong with a plug-in is said of the plug-in. */
function guarded({ plugin, use, backend: open }: Offer): PluginBackend {
  const failed = (what: string, cause?: unknown) =>
    new StowageError("PLUGIN_FAILED", `the plug-in ${plugin} ${what}`, {
      hint: `Bring it up to date, or remove it with \`stowage plugins uninstall ${plugin}\`.`,
      ...(cause !== undefined && { cause }),
    });
  if (typeof open !== "function") throw failed(`offers "${use}", but no function that opens it`);
  return async (location, tools) => {
    let backend: Backend;
    try {
      backend = await open(location, tools);
    } catch (error) {
      if (error instanceof StowageError) throw error;
      throw failed(`could not open ${location.name}: ${messageOf(error)}`, error);
    }
    const missing = METHODS.filter((name) => typeof (backend as Partial<Backend> | undefined)?.[name] !== "function");
    if (missing.length > 0)
      throw failed(`opened ${location.name} as what is no backend: it lacks ${missing.join(", ")}`);
    return backend;
  };
}

export interface Offer {
  plugin: string;
  use: string;
  backend: PluginBackend;
}

/** Every backend of every plug-in. @throws `PLUGIN_FAILED` when one can not be loaded */
export async function offered(): Promise<Offer[]> {
  const config = await loadOclif();
  const { successes, failures } = await config.runHook(HOOK, {});
  const [failure] = failures;
  if (failure) {
    throw new StowageError(
      "PLUGIN_FAILED",
      `the plug-in ${failure.plugin.name} can not be loaded: ${messageOf(failure.error)}`,
      {
        hint: `Bring it up to date, or remove it with \`stowage plugins uninstall ${failure.plugin.name}\`.`,
        cause: failure.error,
      },
    );
  }
  return successes.flatMap(({ plugin, result }) =>
    Object.entries((result ?? {}) as PluginBackends).map(([use, backend]) => ({ plugin: plugin.name, use, backend })),
  );
}

const directory = async (): Promise<string> => (await loadOclif()).dataDir;

/** What is installed and linked, by name. */
export async function installed(): Promise<Installed[]> {
  const { oclif } = await readManifest(await directory());
  return [...(oclif?.plugins ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Installs a package with npm into the user's data directory, and lets stowage load it. Returns its name. */
export async function install(spec: string): Promise<string> {
  const dataDir = await directory();
  await mkdir(dataDir, { recursive: true });
  const before = await readManifest(dataDir);
  if (before.oclif === undefined)
    await writeManifest(dataDir, { private: true, ...before, oclif: { schema: 1, plugins: [] } });
  await npm(dataDir, "install", "--save", ...QUIET, await specOf(spec));
  const after = await readManifest(dataDir);
  const names = Object.keys(after.dependencies ?? {});
  const isNew = (name: string) => after.dependencies?.[name] !== before.dependencies?.[name];
  const name = names.find((each) => spec === each || spec.startsWith(`${each}@`)) ?? names.find(isNew);
  if (name === undefined) throw new StowageError("PLUGIN_FAILED", `npm did not install ${spec}`);
  await requirePlugin(join(dataDir, "node_modules", name), name);
  await remember(dataDir, { name, type: "user" });
  return name;
}

/** Lets stowage load a plug-in from the folder where it is being written. Returns its name. */
export async function link(folder: string): Promise<string> {
  const dataDir = await directory();
  const root = resolve(folder);
  const name = await requirePlugin(root, root);
  await mkdir(dataDir, { recursive: true });
  await remember(dataDir, { name, type: "link", root });
  return name;
}

/** Forgets a plug-in; one that was installed is removed with npm. @throws `UNKNOWN_PLUGIN` */
export async function uninstall(name: string): Promise<void> {
  const dataDir = await directory();
  const manifest = await readManifest(dataDir);
  const plugins = manifest.oclif?.plugins ?? [];
  const found = plugins.find((each) => each.name === name);
  if (!found) {
    throw new StowageError("UNKNOWN_PLUGIN", `no plug-in "${name}" is installed`, {
      hint: plugins.length === 0 ? "None is." : `Installed are: ${plugins.map((each) => each.name).join(", ")}.`,
    });
  }
  const left = plugins.filter((each) => each !== found);
  await writeManifest(dataDir, { ...manifest, oclif: { ...manifest.oclif, plugins: left } });
  if (found.type === "user") await npm(dataDir, "uninstall", ...QUIET, name);
}

/** A path is one from here on, wherever npm runs. */
async function specOf(spec: string): Promise<string> {
  if (!/^[./~]/.test(spec)) return spec;
  await access(spec);
  return resolve(spec);
}

async function requirePlugin(root: string, what: string): Promise<string> {
  const text = await readFile(join(root, "package.json"), "utf8").catch((cause: unknown) => {
    throw new StowageError("PLUGIN_FAILED", `${what} has no package.json`, { cause });
  });
  const manifest = JSON.parse(text) as { name?: string; oclif?: { hooks?: Record<string, unknown> } };
  if (manifest.name !== undefined && manifest.oclif?.hooks?.[HOOK] !== undefined) return manifest.name;
  throw new StowageError("PLUGIN_FAILED", `${what} is no plug-in of stowage: its package.json has no hook "${HOOK}"`, {
    hint: "See docs/backends/plugin.md for what a plug-in is made of.",
  });
}

async function remember(dataDir: string, plugin: Installed): Promise<void> {
  const manifest = await readManifest(dataDir);
  const others = (manifest.oclif?.plugins ?? []).filter(({ name }) => name !== plugin.name);
  await writeManifest(dataDir, { private: true, ...manifest, oclif: { schema: 1, plugins: [...others, plugin] } });
}

async function readManifest(dataDir: string): Promise<Manifest> {
  try {
    return JSON.parse(await readFile(join(dataDir, "package.json"), "utf8")) as Manifest;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return {};
    throw error;
  }
}

async function writeManifest(dataDir: string, manifest: Manifest): Promise<void> {
  const file = join(dataDir, "package.json");
  await writeFile(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

async function npm(cwd: string, ...args: string[]): Promise<void> {
  try {
    await promisify(execFile)("npm", args, { cwd, maxBuffer: 1 << 24 });
  } catch (error) {
    const printed = typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr) : "";
    const said = [...printed.matchAll(/^npm (?:error|ERR!) (.*\S)/gm)].map(([, line]) => line);
    const why = said.slice(0, 4).join(" ") || messageOf(error);
    throw new StowageError("PLUGIN_FAILED", `npm ${args[0]} failed: ${why}`, { cause: error });
  }
}
