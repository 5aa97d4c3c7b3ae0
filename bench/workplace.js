import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fresh, stowage } from "./measure.js";

/** A folder with a storage.yaml. `locations`: name → path; `rules` and `settings` are YAML in braces. */
export function workplace(purpose, { locations, rules = [], settings = "", layout = "" }) {
  const work = fresh(purpose);
  const places = Object.entries(locations).map(
    ([name, path], index) =>
      `  - { name: ${name}, type: local, path: ${path}${layout && index === 0 ? `, layout: "${layout}"` : ""}${index > 0 ? ", purpose: [backup]" : ""} }`,
  );
  configure(work, places, rules, settings);
  mkdirSync(join(work, "state"), { recursive: true });
  return {
    work,
    run: (args, env) => stowage(args, work, env),
    rules: (next) => configure(work, places, next, settings),
  };
}

function configure(work, places, rules, settings) {
  const lines = [
    "version: 1",
    `settings: { state: state, settle: 0s${settings && `, ${settings}`} }`,
    "locations:",
    ...places,
    ...(rules.length > 0 ? ["rules:", ...rules.map((rule) => `  - ${rule}`)] : []),
  ];
  writeFileSync(join(work, "storage.yaml"), `${lines.join("\n")}\n`);
}
