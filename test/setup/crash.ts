import { linkSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../../src/plan/plan.js";
import { type ActionSpec, localWorld, planOf, type Tree, type World } from "./apply.js";

/** What is applied while it is killed again and again, and what must have become of it in the end. */
export interface Scenario {
  name: string;
  before: Tree;
  links?: [string, string][];
  actions: ActionSpec[];
  after: Tree;
  /** What lies in the trash in the end, at least. */
  trash: string[];
  /** Contents that may be in the trash only, by the owner's word. */
  mayGo?: string[];
}

export const NAMES = ["a", "b", "c"];

export const scenarios: Scenario[] = [
  {
    name: "a copy and moves",
    before: { "a:d/x": "1", "a:d/y": "2", "b:z": "3", "a:e": "" },
    actions: [
      { kind: "copy", from: "b:z", to: "a:deep/er/z", content: "3" },
      { kind: "move", from: "a:d/x", to: "b:new/x", content: "1" },
      { kind: "move", from: "a:d/y", to: "a:renamed/y", content: "2" },
      { kind: "move", from: "a:e", to: "b:e", content: "" },
    ],
    after: { "a:deep/er/z": "3", "a:renamed/y": "2", "b:new/x": "1", "b:z": "3", "b:e": "" },
    trash: [],
  },
  {
    name: "a delete, a conflict loser and what takes its place",
    before: { "a:old": "1", "b:copy": "1", "a:x": "new", "b:x": "loser" },
    actions: [
      { kind: "delete", from: "a:old", content: "1", witnesses: ["b:copy"] },
      { kind: "delete", from: "b:x", content: "loser", required: 0, reason: "conflict" },
      { kind: "move", from: "a:x", to: "b:x", content: "new", expect: "absent", depends_on: ["a2"] },
    ],
    after: { "b:copy": "1", "b:x": "new" },
    trash: ["1", "loser"],
    mayGo: ["loser"],
  },
  {
    name: "a move to a key that another move frees",
    before: { "a:x": "1", "b:x": "2" },
    actions: [
      { kind: "move", from: "b:x", to: "c:x", content: "2" },
      { kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent", depends_on: ["a1"] },
    ],
    after: { "b:x": "1", "c:x": "2" },
    trash: [],
  },
  {
    name: "a repair",
    before: { "a:x": "gooood", "b:x": "rotten" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair" }],
    after: { "a:x": "gooood", "b:x": "gooood" },
    trash: ["rotten"],
    mayGo: ["rotten"],
  },
  {
    name: "both names of a hard-linked file",
    before: { "a:x": "1" },
    links: [["a/x", "a/y"]],
    actions: [
      { kind: "move", from: "a:x", to: "b:x", content: "1" },
      { kind: "move", from: "a:y", to: "b:y", content: "1" },
    ],
    after: { "b:x": "1", "b:y": "1" },
    trash: [],
  },
];

/** Small, for where each step costs two processes. */
export const smallest: Scenario = {
  name: "a move, and one of an empty file",
  before: { "a:x": "1", "a:e": "" },
  actions: [
    { kind: "move", from: "a:x", to: "b:new/x", content: "1" },
    { kind: "move", from: "a:e", to: "b:e", content: "" },
  ],
  after: { "b:new/x": "1", "b:e": "" },
  trash: [],
};

export async function worldOf(scenario: Scenario): Promise<{ world: World; plan: Plan }> {
  const world = await localWorld(NAMES, scenario.before);
  for (const [from, to] of scenario.links ?? []) linkSync(join(world.root, from), join(world.root, to));
  return { world, plan: await planOf(world.backends, scenario.actions) };
}
