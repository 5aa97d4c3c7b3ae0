import { describe, expect, it } from "vitest";
import { type Case, LOCATIONS, planned, run } from "./support/plan-cases.js";

const A8 = "559aead0";
const A64 = "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
const into = (strategy: string, rest = "") =>
  `  - { name: m, match: { location: [primary, old] }, action: move, from: [primary, old], destination: archive, on_conflict: ${strategy}${rest} }\n`;
const LOOSE = `  - { name: c, match: { location: primary }, action: copy, destination: archive }\n`;

describe("S9 names that on_conflict: rename finds", () => {
  run([
    {
      name: "S2 what was renamed on arrival is there: nothing is transferred a second time",
      rules: into("rename"),
      files: ["primary:d/a.jpg A", "archive:d/a.jpg B", `archive:d/a~${A8}.jpg A`],
      plan: [`> primary:d/a.jpg -> archive:d/a~${A8}.jpg (0)`],
    },
    {
      name: "the name with the short hash is taken: it gets the full hash",
      rules: into("rename"),
      files: ["primary:a A", "archive:a B", `archive:a~${A8} C`],
      plan: [`> primary:a -> archive:a~${A64}`],
    },
    {
      name: "both names are taken: it is blocked and nothing is replaced",
      rules: into("rename"),
      files: ["primary:a A", "archive:a B", `archive:a~${A8} C`, `archive:a~${A64} D`],
      plan: ["! primary:a conflict"],
    },
    {
      name: "two names of one content may come to the name that a rename takes",
      rules: into("rename"),
      files: ["primary:a A", `primary:a~${A8} A`, "archive:a B"],
      plan: [`> primary:a -> archive:a~${A8}`, `> primary:a~${A8} -> archive:a~${A8} (0)`],
    },
  ]);
});

describe("S9 what no strategy settles", () => {
  run([
    {
      name: "rules with different strategies want one name: both are blocked",
      rules: `  - { name: n, match: { location: primary }, action: move, destination: archive, on_conflict: newest }
  - { name: l, match: { location: old }, action: move, destination: archive, on_conflict: largest }\n`,
      files: ["primary:a A 9d 5", "old:a B 1d 9"],
      plan: ["! old:a conflict", "! primary:a conflict"],
    },
    {
      name: "S15 two files are in the way because their names are one name in NFC: neither is replaced",
      rules: into("newest"),
      files: ["primary:\u00e9 A 1d", "archive:\u00e9 B 9d", "archive:e\u0301 B 9d"],
      plan: ["! primary:\u00e9 conflict"],
    },
    {
      name: "in one plan a name can not be a file and a folder: both are blocked",
      rules: into("rename"),
      files: ["primary:f A", "old:f/x B"],
      plan: ["! old:f/x conflict", "! primary:f conflict"],
    },
    {
      name: "a file that a rule keeps is never sent to the trash for another, nor one that a requirement counts on",
      extra: `require:\n  - { name: n, match: { location: archive, path: "/r/**" }, copies: 1 }\n`,
      rules: `  - { name: k, match: { location: archive, path: "/k/**" }, action: keep }\n${into("newest")}`,
      files: ["primary:k/a A 1d", "archive:k/a B 9d", "primary:r/c C 1d", "archive:r/c D 9d"],
      plan: ["! primary:k/a conflict", "! primary:r/c conflict"],
    },
    {
      name: "a swap is blocked, and with it the third that wants one of the names",
      rules: `  - { name: b, match: { name: "{x,a}", path: "/s/**" }, action: move, from: [primary], destination: primary, key: "s/b", on_conflict: rename }
  - { name: a, match: { path: "/s/b" }, action: move, from: [primary], destination: primary, key: "s/a", on_conflict: rename }\n`,
      files: ["primary:s/x D", "primary:s/a A", "primary:s/b B"],
      plan: ["! primary:s/b swap", "! primary:s/a swap", "! primary:s/x swap"],
    },
  ]);
});

describe("S15 names that differ in their Unicode form only", () => {
  const copies = `  - { name: c, match: { location: primary }, action: copy, destination: archive, place: key }\n`;
  it.each([
    { name: "two that are wanted at one place", files: ["primary:\u00e9 A", "primary:e\u0301 B"], told: true },
    { name: "one that is there", files: ["primary:\u00e9 A", "archive:e\u0301 B"], told: true },
    { name: "one name", files: ["primary:e\u0301 A", "archive:e\u0301 B"], told: false },
  ])("are told to: $name", async ({ files, told }) => {
    const { footer } = await planned({ rules: copies, files });
    expect(footer.blocked).not.toEqual([]);
    for (const { reason } of footer.blocked) expect(/differ in their Unicode form only$/.test(reason)).toBe(told);
  });
});

