import { describe, expect, it } from "vitest";
import { proveFloor } from "../src/plan/guard.js";
import type { Content, Context } from "../src/plan/model.js";
import type { Step } from "../src/plan/order.js";
import { LOCATIONS, planned, run } from "./support/plan-cases.js";
import type { Given } from "./support/world.js";

const MOVE = `  - { name: m, match: { location: primary }, action: move, destination: archive }\n`;
const DELETE = `  - { name: d, match: { path: "/tmp/**" }, action: delete }\n`;
const many = (count: number, make: (index: number) => string[]): string[] =>
  Array.from({ length: count }, (_, index) => make(index)).flat();
const checks = async (world: Parameters<typeof planned>[0]) =>
  Object.fromEntries(
    (await planned(world)).footer.checks.map(({ name, status, problems }) => [name, { status, problems }]),
  );

describe("S6: two copies of each content, and names that leave", () => {
  run([
    {
      name: "moves to two places wait for each other's copies, where neither is enough alone",
      safety: "safety: { min_copies: 2 }\n",
      rules: `  - { name: r1, match: { path: "/tmp/**" }, from: [primary], action: move, destination: nas }
  - { name: r2, match: { path: "/hero/**" }, from: [primary], action: move, destination: archive }\n`,
      files: ["primary:tmp/x A", "primary:hero/y A", "nas:z A"],
      plan: [
        "+ primary:tmp/x -> nas:tmp/x",
        "+ primary:hero/y -> archive:hero/y",
        "> primary:tmp/x -> nas:tmp/x (0)",
        "> primary:hero/y -> archive:hero/y (0)",
      ],
    },
    {
      name: "a copy of its own vouches also where the destination has a hard link to what goes",
      rules: MOVE,
      files: [
        { location: "primary", key: "f", content: "A", physical: "1:1" },
        { location: "archive", key: "other", content: "A", physical: "1:1" },
      ],
      plan: ["> primary:f -> archive:f"],
    },
    {
      name: "a move takes the first name of what has the second one at its target already",
      rules: MOVE,
      files: [
        { location: "primary", key: "f", content: "A", physical: "1:1" },
        { location: "archive", key: "f", content: "A", physical: "1:1" },
      ],
      plan: ["> primary:f -> archive:f (0)"],
    },
    {
      name: "beside a copy of its own, where two must stay",
      safety: "safety: { min_copies: 2 }\n",
      rules: MOVE,
      files: [
        { location: "primary", key: "f", content: "A", physical: "1:1" },
        { location: "archive", key: "f", content: "A", physical: "1:1" },
        { location: "nas", key: "g", content: "A" },
      ],
      plan: ["> primary:f -> archive:f (0)"],
    },
    {
      name: "but not where the second name is at the first of two targets only",
      safety: "safety: { min_copies: 2 }\n",
      rules: `  - { name: m, match: { location: primary }, action: move, destination: [archive, nas] }\n`,
      files: [
        { location: "primary", key: "f", content: "A", physical: "1:1" },
        { location: "archive", key: "f", content: "A", physical: "1:1" },
        "nas:f A",
      ],
      plan: ["= primary:f min-copies"],
    },
    {
      name: "a name goes after the one that its location gets in its place, on which those after it count (I2)",
      rules: `  - { name: jpg, match: { ext: jpg }, action: move, from: [primary], destination: nas }
  - { name: txt, match: { ext: txt, location: primary, not: { path: "/t/**" } }, action: move, from: [primary], destination: primary, key: "t/{path}" }\n`,
      files: ["primary:1.jpg A", "nas:1.jpg A", "primary:2.txt A"],
      plan: ["> primary:2.txt -> primary:t/2.txt", "> primary:1.jpg -> nas:1.jpg (0)"],
    },
  ]);
});

