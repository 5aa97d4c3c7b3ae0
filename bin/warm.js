// Runs the everyday commands on a few files in the working directory, so that V8's code for them can be kept beside the bundle: see bin/load.js.
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { keepCode, load, readFrom } from "./load.js";

readFrom(process.argv[2]);
const { main } = load("main.js");
const COMMANDS = [
  "--help",
  "plan --help",
  "validate",
  "init",
  "scan",
  "plan -o plan.ndjson",
  "show plan.ndjson",
  "apply --auto-approve",
  "plan",
  "verify",
  "status",
  "find --json",
  "history",
];

mkdirSync("a");
mkdirSync("b");
for (const name of ["one", "two"]) writeFileSync(`a/${name}.txt`, name);
writeFileSync(
  "storage.yaml",
  `version: 1
settings: { settle: 0s }
locations:
  - { name: a, type: local, path: a }
  - { name: b, type: local, path: b, purpose: [backup] }
rules:
  - { name: kept, match: { ext: txt }, action: copy, destination: b }
`,
);
let said = "";
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (text) => {
    said += text;
    return true;
  };
}
for (const command of COMMANDS) {
  said = "";
  await main(command.split(" "), new URL("run.js", import.meta.url).href);
  if (process.exitCode) throw new Error(`stowage ${command}: exit ${process.exitCode}\n${said}`);
}
keepCode();
