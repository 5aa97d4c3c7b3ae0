// Joins the command line and the libraries that every command needs into few files in dist/bin, because to find, read and link hundreds of
// modules takes longer than most commands. What is big and seldom needed (the SDKs) stays outside, and is loaded when it is needed.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import standaloneCode from "ajv/dist/standalone/index.js";
import { rolldown } from "rolldown";
import { OPTIONS, readSchema } from "../dist/config/compile-schema.js";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The schema of storage.yaml as the code that checks it, in the place of the module that would compile it. */
const compiledSchema = {
  name: "compiled-schema",
  load(id) {
    if (id !== at("dist/config/compile-schema.js")) return null;
    const ajv = new Ajv2020({ ...OPTIONS, code: { ...OPTIONS.code, source: true, esm: true } });
    const check = ajv.compile(readSchema(readFileSync(at("schema/storage.schema.json"), "utf8")));
    const imports = [];
    const code = standaloneCode.default(ajv, check).replaceAll(/require\("([^"]+)"\)/g, (_, name) => {
      imports.push(`import helper${imports.length} from "${name}.js";`);
      return `helper${imports.length - 1}`;
    });
    return `${imports.join("\n")}\n${code}\nexport const compileSchema = () => validate;`;
  },
};

/** See bin/load.js: what it runs is no module to V8, and can not import by itself. */
const importing = {
  name: "importing",
  renderChunk(code, { fileName }) {
    const written = code.replaceAll(/(?<=await \(*)import\(/g, "require.import(");
    const left = /^(?!\s*(?:\*|\/\*|\/\/)).*(?<![.\w])import\([^)].*/m.exec(written);
    if (left) throw new Error(`${fileName}: "${left[0].trim()}" is an import that could not be rewritten`);
    return written;
  },
};

const bundle = await rolldown({
  input: { main: at("dist/cli/main.js"), commands: at("dist/cli/index.js") },
  platform: "node",
  plugins: [compiledSchema, importing],
  external: [/^@duckdb\/node-bindings/, /^@(aws-sdk|smithy|azure|google-cloud|supabase)\//, "koffi", "typescript"],
  // Commands share modules that some load at once and some when they get there.
  checks: { ineffectiveDynamicImport: false },
});
/** A package is one file, named after it: `node_modules/@oclif/core/lib/…` is in `@oclif_core.js`. */
const packageOf = (id) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1]?.replace("/", "_");

// Whoever runs the old one meanwhile, or builds as well, is not disturbed: it gets its place when it is whole.
const made = mkdtempSync(at("dist/bin-"));
const place = mkdtempSync(join(tmpdir(), "stowage-build-"));
try {
  await bundle.write({
    ...{ dir: made, format: "cjs", chunkFileNames: "[name].js" },
    codeSplitting: { groups: [{ test: /node_modules/, name: packageOf, debugName: "packages" }] },
  });
  await bundle.close();
  execFileSync(process.execPath, [at("bin/warm.js"), made], { cwd: place, env: bare(process.env), stdio: "inherit" });
  chmodSync(made, 0o755);
  rmSync(at("dist/bin"), { recursive: true, force: true });
  renameSync(made, at("dist/bin"));
} finally {
  for (const folder of [made, place]) rmSync(folder, { recursive: true, force: true });
}

/** Without what would change what the commands do, or the options of V8 under which its code is taken. */
function bare(env) {
  const others = Object.entries(env).filter(([name]) => !/^(STOWAGE_|NODE_OPTIONS$|NODE_V8_COVERAGE$)/.test(name));
  return Object.fromEntries(others);
}