describe("what a plan checks of itself", () => {
  it("counts deletes in percent of a location from 25 on (max_delete)", async () => {
    const files = many(25, (index) => [`primary:tmp/${index} ${index}`, `nas:${index} ${index}`]);
    const { max_delete } = await checks({ rules: DELETE, files });
    expect(max_delete).toEqual({
      status: "fail",
      problems: ["25 deletes in primary are 100.0 % of its 25 files, more than max_delete.percent: 10"],
    });
    const fine = await checks({
      safety: "safety: { max_delete: { files: 500, percent: 100 } }\n",
      rules: DELETE,
      files,
    });
    expect(fine["max_delete"]).toMatchObject({ status: "pass" });
  });

  it("S12 names the first twenty actions of rules that fight, and says how many more there are", async () => {
    const rules = `  - { name: up, match: { location: primary }, action: move, from: [primary], destination: old }
  - { name: gone, match: { location: old }, action: delete, from: [old] }\n`;
    const files = many(21, (index) => [`primary:${index} ${index}`, `nas:${index} ${index}`]);
    const { converges } = await checks({ rules, files });
    expect(converges).toMatchObject({ status: "fail" });
    expect(converges?.problems[0]).toBe("after this plan gone would delete old:0: up and gone fight");
    expect(converges?.problems.slice(20)).toEqual(["and 1 more"]);
  });

  it("S12 says how much the next plan can do, where this one sets names free", async () => {
    const rules = `  - { name: m, match: { location: primary, path: "/d/**" }, action: move, destination: [archive, old] }
  - { name: x, match: { location: archive, path: "/d" }, action: move, from: [archive], destination: nas }\n`;
    const { converges } = await checks({ rules, files: ["primary:d/x A", "archive:d B"] });
    expect(converges).toEqual({ status: "warn", problems: ["the next plan can do 2 actions that are blocked now"] });
  });

  it("says what does not fit and which location is over its limit already", async () => {
    const yaml = LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], capacity: { max: 500 } }");
    const { capacity } = await checks({
      yaml: `${yaml}rules:\n${MOVE}`,
      files: ["primary:a A", "primary:b B", "archive:c C"],
    });
    expect(capacity).toEqual({
      status: "warn",
      problems: ["2 files do not fit and stay where they are", "archive holds 1000 bytes, more than its limit of 500"],
    });
  });

  const small = (device: string) => ({ total: 10_000, free: 500, identity: `${device}:1` });
  const moves = async (rules: string, archive: string, yaml = LOCATIONS) => {
    const facts = { primary: small("8"), archive: small(archive) };
    const { footer } = await planned({
      yaml: `${yaml}rules:\n${rules}`,
      facts,
      files: ["primary:a A", "primary:b B", "archive:c C"],
    });
    const { capacity, summary } = footer;
    const of = (name: string) => capacity.find(({ location }) => location === name);
    const [from, to] = [of("primary"), of("archive")];
    return [summary.move, summary.copy, summary.blocked, from?.peak, from?.after, to?.peak, to?.after];
  };
  const WITHIN = `  - { name: m, match: { location: primary }, action: move, from: [primary], destination: primary, key: "x/{filename}" }\n`;
  it.each([
    { what: "what moves within one file system needs no room there", device: "8", is: [2, 0, 0, 2000, 0, 3000, 3000] },
    { what: "what moves to another one does", device: "9", is: [0, 0, 2, 2000, 2000, 1000, 1000] },
    {
      what: "keep_free holds all the same",
      yaml: LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], capacity: { keep_free: 1KB } }"),
      is: [0, 0, 2, 2000, 2000, 1000, 1000],
    },
    {
      what: "and so does max",
      yaml: LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], capacity: { max: 2KB } }"),
      is: [1, 0, 1, 2000, 1000, 2000, 2000],
    },
    { what: "a rename takes none for a moment", rules: WITHIN, is: [2, 0, 0, 2000, 2000, 1000, 1000] },
    {
      what: "what was moved leaves the room as it was for copies",
      rules: `  - { name: c, match: { path: "/b" }, action: copy, destination: archive }\n${MOVE}`,
      is: [1, 0, 1, 2000, 1000, 2000, 2000],
    },
  ])("of a device that is nearly full, $what", async ({ rules = MOVE, device = "8", yaml, is }) => {
    expect(await moves(rules, device, yaml)).toEqual(is);
  });

  it("names no limit where keep_free is written and nobody knows how much is free", async () => {
    const yaml = LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], capacity: { keep_free: 10% } }");
    const { footer } = await planned({ yaml: `${yaml}rules:\n${MOVE}`, files: ["primary:a A"] });
    expect(footer.capacity.find(({ location }) => location === "archive")).toMatchObject({ after: 1000, limit: null });
  });

  it("I1 S6 finds the step that would leave too few copies, whoever planned it", () => {
    const content = { copies: 2 } as Content;
    const context = { config: { safety: { minCopies: 2 } } } as Context;
    const step = (id: string, after: number, witnesses: number, required: number): Step =>
      ({
        content,
        removes: {},
        action: { id, from: { location: "nas", key: id }, copies: { after }, witnesses: Array(witnesses), required },
      }) as unknown as Step;
    const proven = (...steps: Step[]) => proveFloor(steps, context);
    expect(proven(step("a1", 2, 2, 2))).toMatchObject({ check: { status: "pass" }, floor: 2 });
    expect(proven(step("a1", 1, 2, 2)).check.problems).toEqual(["a1 would leave 1 of 2 copies of nas:a1"]);
    expect(proven(step("a1", 2, 1, 2)).check.status).toBe("fail");
    expect(proven(step("a1", 0, 0, 0))).toMatchObject({ check: { status: "pass" }, floor: 0 });
  });
});

