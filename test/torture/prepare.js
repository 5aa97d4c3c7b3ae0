// Builds what is tortured: the product compiled from src/, once as it is and once for the model, where the file system, time, random
// numbers and the process are those of a schedule. A mutant is a private copy with one planted defect. Nothing in src/ or dist/ is touched.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HOME = join(ROOT, "node_modules", ".cache", "stowage-torture");

/** What the model runs, and with it all that these import. */
const ENTRIES = ["apply/apply.js", "apply/gc.js", "backend/local.js", "backend/bucket.js", "testing/memory-store.js"];

/** @returns {{ directory: string, remove: () => void }} */
export function build() {
  mkdirSync(HOME, { recursive: true });
  for (const name of readdirSync(HOME))
    if (!isRunning(name)) rmSync(join(HOME, name), { recursive: true, force: true });
  const directory = mkdtempSync(join(HOME, `run-${process.pid}-`));
  compile([join(ROOT, "src"), join(ROOT, "test", "torture")], ROOT, directory);
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  cpSync(join(ROOT, "schema"), join(directory, "schema"), { recursive: true });
  for (const file of ["test/support/world.ts"]) compileOne(file, directory);
  modelled(directory, join(directory, "src"), join(directory, "model", "sound"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once("exit", remove);
  return { directory, remove };
}

/** What a killed run has left is nobody's. */
function isRunning(name) {
  const pid = Number(/^run-(\d+)-/.exec(name)?.[1]);
  try {
    return Boolean(pid) && process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

function compileOne(file, directory) {
  compile([join(ROOT, file)], ROOT, directory);
}

/** Types are for `npm run check`: here only the code counts. */
function compile(inputs, rootDir, outDir) {
  const project = join(outDir, `tsconfig.${inputs.length}.json`);
  const compilerOptions = { noEmit: false, noCheck: true, rootDir, outDir, declaration: false, sourceMap: false };
  const include = inputs.map((input) => (input.endsWith(".ts") ? input : join(input, "**", "*.ts")));
  writeFileSync(project, JSON.stringify({ extends: join(ROOT, "tsconfig.json"), compilerOptions, include }));
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", project], { stdio: "inherit" });
}

/**
 * Makes copies of the product with one defect each.
 * @param {string} directory of `build`
 * @param {readonly { name: string, edits: readonly { file: string, before: string, after: string }[] }[]} mutants
 */
export function plant(directory, mutants) {
  const texts = join(directory, "planted");
  for (const { name, edits } of mutants) {
    for (const { file, before, after } of edits) {
      const target = join(texts, slug(name), file);
      const text = readFileSync(existsSync(target) ? target : join(ROOT, file), "utf8");
      const found = text.split(before).length - 1;
      if (found !== 1) throw new Error(`mutant "${name}": found ${found} times in ${file}, not once: ${before}`);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(
        target,
        text.replace(before, () => after),
      );
    }
  }
  if (mutants.length === 0) return;
  mkdirSync(join(directory, "mutated"));
  compile([texts], texts, join(directory, "mutated"));
  for (const { name, edits } of mutants) {
    const [plain, model] = [join(directory, "plain", slug(name)), join(directory, "model", slug(name))];
    const files = [...new Set(edits.map(({ file }) => file.replace(/\.ts$/, ".js")))];
    const mutated = (source) =>
      files
        .map((file) => [file, join(directory, "mutated", slug(name), file)])
        .find(([file]) => join(directory, file) === source)?.[1];
    modelled(directory, join(directory, "src"), model, mutated);
    if (!edits.some(({ file }) => file.startsWith("src/plan/"))) continue;
    cpSync(join(directory, "src"), join(plain, "src"), { recursive: true });
    cpSync(join(directory, "schema"), join(plain, "schema"), { recursive: true });
    cpSync(join(directory, "test/support"), join(plain, "test/support"), { recursive: true });
    for (const file of files) cpSync(join(directory, "mutated", slug(name), file), join(plain, file));
  }
}

export const slug = (name) => name.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase();

/** Copies what the entries import, with the outside world replaced by the model. */
function modelled(directory, from, to, mutated = () => undefined) {
  const queue = ENTRIES.map((entry) => join(from, entry));
  const done = new Set();
  const environment = (name) => pathToFileURL(join(directory, "test/torture/model", `${name}.js`)).href;
  for (const file of queue) {
    if (done.has(file)) continue;
    done.add(file);
    const text = readFileSync(mutated(file) ?? file, "utf8");
    for (const [, name] of text.matchAll(/^(?:import|export)[^"']*? from "(\.[^"]+)"/gm))
      queue.push(join(dirname(file), name));
    const target = join(to, relative(from, file));
    mkdirSync(dirname(target), { recursive: true });
    const outside = OUTSIDE[relative(from, file)];
    writeFileSync(target, outside ? `export * from "${environment(outside)}";\n` : transplanted(text, environment));
  }
}

/** Files that do nothing but lead outside. */
const OUTSIDE = { [join("backend", "local", "libc.js")]: "libc" };

const MODULES = {
  "node:fs": "fs",
  "node:fs/promises": "files",
  "node:crypto": "crypto",
  "node:timers/promises": "timers",
};
const GLOBALS = [
  [/\bDate\.now\(\)/g, "model.now()"],
  [/\bMath\.random\(\)/g, "model.random()"],
  [/\bperformance\.now\(\)/g, "model.elapsed()"],
  [/\bprocess\.pid\b/g, "model.pid()"],
  [/\bprocess\.platform\b/g, '"model"'],
  [/\bprocess\.kill\((\S+), 0\)/g, "model.signal($1)"],
  [/(?<![.\w])(setTimeout|clearTimeout|setImmediate)\b(?! as )/g, "model.$1"],
];

function transplanted(text, environment) {
  const outside = text.replace(/from "(node:[a-z/]+)"/g, (all, name) =>
    name in MODULES ? `from "${environment(MODULES[name])}"` : all,
  );
  const imported = (name) => new RegExp(`^import \\{[^}]*(?<!as )\\b${name}\\b(?! as)`, "m").test(outside);
  const replaced = (line) =>
    GLOBALS.reduce(
      (code, [pattern, replacement]) =>
        code.replace(pattern, (all, name) => (imported(all) ? all : replacement.replace("$1", name))),
      line,
    );
  const lines = outside.split("\n").map((line) => (line.startsWith("import ") ? line : replaced(line)));
  return `import * as model from "${environment("globals")}";\n${lines.join("\n")}`;
}
