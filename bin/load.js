// Runs the bundle in dist/bin, with what V8 made of it when it was built: to parse and compile it anew takes a third of the time of most commands.
import { readFileSync, writeFileSync } from "node:fs";
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

const FOLDER = fileURLToPath(new URL("../dist/bin/", import.meta.url));
const modules = new Map();
const scripts = new Map();

/** What a module of the bundle exports. Code that another V8 made, or none, only means that it is compiled now. */
export function load(name) {
  const known = modules.get(name);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(name, module);
  const filename = join(FOLDER, name);
  const script = new Script(Module.wrap(readFileSync(filename, "utf8")), { filename, cachedData: codeOf(filename) });
  scripts.set(filename, script);
  const outside = createRequire(filename);
  const require = (id) => (id.startsWith("./") ? load(id.slice(2)) : outside(id));
  // A script can not import by itself: bin/bundle.js writes `require.import(…)` for `import(…)`.
  require.import = (id) => import(id);
  script.runInThisContext().call(module.exports, module.exports, require, module, filename, FOLDER);
  return module.exports;
}

function codeOf(filename) {
  try {
    return readFileSync(`${filename}.code`);
  } catch {
    return undefined;
  }
}

/** Writes beside each module that has been loaded what V8 made of it until now. */
export function keepCode() {
  for (const [filename, script] of scripts) writeFileSync(`${filename}.code`, script.createCachedData());
}