describe("S9 S16 what is there and is no file keeps its name, whatever the strategy", () => {
  const copies = `  - { name: c, match: { location: primary }, action: copy, place: key, destination: archive, on_conflict: newest }\n`;
  run([
    {
      name: "a link, a pipe, a socket or a device",
      rules: copies,
      facts: { archive: { others: ["a"] }, nas: { others: ["b"] } },
      files: ["primary:a A", "primary:b B"],
      plan: ["+ primary:b -> archive:b", "! primary:a conflict"],
    },
    {
      name: "one where a folder is needed",
      rules: copies,
      facts: { archive: { others: ["d"] } },
      files: ["primary:d/e/a A", "primary:dd/a B"],
      plan: ["+ primary:dd/a -> archive:dd/a", "! primary:d/e/a conflict"],
    },
    {
      name: "S15 one whose name is the same name there",
      rules: copies,
      facts: { archive: { features: { foldsCase: true }, others: ["E\u0301"] } },
      files: ["primary:\u00e9 A"],
      plan: ["! primary:\u00e9 conflict"],
    },
    {
      name: "a folder with files, and one without",
      rules: copies,
      facts: { archive: { folders: ["", "full", "empty"] } },
      files: ["archive:full/x X", "primary:full A", "primary:empty B", "primary:empty~ C"],
      plan: ["+ primary:empty~ -> archive:empty~", "! primary:empty conflict", "! primary:full conflict"],
    },
    {
      name: "of two names for a copy the one that is free is taken",
      rules: LOOSE,
      facts: { archive: { others: ["a"] } },
      files: ["primary:a A", "primary:b A"],
      plan: ["+ primary:b -> archive:b"],
    },
    {
      name: "a folder that goes with its last file is in the way of this plan only",
      rules: `  - { name: out, match: { location: archive, path: "/d/**" }, action: move, from: [archive], destination: old }\n${into("manual")}`,
      facts: { archive: { folders: ["", "d"] } },
      files: ["archive:d/x X", "primary:d A"],
      plan: ["> archive:d/x -> old:d/x", "! primary:d conflict"],
    },
  ]);
  it("S5 is told of a requirement, too, where there are locations", async () => {
    const { footer } = await planned({
      extra: "require:\n  - { name: two, match: {}, copies: 4 }\n",
      facts: { archive: { others: ["a"] } },
      files: ["primary:a A", "nas:a A", "old:a A"],
    });
    expect(footer.blocked.map(({ reason }) => reason)).toEqual([
      "no name is free in archive for the 4 copies that two requires",
    ]);
  });
  it("S9 is told of a rename for which the name is too long, which settles nothing", async () => {
    const long = "x".repeat(250);
    const { footer } = await planned({
      rules: copies.replace("newest", "rename"),
      files: [`primary:${long} A`, `archive:${long} B`],
    });
    expect(footer.conflicts.map(({ outcome }) => outcome)).toEqual(["blocked"]);
    expect(footer.blocked.map(({ reason }) => reason)).toEqual([
      `no free name beside archive:${long}: a name of 259 bytes is longer than the 255 that archive can hold`,
    ]);
  });
  it("is told", async () => {
    const { footer } = await planned({
      rules: copies,
      facts: { archive: { folders: ["", "b"], others: ["a", "d"] } },
      files: ["primary:a A", "primary:b B", "primary:d/c C"],
    });
    expect(footer.blocked.map(({ reason }) => reason)).toEqual([
      "something that is no file is at archive:a",
      "archive:b is a folder",
      "something that is no file is at archive:d, where a folder is needed",
    ]);
  });
});

