// Joins the command line and the libraries that every command needs into few files in dist/bin, because to find, read and link hundreds of
// modules takes longer than most commands. What is big and seldom needed (the SDKs) stays outside, and is loaded when it is needed.
import { renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const bundle = await rolldown({
  input: { main: at("dist/cli/main.js"), commands: at("dist/cli/index.js") },
  platform: "node",
  external: [/^@duckdb\/node-bindings/, /^@(aws-sdk|smithy|azure|google-cloud|supabase)\//, "koffi", "typescript"],
  // Commands share modules that some load at once and some when they get there.
  checks: { ineffectiveDynamicImport: false },
});
/** A package is one file, named after it: `node_modules/@oclif/core/lib/…` is in `@oclif_core.js`. */
const packageOf = (id) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1]?.replace("/", "_");

await bundle.write({
  ...{ dir: at("dist/bin.new"), format: "esm", cleanDir: true, chunkFileNames: "[name].js" },
  codeSplitting: { groups: [{ test: /node_modules/, name: packageOf, debugName: "packages" }] },
});
await bundle.close();
// At one blow: who runs it meanwhile loads more of it later.
rmSync(at("dist/bin"), { recursive: true, force: true });
renameSync(at("dist/bin.new"), at("dist/bin"));
