// Runs the bundle in dist/bin, with what V8 made of it when it was built: to parse and compile it anew takes a third of the time of most commands.
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

/**
 * After how much code V8 optimises a function; its own measure is 66 KB. A command runs for seconds, spends them in the kernel, in DuckDB and in
 * OpenSSL, and each of its threads would have the same functions optimised anew: of a scan that took a fifth of the time.
 */
const PATIENCE = 500_000;

// A later V8 that had dropped the option would say so on stderr. Before anything is compiled: what was compiled under other options is refused.
if (Number.parseInt(process.versions.v8, 10) <= 13) setFlagsFromString(`--interrupt-budget=${PATIENCE}`);

const PLACE = fileURLToPath(new URL("../dist/bin/", import.meta.url));
const modules = new Map();
const scripts = new Map();
let folder = PLACE;

/** Where the bundle lies before it has its place. */
export function readFrom(other) {
  folder = other;
}

/** What a module of the bundle exports. Without code for it that this very Node has made it is compiled now. */
export function load(name) {
  const known = modules.get(name);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(name, module);
  try {
    run(name, module);
  } catch (error) {
    modules.delete(name);
    throw error;
  }
  return module.exports;
}

function run(name, module) {
  const filename = join(PLACE, name);
  const source = readFileSync(join(folder, name), "utf8");
  const cachedData = codeOf(name);
  const script = new Script(Module.wrap(source), { filename, cachedData });
  scripts.set(name, { script, taken: cachedData !== undefined && !script.cachedDataRejected });
  const outside = createRequire(filename);
  const require = Object.assign((id) => (id.startsWith("./") ? load(id.slice(2)) : outside(id)), {
    resolve: outside.resolve,
    // A script can not import by itself: bin/bundle.js writes `require.import(…)` for `import(…)`.
    import: (id) => import(id),
  });
  script.runInThisContext().call(module.exports, module.exports, require, module, filename, PLACE);
}

/**
 * Names the Node that made the code: V8 itself takes what another build of the same version has made, and crashes (nodejs/node#62781). The file of a
 * Node that was replaced, or of another machine, has another size, or another time.
 */
function maker() {
  const { size, mtimeMs } = statSync(process.execPath);
  const facts = [process.version, process.arch, process.platform, process.execPath, size, mtimeMs];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

let suffix;
const codeFile = (name) => {
  suffix ??= `.${maker()}.code`;
  return join(folder, name + suffix);
};

function codeOf(name) {
  try {
    return readFileSync(codeFile(name));
  } catch {
    // It only saves time.
    return undefined;
  }
}

/** Writes beside each module that has been loaded what V8 made of it until now. */
export function keepCode() {
  for (const [name, { script }] of scripts) writeFileSync(codeFile(name), script.createCachedData());
}

/** The modules that were loaded, and whether with code that was kept. */
export const loaded = () => new Map([...scripts].map(([name, { taken }]) => [name, taken]));
