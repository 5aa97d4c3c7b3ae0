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
    name: "copies an empty file like others (S16)",
    before: { "a:x.txt": "" },
    actions: [{ kind: "copy", from: "a:x.txt", to: "b:x.txt", content: "" }],
    after: { "a:x.txt": "", "b:x.txt": "" },
    outcomes: ["copied"],
  },
  {
    name: "moves a file: the source goes after its copy was proven (I2), with the directories that became empty",
    before: { "a:d/e/x.txt": "1" },
    actions: [{ kind: "move", from: "a:d/e/x.txt", to: "b:x.txt", content: "1" }],
    after: { "b:x.txt": "1" },
    outcomes: ["moved"],
  },
  {
    name: "finishes a move that was stopped between copy and removal",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "b:x": "1" },
    outcomes: ["moved"],
  },
  {
    name: "takes a move whose source is gone and whose target is proven as done",
    before: { "b:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "b:x": "1" },
    outcomes: ["moved"],
  },
  {
    name: "takes a copy whose source is gone by now, and whose target is proven, as done",
    before: { "b:x": "1" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "b:x": "1" },
    outcomes: ["copied"],
  },
  {
    name: "does not take a move whose source is gone as done when the target holds other bytes",
    before: { "b:x": "2" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "b:x": "2" },
    outcomes: ["skipped NOT_FOUND"],
    exit: 4,
  },
  {
    name: "nor when the target holds a file of another size",
    before: { "b:x": "22" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "b:x": "22" },
    outcomes: ["skipped NOT_FOUND"],
    exit: 4,
  },
  {
    name: "I3: does nothing for a move that names no destination",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "move", from: "a:x", content: "1", witnesses: ["b:x"] }],
    after: { "a:x": "1", "b:x": "1" },
    outcomes: ["failed PLAN_INVALID"],
    exit: 4,
  },
  {
    name: "two moves of one content wait for the copy that both need",
    before: { "a:x": "1", "a:y": "1" },
    actions: [
      { kind: "copy", from: "a:x", to: "b:x", content: "1" },
      { kind: "move", from: "a:x", to: "c:x", content: "1", depends_on: ["a1"] },
      { kind: "move", from: "a:y", to: "c:y", content: "1", depends_on: ["a1", "a2"] },
    ],
    after: { "b:x": "1", "c:x": "1", "c:y": "1" },
    outcomes: ["copied", "moved", "moved"],
  },
  {
    name: "takes a copy that is there already under its hash as done",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "a:x": "1", "b:x": "1" },
    outcomes: ["copied"],
  },
  {
    name: "I3: never overwrites a stranger at the destination, and then removes nothing",
    before: { "a:x": "1", "b:x": "2" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent" }],
    after: { "a:x": "1", "b:x": "2" },
    outcomes: ["skipped PRECONDITION"],
    exit: 4,
  },
  {
    name: "S17: skips an action whose source changed, and what depends on it, and nothing else",
    before: { "a:x": "1", "a:y": "2" },
    actions: [
      { kind: "copy", from: "a:x", to: "b:x", content: "1", version: "older" },
      { kind: "copy", from: "b:x", to: "c:x", content: "1", depends_on: ["a1"] },
      { kind: "copy", from: "a:y", to: "b:y", content: "2" },
    ],
    after: { "a:x": "1", "a:y": "2", "b:y": "2" },
    outcomes: ["skipped PRECONDITION", "skipped DEPENDENCY", "copied"],
    exit: 4,
  },
  {
    name: "S17: skips a move whose target was to hold the content and does not any more",
    before: { "a:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", expect: { version: "gone" } }],
    after: { "a:x": "1" },
    outcomes: ["skipped PRECONDITION"],
    exit: 4,
  },
  {
    name: "S7: a move to a place that holds the content transfers nothing",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1" }],
    after: { "b:x": "1" },
    outcomes: ["moved"],
  },
  {
    name: "copies first, then moves, when one needs the other",
    before: { "a:x": "1" },
    actions: [
      { kind: "copy", from: "a:x", to: "b:x", content: "1" },
      {
        kind: "move",
        from: "a:x",
        to: "c:x",
        content: "1",
        witnesses: ["b:x", "c:x"],
        required: 2,
        depends_on: ["a1"],
      },
    ],
    after: { "b:x": "1", "c:x": "1" },
    outcomes: ["copied", "moved"],
  },
  {
    name: "a rename inside one location counts the new name as the witness of the old",
    before: { "a:old.txt": "1" },
    actions: [{ kind: "move", from: "a:old.txt", to: "a:new/name.txt", content: "1" }],
    after: { "a:new/name.txt": "1" },
    outcomes: ["moved"],
  },
  {
    name: "S7: a move counts what it has put into a location, whenever another move of the same content comes there",
    before: { "a:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", witnesses: ["b:y"] }],
    after: { "b:x": "1" },
    outcomes: ["moved"],
  },
  {
    name: "I2: what a move has put where nothing is to vouch for it does not count",
    before: { "a:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", witnesses: ["c:y"] }],
    after: { "a:x": "1", "b:x": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "waits for a key that another action frees",
    before: { "a:x": "1", "b:x": "2" },
    actions: [
      { kind: "move", from: "b:x", to: "c:x", content: "2" },
      { kind: "move", from: "a:x", to: "b:x", content: "1", expect: "absent", depends_on: ["a1"] },
    ],
    after: { "b:x": "1", "c:x": "2" },
    outcomes: ["moved", "moved"],
  },
  {
    name: "a delete puts the file into the trash while another copy was proven",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }],
    after: { "b:x": "1" },
    outcomes: ["deleted"],
    trash: ["1"],
  },
  {
    name: "a delete without trash lets the bytes go",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }],
    after: { "b:x": "1" },
    outcomes: ["deleted"],
    noTrash: true,
  },
  {
    name: "takes a delete whose file is gone as done",
    before: { "b:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }],
    after: { "b:x": "1" },
    outcomes: ["deleted"],
  },
  {
    name: "I2: a delete is not done when its witness is gone",
    before: { "a:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] }],
    after: { "a:x": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "I2: a delete is not done when its witness holds other bytes",
    before: { "a:x": "1", "b:x": "2" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"], required: 1 }],
    after: { "a:x": "1", "b:x": "2" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    // The plan names this very version as a copy: its bytes are rot.
    exit: 6,
  },
  {
    name: "I2: two witnesses in one location are one copy",
    before: { "a:x": "1", "b:x": "1", "b:y": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["b:x", "b:y"], required: 2 }],
    after: { "a:x": "1", "b:x": "1", "b:y": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "I2: a file does not vouch for itself",
    before: { "a:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: ["a:x"] }],
    after: { "a:x": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "I2: a copy that the plan does not name as a witness does not count",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", witnesses: [] }],
    after: { "a:x": "1", "b:x": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "a move to a place that could not be proven leaves the source",
    before: { "a:x": "1", "b:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", witnesses: ["b:x", "c:x"], required: 2 }],
    after: { "a:x": "1", "b:x": "1" },
    outcomes: ["skipped TOO_FEW_COPIES"],
    exit: 4,
  },
  {
    name: "the owner's word removes a last copy, into the trash",
    before: { "a:x": "1" },
    actions: [{ kind: "delete", from: "a:x", content: "1", required: 0 }],
    after: {},
    outcomes: ["deleted"],
    trash: ["1"],
  },
  {
    name: "S9: a conflict loser goes to the trash even as a last copy",
    before: { "a:x": "new", "b:x": "old" },
    actions: [
      { kind: "delete", from: "b:x", content: "old", required: 0, reason: "conflict" },
      { kind: "copy", from: "a:x", to: "b:x", content: "new", expect: "absent", depends_on: ["a1"] },
    ],
    after: { "a:x": "new", "b:x": "new" },
    outcomes: ["deleted", "copied"],
    trash: ["old"],
  },
  {
    name: "S9: without trash a conflict loser stays, and what waits for its key is skipped",
    before: { "a:x": "new", "b:x": "old" },
    actions: [
      { kind: "delete", from: "b:x", content: "old", required: 0, reason: "conflict" },
      { kind: "copy", from: "a:x", to: "b:x", content: "new", expect: "absent", depends_on: ["a1"] },
    ],
    after: { "a:x": "new", "b:x": "old" },
    outcomes: ["skipped NO_TRASH", "skipped DEPENDENCY"],
    noTrash: true,
    exit: 4,
  },
  {
    name: "I1: a move never counts as the owner's word",
    before: { "a:x": "1" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "1", required: 0 }],
    after: { "a:x": "1" },
    outcomes: ["failed INVARIANT"],
    exit: 4,
  },
  {
    name: "a verify reads the file again",
    before: { "a:x": "1" },
    actions: [{ kind: "verify", from: "a:x", content: "1" }],
    after: { "a:x": "1" },
    outcomes: ["verified"],
  },
  {
    name: "S13: a verify that finds other bytes under the same version is an integrity failure",
    before: { "a:x": "rotten" },
    actions: [{ kind: "verify", from: "a:x", content: "gooood" }],
    after: { "a:x": "rotten" },
    outcomes: ["failed ROT"],
    exit: 6,
  },
  {
    name: "I4: a rotten source is never published",
    before: { "a:x": "rotten" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood" }],
    after: { "a:x": "rotten" },
    outcomes: ["failed ROT"],
    exit: 6,
  },
  {
    name: "a rotten source is passed over for a good one, and told",
    before: { "a:x": "rotten", "c:x": "gooood" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood", witnesses: ["c:x"] }],
    after: { "a:x": "rotten", "b:x": "gooood", "c:x": "gooood" },
    outcomes: ["copied"],
    exit: 6,
  },
  {
    name: "I4: a rotten source of a move is not removed",
    before: { "a:x": "rotten", "b:x": "gooood" },
    actions: [{ kind: "move", from: "a:x", to: "b:x", content: "gooood" }],
    after: { "a:x": "rotten", "b:x": "gooood" },
    outcomes: ["failed ROT"],
    exit: 6,
  },
  {
    name: "I4: a rotten file is not deleted",
    before: { "a:x": "rotten", "b:x": "gooood" },
    actions: [{ kind: "delete", from: "a:x", content: "gooood", witnesses: ["b:x"] }],
    after: { "a:x": "rotten", "b:x": "gooood" },
    outcomes: ["failed ROT"],
    exit: 6,
  },
  {
    name: "a repair puts the damaged file into the trash, always, and a good copy in its place",
    before: { "a:x": "gooood", "b:x": "rotten" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair" }],
    after: { "a:x": "gooood", "b:x": "gooood" },
    outcomes: ["copied"],
    trash: ["rotten"],
    noTrash: true,
  },
  {
    name: "I4: a repair from a rotten copy leaves the damaged file where it is",
    before: { "a:x": "rotter", "b:x": "rotten" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair" }],
    after: { "a:x": "rotter", "b:x": "rotten" },
    outcomes: ["failed ROT"],
    exit: 6,
  },
  {
    name: "a repair of a file that was written since leaves it",
    before: { "a:x": "gooood", "b:x": "edited" },
    actions: [
      { kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair", expect: { version: "before" } },
    ],
    after: { "a:x": "gooood", "b:x": "edited" },
    outcomes: ["skipped PRECONDITION"],
    exit: 4,
  },
  {
    name: "a repair of a file that is whole does nothing",
    before: { "a:x": "gooood", "b:x": "gooood" },
    actions: [{ kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair" }],
    after: { "a:x": "gooood", "b:x": "gooood" },
    outcomes: ["copied"],
  },
  {
    name: "a repair that was killed with the damaged file in the trash goes on",
    before: { "a:x": "gooood" },
    actions: [
      { kind: "copy", from: "a:x", to: "b:x", content: "gooood", reason: "repair", expect: { version: "before" } },
    ],
    after: { "a:x": "gooood", "b:x": "gooood" },
    outcomes: ["copied"],
  },
  {
    name: "S15: a file where a directory is needed is left, and the rest goes on",
    before: { "a:x": "1", "a:y": "2", "b:d": "file" },
    actions: [
      { kind: "move", from: "a:x", to: "b:d/x", content: "1" },
      { kind: "move", from: "a:y", to: "b:y", content: "2" },
    ],
    after: { "a:x": "1", "b:d": "file", "b:y": "2" },
    outcomes: ["skipped PRECONDITION", "moved"],
    exit: 4,
  },
  {
    name: "two removals of one content never take each other for the copy that stays",
    before: { "a:x": "1", "b:x": "1", "c:x": "1" },
    actions: [
      { kind: "delete", from: "a:x", content: "1", witnesses: ["b:x"] },
      { kind: "delete", from: "b:x", content: "1", witnesses: ["c:x", "a:x"] },
      { kind: "delete", from: "c:x", content: "1", witnesses: ["b:x", "a:x"] },
    ],
    after: { "c:x": "1" },
    outcomes: ["deleted", "deleted", "skipped TOO_FEW_COPIES"],
    exit: 4,
    trash: ["1", "1"],
  },
];

/** From so many actions on, small files are sent to a free name without a look at it before. */
const MANY = 32;

describe.each([
  { few: "alone", others: 0 },
  { few: "among many", others: MANY },
])("apply, $few", ({ others }) => {
  it.each(cases)("$name", async ({ before, actions, after, outcomes, exit = 0, trash = [], noTrash }) => {
    const names = Array.from({ length: others }, (_, index) => `others/${index}`);
    const tree = (place: string): Tree => Object.fromEntries(names.map((name) => [`${place}:${name}`, name]));
    const world = await localWorld(["a", "b", "c"], { ...before, ...tree("a") });
    const copies = names.map(
      (name): ActionSpec => ({ kind: "copy", from: `a:${name}`, to: `c:${name}`, content: name }),
    );
    const plan = await planOf(world.backends, [...actions, ...copies], noTrash ? { trash: 0 } : {});
    const report = await run(world, plan);
    const told = report.outcomes
      .toSorted((p, q) => p.action.localeCompare(q.action, "en", { numeric: true }))
      .map(({ outcome, code }) => (code ? `${outcome} ${code}` : outcome));
    expect({ outcomes: told, exit: report.exit }).toEqual({
      outcomes: [...outcomes, ...names.map(() => "copied")],
      exit,
    });
    expect(harvest(world.root)).toEqual({ ...after, ...tree("a"), ...tree("c") });
    expect(trashed(world.root)).toEqual(trash);
  });
});