const EXCLUDES = LOCATIONS.replace("purpose: [archive] }", 'purpose: [archive], exclude: ["*.tmp"] }');
describe("S15 names that a destination can not or shall not hold", () => {
  const copies = `rules:\n${LOOSE}`;
  run([
    {
      name: "what the destination excludes would not be seen there again: blocked, under each of its names",
      yaml: `${EXCLUDES}${copies}`,
      files: ["primary:a.tmp A", "primary:b.tmp A", "primary:c.jpg C"],
      plan: ["+ primary:c.jpg -> archive:c.jpg", "! primary:a.tmp excluded"],
    },
    {
      name: "of two names the one that the destination can hold is taken",
      yaml: `${EXCLUDES}${copies}`,
      files: ["primary:a.tmp A", "primary:b.jpg A"],
      plan: ["+ primary:b.jpg -> archive:b.jpg"],
    },
    {
      name: "a key that is no path is blocked, and not made to fit",
      rules: LOOSE,
      files: ["primary:a//b A", "primary:c C"],
      plan: ["+ primary:c -> archive:c", "! primary:a//b unsupported-name"],
    },
    {
      name: "a template that would leave the location is blocked",
      rules: `  - { name: c, match: {}, action: copy, destination: nas, key: "{dir}/{filename}" }\n`,
      files: ["primary:a/../b A"],
      plan: ["! primary:a/../b unresolved"],
    },
    {
      name: "a year that the catalog can not tell is no part of a name",
      rules: `  - { name: c, match: {}, action: copy, destination: nas, place: key, key: "{modified:%Y}/{filename}" }\n`,
      files: ["primary:a A -130000d", "primary:b B 120000d", "primary:c C 2d"],
      plan: ["+ primary:c -> nas:2026/c", "! primary:a unresolved", "! primary:b unresolved"],
    },
    {
      name: "nothing is given a name that is stowage's own",
      rules: `  - { name: c, match: {}, action: copy, destination: nas, key: "{filename}" }\n`,
      files: ["primary:sub/.stowage-location A"],
      plan: ["! primary:sub/.stowage-location unsupported-name"],
    },
    {
      name: "two names that are one name there are one file there",
      rules: into("manual"),
      facts: { archive: { features: { foldsCase: true } } },
      files: ["primary:A A", "primary:a A"],
      plan: ["> primary:A -> archive:A", "> primary:a -> archive:A (0)"],
    },
  ]);
});

it("S11 a file whose time is beyond the years of the catalog is told why it has no year", async () => {
  const rules = `  - { name: c, match: {}, action: copy, destination: nas, place: key, key: "{modified:%Y}/{filename}" }\n`;
  const { footer } = await planned({ rules, files: ["primary:a A -130000d", "primary:b B 120000d"] });
  const why = "the key template has no value for {modified}: the file's time is beyond the years that can be told";
  expect(footer.blocked.map(({ reason }) => reason)).toEqual([
    expect.stringContaining(why),
    expect.stringContaining(why),
  ]);
});

const NAMES = Array.from({ length: 18 }, (_, index) => `n${10 + index}`);
describe("S7 many names and several rules", () => {
  const cases: Case[] = [
    {
      name: "one copy under any name is enough, however many names there are",
      rules: `  - { name: c, match: { location: primary }, action: copy, destination: [nas, archive] }\n`,
      files: [...NAMES, "\u00e9", "e\u0301"].map((name) => `primary:${name} A`).concat("archive:other A"),
      plan: ["+ primary:e\u0301 -> nas:e\u0301"],
    },
    {
      name: "what an exact wish fails to bring arrives under another name that is free",
      rules: `  - { name: any, match: { location: primary }, action: copy, destination: archive, continue: true }
  - { name: exact, match: { path: "/a" }, action: move, from: [primary], destination: archive, on_conflict: skip }\n`,
      files: ["primary:a A", "primary:b A", "primary:c A", "archive:a B"],
      plan: ["+ primary:b -> archive:b", "= primary:a conflict"],
    },
    {
      name: "two rules that want a file at one place transfer it once",
      rules: `  - { name: c, match: {}, action: copy, destination: archive, place: key, continue: true }
  - { name: m, match: { location: primary }, action: move, destination: archive }\n`,
      files: ["primary:a A"],
      plan: ["+ primary:a -> archive:a", "> primary:a -> archive:a (0)"],
    },
    {
      name: "S3 a file that a rule wants at its very key stays, although another rule would take it away",
      rules: `  - { name: c, match: { location: primary }, action: copy, destination: old, place: key }
  - { name: m, match: { location: old }, action: move, from: [old], destination: archive }\n`,
      files: ["primary:a A", "old:a A"],
      plan: ["+ old:a -> archive:a", "= old:a wanted"],
    },
  ];
  run(cases);
});
