// `npm start`: the main job on a copy of the example library. It lays the library out below .scratch, adopts the
// locations, plans, applies, and plans again, which must find nothing left to do. Nothing else is touched.
//
//   npm start                              the storage.yaml of this repository
//   npm start -- examples/tiers.yaml       another example
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { loadConfig } from "stowage";
import { emptyScratch, home, layOutLibrary, repository, shown } from "./scratch.js";

const file = process.argv[2] ?? "storage.yaml";
const env = { ...process.env, STOWAGE_HOME: home };

emptyScratch();
const config = await loadConfig(resolve(repository, file), { env });
layOutLibrary(config.locations[0].root, file.endsWith("ai-orchestrator.yaml") ? orchestrated : undefined);
console.log(`The example library is in ${shown(config.locations[0].root)}. ${file} says where its files should be.`);

const plan = shown(join(home, "plan.ndjson"));
const about = file === "storage.yaml" ? [] : ["--config", file];
stowage("init", "--create");
stowage("plan", "-o", plan);
stowage("apply", plan);
const last = stowage("plan", "--detailed-exitcode");
console.log(`\nThe second plan is empty: every file is where ${file} says. Look around in ${shown(home)}.`);
process.exitCode = last;

/** Shows a command, runs it, and ends here with its exit code when it is not 0. */
function stowage(...args) {
  const words = [...args, ...about];
  console.log(`\n$ stowage ${words.join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(repository, "bin", "run.js"), ...words], {
    cwd: repository,
    env,
    stdio: "inherit",
  });
  if (status !== 0) {
    console.error(`\nstowage ended with exit code ${status}; expected 0.`);
    process.exit(status ?? 1);
  }
  return status;
}

/** The library in the folders of the AI Orchestrator: projects, templates, cache. */
function orchestrated(path) {
  return `projects/${path}`.replace(/^projects\/tmp\//, "cache/").replace(/^projects\/legal\//, "templates/");
}
