import { describe, expect, it } from "vitest";
import type { Action, ActionKind } from "../src/plan/plan.js";
import { selectActions } from "../src/plan/target.js";
import { LOCATIONS } from "./support/plan-cases.js";
import { configOf } from "./support/world.js";

const config = configOf(LOCATIONS);

/** `a2 move videos primary:v/a -> nas:v/a < a1`: what an action is and what it waits for. */
function action(line: string): Action {
  const [, id = "", kind, name, from = "", , to, , before] =
    /^(\S+) (\S+) (\S+) (\S+)( -> (\S+))?( < (.*))?$/.exec(line) ?? [];
  const ref = (address: string) => ({ location: address.split(":")[0]!, key: address.split(":")[1]! });
  const depends_on = before?.split(" ") ?? [];
  const expectation = kind === "move" && depends_on.length > 0 ? `action:${depends_on[0]}` : "absent";
  return {
    ...{ id, kind: kind as ActionKind, rule: { name, line: 1 }, from: ref(from), depends_on },
    to: to === undefined ? null : { ...ref(to), expect: expectation },
  } as Action;
}

const ACTIONS = [
  "a1 copy mirror primary:v/a -> nas:v/a",
  "a2 copy mirror primary:w/b -> nas:w/b",
  "a3 move videos primary:v/a -> archive:v/a < a1",
  "a4 move videos old:w/b -> nas:w/b < a2",
  "a5 delete scratch primary:tmp/x < a3 a1",
  "a6 verify verify archive:z",
].map(action);

const chosen = (options: { target?: string[]; exclude?: string[] }): string[] =>
  selectActions(ACTIONS, config, options).map(
    ({ id, kind, from, to, depends_on }) =>
      `${id} ${kind} ${from.location}:${from.key}${to && to.expect !== "absent" ? ` expects ${to.expect}` : ""}${depends_on.length > 0 ? ` < ${depends_on.join(" ")}` : ""}`,
  );

describe("plan --target and --exclude", () => {
  it("takes all as they are without either", () => {
    expect(chosen({}).map((line) => line.split(" ")[0])).toEqual(["a1", "a2", "a3", "a4", "a5", "a6"]);
  });

  it("a rule brings what its actions wait for, under new numbers", () => {
    expect(chosen({ target: ["videos"], exclude: ["old"] })).toEqual([
      "a1 copy primary:v/a",
      "a2 move primary:v/a expects action:a1 < a1",
    ]);
  });

  it("what several of the chosen wait for comes once, also what is waited for through others", () => {
    expect(chosen({ target: ["scratch"] })).toEqual([
      "a1 copy primary:v/a",
      "a2 move primary:v/a expects action:a1 < a1",
      "a3 delete primary:tmp/x < a2 a1",
    ]);
  });

  it.each([
    { name: "a location names what comes from it and what goes to it", target: ["archive"], ids: ["v/a", "v/a", "z"] },
    { name: "location: and the beginning of a key", target: ["nas:w/"], ids: ["w/b", "w/b"] },
    { name: "what is neither rule nor location names nothing", target: ["nowhere", "v/a"], ids: [] },
  ])("$name", ({ target, ids }) => {
    expect(selectActions(ACTIONS, config, { target }).map(({ from }) => from.key)).toEqual(ids);
  });
});
