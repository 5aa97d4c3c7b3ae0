import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { localBackend } from "../../src/backend/local.js";
import type { Plan } from "../../src/plan/plan.js";
import { type ActionSpec, planOf } from "../setup/apply.js";
import { contentsOf, hashOf, type World } from "./look.js";

export const NAMES = ["a", "b", "c"];
/** Taken for a location without hard links. */
export const NO_LINKS = ["c"];

const BIG = "0123456789abcdef".repeat((3 << 20) / 16);

/** All that apply and gc do to directories. */
const BEFORE: Record<string, string> = {
  "a:photos/one": "one",
  "a:inbox/two": "two",
  "a:old/name": "three",
  "a:dup": "four",
  "b:dup": "four",
  "a:x": "winner",
  "b:x": "loser",
  "a:good": "gooood",
  "b:rot": "rotten",
  "a:multi": "several",
  "a:l1": "linked",
  "a:empty": "",
  "a:big": BIG,
  "a:plain": "plain",
  "a:void": "",
  "a:dup2": "five",
  "b:dup2": "five",
};
const LINKS = [["a:l1", "a:l2"]] as const;

const AFTER: Record<string, string> = {
  "a:photos/one": "one",
  "b:photos/one": "one",
  "b:moved/deep/er/two": "two",
  "a:new/name": "three",
  "b:dup": "four",
  "b:x": "winner",
  "a:good": "gooood",
  "b:rot": "gooood",
  "c:multi": "several",
  "b:multi": "several",
  "b:l1": "linked",
  "b:l2": "linked",
  "b:empty": "",
  "b:big": BIG,
  "c:in/plain": "plain",
  "c:void": "",
  "b:dup2": "five",
};

const SPECS: ActionSpec[] = [
  { kind: "copy", from: "a:photos/one", to: "b:photos/one", content: "one" },
  { kind: "move", from: "a:inbox/two", to: "b:moved/deep/er/two", content: "two" },
  { kind: "move", from: "a:old/name", to: "a:new/name", content: "three" },
  { kind: "delete", from: "a:dup", content: "four", witnesses: ["b:dup"] },
  { kind: "delete", from: "b:x", content: "loser", required: 0, reason: "conflict", id: "loser" },
  { kind: "move", from: "a:x", to: "b:x", content: "winner", expect: "absent", depends_on: ["loser"] },
  { kind: "copy", from: "a:good", to: "b:rot", content: "gooood", reason: "repair" },
  { kind: "copy", from: "a:multi", to: "c:multi", content: "several", id: "first" },
  { kind: "move", from: "a:multi", to: "b:multi", content: "several", depends_on: ["first"] },
  { kind: "move", from: "a:l1", to: "b:l1", content: "linked" },
  { kind: "move", from: "a:l2", to: "b:l2", content: "linked" },
  { kind: "move", from: "a:empty", to: "b:empty", content: "" },
  { kind: "move", from: "a:big", to: "b:big", content: BIG },
  { kind: "move", from: "a:plain", to: "c:in/plain", content: "plain" },
  { kind: "move", from: "a:void", to: "c:void", content: "" },
];
/** Without trash: a plan of its own. */
const FOR_GOOD: ActionSpec[] = [{ kind: "delete", from: "a:dup2", content: "five", witnesses: ["b:dup2"] }];

export const WORLD: World = {
  locations: NAMES,
  state: "state",
  before: BEFORE,
  links: LINKS,
  after: AFTER,
  mayGo: ["loser", "rotten"],
};

/** What is still to be done, planned from what is there now: with trash, and without. */
export async function plansFor(base: string): Promise<Plan[]> {
  const backends = new Map(NAMES.map((name) => [name, localBackend(name, join(base, name))]));
  const now = contentsOf(base, WORLD);
  const [first, second] = [SPECS, FOR_GOOD].map((specs) => specs.flatMap((spec) => stillToDo(spec, now)));
  const fresh = () => ({ plan_id: `p-${randomBytes(8).toString("hex")}` });
  return [await planOf(backends, first ?? [], fresh()), await planOf(backends, second ?? [], { ...fresh(), trash: 0 })];
}

function stillToDo(spec: ActionSpec, now: ReadonlyMap<string, string>): ActionSpec[] {
  const { expect: _, depends_on: __, reason, ...rest } = spec;
  const [there, wanted] = [spec.to === undefined ? undefined : now.get(spec.to), hashOf(spec.content)];
  if (spec.kind === "copy" && there === wanted) return [];
  if (spec.kind === "copy") return [reason === "repair" && there === undefined ? rest : spec];
  if (now.get(spec.from) !== wanted) return [];
  // What is waited for may be done by now.
  const waits = spec.to === "b:x" ? there === hashOf("loser") : spec.depends_on && now.get("c:multi") !== wanted;
  return [spec.depends_on === undefined || waits ? spec : rest];
}
