import { describe, expect, it } from "vitest";
import { sql } from "../src/catalog/sql.js";
import { sha256Hex } from "../src/lib/json.js";
import { actionsOf } from "../src/plan/seal.js";
import { bothWaysOver } from "./support/alike.js";
import { type Given, given, type SiteFacts } from "./support/world.js";

/** Six files with nothing in common, which one rule copies. */
const SIX = ["a", "b", "c", "d", "x/e", "x/y/f"].map((key) => `alpha:${key} ${key}`);
const COPY = "  - { name: copy, match: { not: { location: gamma } }, action: copy, destination: gamma }\n";

interface Case {
  name: string;
  /** Besides the six. */
  files?: (string | Given)[];
  /** `gamma`: more of its keys, each with a comma before it. */
  gamma?: string;
  beta?: string;
  rules?: string;
  facts?: SiteFacts;
  more?: string;
  /** How many of the actions are made in SQL. */
  inSql: number;
}

const twoNames = (n: number): string[] => [`alpha:m${n} m${n}`, `beta:l${n} m${n}`];
/** Contents with hard links are looked at one by one. */
const linked = (...lines: string[]): Given[] => lines.map((each) => ({ ...given(each), physical: "1:7" }));
const both = (...keys: string[]): string[] => keys.flatMap((key) => [`alpha:${key} ${key}`, `beta:${key} ${key}`]);
const twice = (...keys: string[]): string[] => keys.map((key) => `alpha:${key} twice`);

