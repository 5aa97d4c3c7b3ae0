import { afterEach, describe, expect, it } from "vitest";
import { type ActionSpec, cleanup, harvest, localWorld, planOf, run, type Tree, trashed } from "./setup/apply.js";

afterEach(cleanup);

interface Case {
  name: string;
  before: Tree;
  actions: ActionSpec[];
  after: Tree;
  /** Outcome and code of each action. */
  outcomes: string[];
  exit?: number;
  trash?: string[];
  noTrash?: boolean;
}

const cases: Case[] = [
  {
    name: "copies a file that its destination lacks",
    before: { "a:x.txt": "1" },
    actions: [{ kind: "copy", from: "a:x.txt", to: "b:deep/x.txt", content: "1" }],
    after: { "a:x.txt": "1", "b:deep/x.txt": "1" },
    outcomes: ["copied"],
  },
  {
    name: "moves a file: the source goes after its copy was proven",
    before: { "a:d/x.txt": "1" },
    actions: [{ kind: "move", from: "a:d/x.txt", to: "b:x.txt", content: "1" }],
    after: { "b:x.txt": "1" },
    outcomes: ["moved"],
  },
];

describe("apply", () => {
  it.each(cases)("$name", async ({ before, actions, after, outcomes, exit = 0, trash = [], noTrash }) => {
    const world = await localWorld(["a", "b", "c"], before);
    const plan = await planOf(world.backends, actions, noTrash ? { trash: 0 } : {});
    const report = await run(world, plan);
    const told = report.outcomes
      .toSorted((p, q) => p.action.localeCompare(q.action, "en", { numeric: true }))
      .map(({ outcome, code }) => (code ? `${outcome} ${code}` : outcome));
    expect({ outcomes: told, exit: report.exit }).toEqual({ outcomes, exit });
    expect(harvest(world.root)).toEqual(after);
    expect(trashed(world.root)).toEqual(trash);
  });
});
