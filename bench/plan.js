import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NOW, syntheticCatalog } from "./catalog.js";
import { compare, fresh, ran, stowage } from "./measure.js";
import { SIZES } from "./sizes.js";
import { smallFiles } from "./tree.js";

const { files: FILES } = SIZES;

const RULES = `
settings: { state: state, settle: 0s }
safety: { min_copies: 2 }
rules:
  - { name: pinned, match: { path: "/project-001/**" }, action: keep }
  - { name: scratch, match: { path: "/project-002/**", ext: txt, age: ">30d" }, action: copy, destination: spare }
  - { name: videos, match: { media_type: video, age: ">365d" }, action: move, from: [tree], destination: spare, key: "{project|unsorted}/{modified:%Y/%m}/{filename}" }
  - { name: pictures, match: { ext: [jpg, png, webp], size: ">4KiB" }, action: copy, destination: spare }
  - { name: notes, match: { name: "*-1?5*.md" }, action: copy, destination: spare }
require:
  - { name: two, match: { ext: [json] }, copies: 2 }
`;

const SETTLED = `
settings: { state: state, settle: 0s }
rules:
  - { name: pinned, match: { path: "/project-001/**" }, action: keep }
  - { name: elsewhere, match: { name: "*.nothing" }, action: move, destination: spare }
  - { name: pictures, match: { ext: [jpg, png, webp], size: ">4KiB" }, action: copy, destination: tree }
  - default: tree
`;

/** Planning over a tree that is as it should be, and over one of which more than a third has something to do: time and peak memory. */
export async function plan() {
  const tree = smallFiles(FILES);
  const work = fresh("plan");
  mkdirSync(join(work, "spare"));
  const locations = `locations:
  - { name: tree, type: local, path: ${tree}, layout: "{project}/**" }
  - { name: spare, type: local, path: ${join(work, "spare")}, purpose: [backup] }`;
  const configure = (rules) => writeFileSync(join(work, "storage.yaml"), `version: 1\n${locations}${rules}`);
  configure(SETTLED);
  await ran(["init"], work);
  await ran(["scan"], work);
  await planned("plan, no change", work);
  configure(RULES);
  await planned("plan, 76k actions", work);
  configure(
    "\nsettings: { state: state, settle: 0s }\nrules:\n  - { name: all, match: {}, action: copy, destination: spare }\n",
  );
  await compare(`plan, a first backup of ${FILES.toLocaleString("en")} files`, [planning(work)]);
  configure(
    '\nsettings: { state: state, settle: 0s }\nrules:\n  - { name: all, match: {}, action: move, destination: spare, key: "{project|unsorted}/{modified:%Y/%m}/{filename}" }\n',
  );
  await compare(`plan, ${FILES.toLocaleString("en")} moves to other names`, [planning(work)]);
  rmSync(work, { recursive: true });
  await fiftyRules(1_000_000, { seconds: 3, megabytes: 800 });
  await fiftyRules(10_000_000, { seconds: 30, megabytes: 1600 });
  await thirdCopies(1_000_000);
}

/** Over a catalog that nothing was scanned for; `STOWAGE_BENCH_INSTANCES` is the most that it may have. */
async function fiftyRules(instances, limits) {
  if (instances > SIZES.instances) return;
  const folder = await syntheticCatalog(instances);
  await compare(`plan, ${instances / 1_000_000}M instances × 50 rules`, [{ ...planning(folder, [], NOW), limits }]);
}

/** What is at two locations is wanted at a third: 343,000 copies of a million instances. */
async function thirdCopies(instances) {
  if (instances > SIZES.instances) return;
  const folder = await syntheticCatalog(instances);
  const [head] = readFileSync(join(folder, "storage.yaml"), "utf8").split(/^rules:/m);
  const rule = "{ name: third, match: { location: [ssd, nas] }, action: copy, destination: old }";
  writeFileSync(join(folder, "third.yaml"), `${head}rules:\n  - ${rule}\n`);
  await compare("plan, 343k third copies", [planning(folder, ["--config", "third.yaml"], NOW)]);
}

const planning = (work, more = [], env = {}) =>
  stowage(["plan", "--no-refresh", "-o", "plan.stowage", ...more], work, env);

const planned = (name, work) =>
  compare(name, [{ ...planning(work), limits: { seconds: 3, megabytes: 600 }, own: true }]);