const CASES: Case[] = [
  { name: "nothing is in the way", inSql: 6 },
  { name: "another content has the name", files: ["gamma:a other"], inSql: 5 },
  { name: "something whose content is not known has the name", files: ["gamma:a ?"], inSql: 5 },
  { name: "a damaged file has the name", files: [{ ...given("gamma:a other"), state: "rot" }], inSql: 5 },
  { name: "no file has the name", facts: { others: ["a"] }, inSql: 5 },
  { name: "an empty folder has the name", facts: { folders: ["a"] }, inSql: 5 },
  { name: "a folder in a bucket has the name", files: ["gamma:a/in/side other"], inSql: 5 },
  { name: "another one needs a folder of the name", files: ["beta:a/in/side other"], inSql: 5 },
  { name: "another one wants the name", files: ["beta:a other"], inSql: 5 },
  { name: "a file is where a folder is needed", files: ["gamma:x other"], inSql: 4 },
  { name: "no file is where a folder is needed", facts: { others: ["x"] }, inSql: 4 },
  { name: "a content with two names wants the name", files: twice("p", "q").concat("beta:p other"), inSql: 6 },
  { name: "a content with two names needs a folder there", files: twice("p/q", "q").concat("beta:p other"), inSql: 6 },
  { name: "a content with two names wants the folder", files: twice("p", "q").concat("beta:p/q/r other"), inSql: 6 },
  {
    name: "another content is to get the name that its file has",
    files: ["beta:new/a new"],
    rules: `  - { name: into, match: { location: beta }, action: move, from: [beta], destination: alpha, key: "{filename}" }\n${COPY}`,
    inSql: 5,
  },
  {
    name: "it would lose the name that its file has",
    files: [{ ...given("beta:a new"), age: 1 }],
    rules: `  - { name: into, match: { location: beta }, action: move, from: [beta], destination: alpha, on_conflict: newest }\n${COPY}`,
    inSql: 5,
  },
  { name: "the location excludes it", gamma: ", exclude: ['/x/y/**']", inSql: 5 },
  {
    name: "a name is too long",
    files: [`alpha:x/${"n".repeat(120)} long`],
    facts: { features: { maxNameBytes: 100 } },
    inSql: 6,
  },
  {
    name: "a path is long, and no name",
    files: [`alpha:${"n/".repeat(80)}n long`],
    facts: { features: { maxNameBytes: 100 } },
    inSql: 7,
  },
  {
    name: "a key is too long",
    files: [`alpha:${"n/".repeat(60)}n long`],
    facts: { features: { maxKeyBytes: 100 } },
    inSql: 6,
  },
  {
    name: "case is folded",
    files: ["beta:A other", "beta:\u0130 dot"],
    facts: { features: { foldsCase: true } },
    inSql: 5,
  },
  { name: "names differ in their Unicode form", files: ["alpha:cafe\u0301 one", "beta:caf\u00e9 two"], inSql: 6 },
  {
    name: "Node composes characters that DuckDB does not know",
    files: ["alpha:a\u1add\u0301 one", "beta:a\u1add\u0301 two", "beta:other two"],
    inSql: 6,
  },
  { name: "it is archived", files: [{ ...given("alpha:cold cold"), archived: "It lies in GLACIER." }], inSql: 6 },
  { name: "it has hard links", files: [{ ...given("alpha:linked linked"), physical: "1:7" }], inSql: 6 },
  { name: "it is only claimed", files: [{ ...given("alpha:claim claim"), proof: "claim" }], inSql: 7 },
  {
    name: "on_conflict has named it",
    files: [`alpha:n~${sha256Hex("n").slice(0, 8)} n`],
    rules: COPY.replace("destination: gamma", "destination: gamma, place: key"),
    inSql: 6,
  },
  { name: "its name has quotes", files: ['alpha:q"q\\\\q\\ quotes'], inSql: 7 },
  {
    name: "its name has control characters",
    files: [{ location: "alpha", key: "q\nq\t", content: "control" }],
    inSql: 6,
  },
  { name: "its name looks like stowage's own", files: ["alpha:.stowage-x own"], inSql: 6 },
  { name: "there is room for all", files: ["alpha:big big 100 4000"], gamma: ", capacity: { max: 10000B }", inSql: 7 },
  { name: "there is room for some", gamma: ", capacity: { max: 3500B }", inSql: 0 },
  {
    name: "there is room for them alone",
    files: linked("alpha:p big 100 4000", "alpha:q big 100 4000"),
    gamma: ", capacity: { max: 9000B }",
    inSql: 0,
  },
  {
    name: "there is room for them and for what is looked at alone",
    files: linked("alpha:p big 100 3000", "alpha:q big 100 3000"),
    gamma: ", capacity: { max: 9000B }",
    inSql: 6,
  },
  {
    name: "they are empty and there is no room",
    files: ["gamma:big big 100 9000", "beta:none none 1 0"],
    rules: COPY.replace("{ not: { location: gamma } }", "{ location: beta }"),
    gamma: ", capacity: { max: 4000B }",
    inSql: 1,
  },
  {
    name: "the rule makes other names of some",
    rules: COPY.replace(" }\n", ', key: "{filename}" }\n'),
    inSql: 6,
  },
  { name: "the rule makes other names", rules: COPY.replace(" }\n", ', key: "z/{filename}" }\n'), inSql: 6 },
  {
    name: "some are moved",
    rules: `  - { name: move, match: { path: "/x/**" }, action: move, destination: beta }\n${COPY}`,
    inSql: 6,
  },
  {
    name: "some are moved from where the rule copies them",
    rules: `  - { name: also, match: { path: "/x/**" }, action: copy, destination: beta, continue: true }\n${COPY}`,
    inSql: 8,
  },
  {
    name: "two rules copy to one location",
    rules: `  - { name: also, match: { path: "/x/**" }, action: copy, destination: gamma, place: key, continue: true }\n${COPY}`,
    inSql: 6,
  },
  {
    name: "one rule copies to two locations",
    rules: COPY.replace("destination: gamma", "destination: [gamma, beta]"),
    inSql: 12,
  },
  {
    name: "rules come in another order than locations",
    rules: `  - { name: last, match: { path: "/x/**" }, action: copy, destination: beta }\n${COPY}`,
    files: linked("alpha:b2 twice", "alpha:x/b3 twice"),
    inSql: 6,
  },
  { name: "a rule fights", rules: `  - { name: away, match: { location: gamma }, action: delete }\n${COPY}`, inSql: 6 },
  { name: "the location is offline", gamma: ", status: offline", inSql: 0 },
  {
    name: "a requirement copies them",
    rules: "",
    more: "require:\n  - { name: two, match: { location: alpha }, copies: 2 }\n",
    inSql: 6,
  },
  {
    name: "a requirement can not be met",
    more: "require:\n  - { name: four, match: { path: a }, copies: 4 }\n",
    inSql: 5,
  },
  { name: "the default wants them", rules: "  - default: gamma\n", inSql: 6 },
  { name: "some are at two locations", files: both("p", "x/q"), inSql: 8 },
  { name: "some are at three locations", files: [...both("p"), "gamma:p p"], inSql: 6 },
  { name: "some are at two locations under two names", files: [...both("p"), ...twoNames(1)], inSql: 8 },
  { name: "the other location is to be read from", files: both("p"), beta: ", priority: 90", inSql: 7 },
  {
    name: "what is read from has another type, by which a rule fights",
    files: ["alpha:p p", { ...given("beta:p p"), type: "video" }],
    beta: ", priority: 90",
    rules: `  - { name: on, match: { location: gamma, media_type: video }, action: copy, destination: alpha, key: "v/{filename}", place: key }\n${COPY}`,
    inSql: 7,
  },
  { name: "one of two is only claimed", files: ["alpha:p p", { ...given("beta:p p"), proof: "claim" }], inSql: 7 },
  {
    name: "both are only claimed",
    files: both("p").map((each) => ({ ...given(each), proof: "claim" as const })),
    inSql: 7,
  },
  {
    name: "one of two is archived",
    files: ["alpha:p p", { ...given("beta:p p"), archived: "It lies in GLACIER." }],
    inSql: 6,
  },
  { name: "two are one file", files: both("p").map((each) => ({ ...given(each), physical: "1:7" })), inSql: 6 },
  { name: "a name at two locations has quotes", files: both('q"q\\q'), inSql: 7 },
  {
    name: "another content wants the name at two locations",
    files: [...both("p"), "alpha:n/p other"],
    rules: `  - { name: up, match: { path: "n/*" }, action: copy, destination: gamma, key: "{filename}" }\n${COPY}`,
    inSql: 6,
  },
  {
    name: "another content is to get the name of the second file",
    files: [...both("new/a"), "alpha:n/a other"],
    rules: `  - { name: into, match: { path: "n/*" }, action: move, from: [alpha], destination: beta, key: "new/{filename}" }\n${COPY}`,
    inSql: 6,
  },
  {
    name: "one of two is to go",
    files: both("p"),
    rules: `  - { name: away, match: { location: beta }, action: delete }\n${COPY}`,
    inSql: 8,
  },
  {
    name: "two locations need a third copy",
    files: both("p"),
    rules: "",
    more: "require:\n  - { name: three, match: {}, copies: 3 }\n",
    inSql: 13,
  },
  { name: "files are due", gamma: "", files: [{ ...given("beta:old old"), verified: 90 }], inSql: 7 },
];

