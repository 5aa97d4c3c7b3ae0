import { describe, expect, it } from "vitest";
import type { Plan } from "../src/plan/plan.js";
import { plan } from "../src/plan/planner.js";
import { catalogOf, configOf, type Given, given, NOW } from "./support/world.js";

async function planned(yaml: string, files: (string | Given)[]): Promise<Plan> {
  const config = configOf(`version: 1\nsettings: { settle: 0s }\n${yaml}`);
  const catalog = await catalogOf(
    config,
    files.map((each) => (typeof each === "string" ? given(each) : each)),
  );
  try {
    return await plan(config, catalog, { now: NOW, version: "0" });
  } finally {
    await catalog.close();
  }
}

const said = ({ actions }: Plan): string[] =>
  actions.map(({ kind, from, to }) => `${kind} ${from.location}:${from.key}${to ? ` ${to.location}:${to.key}` : ""}`);

describe("contents with several names", () => {
  it("vouch by a file of their own where a location has a name of the very file that goes, too (I2)", async () => {
    const made = await planned(
      `locations:
  - { name: a, type: local, path: /a, purpose: [inbox] }
  - { name: b, type: local, path: /b, purpose: [backup] }
rules:
  - { name: away, match: { location: a }, action: delete }
`,
      [{ ...given("a:one x"), physical: "1:7" }, { ...given("b:one x"), physical: "1:7" }, "b:two x", "a:z y", "b:z y"],
    );
    expect(said(made)).toEqual(["delete a:one", "delete a:z"]);
    expect(made.actions[0]?.witnesses).toEqual([{ location: "b", key: "two", version: "v-b-two" }]);
    expect(made.header.applyable).toBe(true);
  });

  it("keep the one that a move would look for at its target (S3)", async () => {
    const made = await planned(
      `locations:
  - { name: b, type: local, path: /b, purpose: [overflow] }
rules:
  - { name: r, match: { ext: jpg }, action: move, from: [b], destination: b, key: "x/{filename}", place: content }
`,
      ["b:x/1.jpg y", "b:y/1.jpg y", "b:zz y"],
    );
    expect(said(made)).toEqual(["move b:y/1.jpg b:x/1.jpg"]);
    expect(made.header.applyable).toBe(true);
  });

  it.each<{ why: string; status: string; to: string; files: (string | Given)[]; code: string }>([
    {
      why: "their location is draining",
      status: "draining",
      to: "c",
      files: ["a:x c", "b:x c", "c:x c"],
      code: "min-copies",
    },
    {
      why: "what that would go to is only claimed",
      status: "active",
      to: "d",
      files: ["a:x c", "b:x c", "c:x c", { ...given("d:x c"), proof: "claim" }],
      code: "claimed",
    },
  ])("stay where one that is to go as well would have to vouch for them, and $why (I2)", async (each) => {
    const made = await planned(
      `safety: { min_copies: 2 }
locations:
  - { name: a, type: local, path: /a, purpose: [inbox], status: ${each.status} }
  - { name: b, type: local, path: /b, purpose: [inbox] }
  - { name: c, type: local, path: /c, purpose: [backup] }
  - { name: d, type: local, path: /d, purpose: [backup] }
rules:
  - { name: first, match: { location: a }, action: move, from: [a], destination: c }
  - { name: other, match: { location: b }, action: move, from: [b], destination: ${each.to} }
`,
      each.files,
    );
    expect(made.header.applyable).toBe(true);
    expect(said(made)).toEqual([]);
    const kept = made.footer.kept.map(({ address, code }) => `${address} ${code}`);
    expect(kept).toEqual(["a:x min-copies", `b:x ${each.code}`]);
  });

  it("leave their room to others where they do not fit with all of them", async () => {
    const made = await planned(
      `locations:
  - { name: a, type: local, path: /a, purpose: [inbox] }
  - { name: b, type: local, path: /b, purpose: [archive], capacity: { max: 4KB } }
rules:
  - { name: r, match: {}, action: move, destination: b }
`,
      [...[1, 2, 3, 4, 5, 6].map((n) => `a:f${n} c${n} 9 1000`), "a:g1 c1 9 1000"],
    );
    expect(said(made)).toEqual([2, 3, 4, 5].map((n) => `move a:f${n} b:f${n}`));
    expect(made.footer.blocked.map(({ address }) => address)).toEqual(["a:f1", "a:f6", "a:g1"]);
  });
});