const sites = (count: number, each: (index: number) => string) =>
  many(count, (index) => [`  - { name: s${index}, type: local, path: "/s${index}"${each(index)} }`]).join("\n");

describe("many locations", () => {
  const TWO = "\nrequire:\n  - { name: two, match: {}, copies: 2 }\n";
  run([
    {
      name: "S5 a requirement tries one location after the other until one has room",
      yaml: `version: 1\nlocations:\n${sites(16, (index) => (index % 15 === 0 ? "" : ", capacity: { max: 1 }"))}${TWO}`,
      files: ["s0:a A"],
      plan: ["+ s0:a -> s15:a [require]"],
    },
    {
      name: "a plan holds for more than sixty of them",
      yaml: `version: 1\nlocations:\n${sites(63, () => "")}\nrules:\n  - { name: c, match: { location: s62 }, action: copy, destination: s61 }\n  - { name: d, match: { location: s61 }, action: keep }\n`,
      files: ["s62:a A", "s61:b B"],
      plan: ["+ s62:a -> s61:a"],
    },
  ]);
});

const home = LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], domain: home }");
const need = (text: string) => `require:\n  - { name: n, match: {}, ${text} }\n`;
describe("S5 S6 which copy stays", () => {
  const linked = (location: string, key: string): Given => ({ location, key, content: "A", physical: "1:1" });
  run([
    {
      name: "of what may go, a requirement keeps the copy in the domain that is missing",
      yaml: `${home}${need("domains: 2")}rules:\n  - { name: d, match: { path: "/tmp/**" }, action: delete, from: [archive, old] }\n`,
      files: ["nas:x A", "archive:tmp/a A", "old:tmp/a A"],
      plan: ["- archive:tmp/a", "= old:tmp/a require"],
    },
    {
      name: "a requirement that can not hold keeps no second name, which is no copy more",
      yaml: `${LOCATIONS.replace("[overflow] }", "[overflow], read_only: true }")}${need("copies: 4")}rules:\n  - { name: d, match: { name: dup }, action: delete, from: [nas] }\n`,
      files: ["primary:x A", "nas:x A", "nas:dup A", "archive:x A"],
      plan: ["- nas:dup", "! primary:x require"],
    },
    {
      name: "S6 names of one file in two locations are one copy for a requirement, too",
      rules: "",
      extra: need("copies: 2"),
      files: [linked("archive", "a"), linked("nas", "a")],
      plan: ["+ nas:a -> primary:a [require]"],
    },
    {
      name: "S5 S6 nor are they in two domains, and a copy of its own beside one of them is",
      yaml: `version: 1
locations:
  - { name: a, type: local, path: /a, domain: one }
  - { name: b, type: local, path: /b, domain: two }
  - { name: c, type: local, path: /c, domain: one }
${need("domains: 2")}`,
      files: [linked("a", "x"), linked("b", "x")],
      plan: ["+ a:x -> c:x [require]"],
    },
  ]);

  it("I2 a hard link in another location vouches for nothing", async () => {
    const { actions } = await planned({
      rules: DELETE,
      files: [
        linked("primary", "tmp/a"),
        linked("nas", "a"),
        { location: "archive", key: "b", content: "A", physical: "9:9" },
      ],
    });
    expect(actions).toMatchObject([
      { kind: "delete", copies: { before: 2, after: 2 }, witnesses: [{ location: "archive", key: "b" }] },
    ]);
  });
});