function planned({ files = [], gamma = "", beta = "", rules = COPY, facts, more = "" }: Case) {
  const yaml = `version: 1
locations:
  - { name: alpha, type: local, path: /tree/alpha, purpose: [inbox] }
  - { name: beta, type: local, path: /tree/beta, purpose: [inbox], verify: { every: 30d }${beta} }
  - { name: gamma, type: local, path: /tree/gamma, purpose: [backup]${gamma} }
${rules === "" ? "" : `rules:\n${rules}`}${more}`;
  return bothWaysOver(yaml, [...SIX, ...files], { facts: facts ? { gamma: facts } : {} });
}

describe("contents that are alike get in SQL what they get one by one", () => {
  it.each(CASES)("$name", async (each) => {
    const { one, inSql } = await planned(each);
    expect(inSql.said).toEqual(one.said);
    expect(inSql.actions).toBe(each.inSql);
  });

  it("and where a claim says a hash that begins like another one", async () => {
    const yaml = `version: 1
locations:
  - { name: alpha, type: local, path: /tree/alpha, purpose: [inbox] }
  - { name: beta, type: local, path: /tree/beta, purpose: [inbox] }
  - { name: gamma, type: local, path: /tree/gamma, purpose: [backup] }
rules:
  - { name: away, match: { path: "/go/**" }, action: move, from: [alpha], destination: gamma, key: "gone/{filename}" }
${COPY}`;
    const files = [...SIX, "alpha:go/1 g1", "alpha:go/2 g2", "alpha:p p", { ...given("beta:p p"), proof: "claim" }];
    const { one, inSql } = await bothWaysOver(yaml, files, {
      change: (catalog) =>
        catalog.run(
          sql`UPDATE file_locations SET sha256 = left(sha256, 32) || repeat('0', 32) WHERE location = 'beta'`,
        ),
    });
    expect(inSql.said).toEqual(one.said);
    expect(inSql.actions).toBe(8);
  });

  it("and where they leave too little room, so that all are looked at after all (S5)", async () => {
    const yaml = `version: 1
locations:
  - { name: alpha, type: local, path: /tree/alpha, purpose: [inbox] }
  - { name: gamma, type: local, path: /tree/gamma, purpose: [backup] }
  - { name: delta, type: local, path: /tree/delta, purpose: [backup] }
  - { name: small, type: local, path: /tree/small, purpose: [backup], capacity: { max: 1000B } }
rules:
  - { name: big, match: { path: "q*" }, action: copy, destination: small }
  - { name: copy, match: { location: alpha }, action: copy, destination: gamma, on_conflict: newest }
require:
  - { name: two, match: { location: delta }, copies: 2 }
`;
    const files = ["alpha:a a", "alpha:p new 1", "gamma:p old 50", "delta:p old 50"];
    const { one, inSql } = await bothWaysOver(yaml, [...files, "alpha:q1 twice 5 3000", "alpha:q2 twice 5 3000"]);
    expect(inSql.said).toEqual(one.said);
    expect(inSql.plan.footer.blocked.map(({ address, code }) => `${address} ${code}`)).toContain("alpha:p conflict");
  });

  it("in the order of all, over more lines than DuckDB puts into one text", async () => {
    const files = Array.from({ length: 1_500 }, (_, n) => [
      `beta:n${n} ${n}`,
      ...(n % 7 ? [] : linked(...twoNames(n))),
    ]).flat();
    const { one, inSql } = await planned({ name: "", inSql: 0, files });
    expect(inSql.said).toEqual(one.said);
    expect(inSql.actions).toBe(1_506);
  });

  it("and can be read one after the other", async () => {
    const { inSql } = await planned({ name: "", inSql: 6, files: linked(...twice("p", "q")) });
    expect([...actionsOf(inSql.plan)]).toEqual(inSql.plan.actions);
  });
});
