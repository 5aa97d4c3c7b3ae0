import { describe, expect, it } from "vitest";
import { bothWaysOver } from "./support/alike.js";
import { type Given, given, type SiteFacts } from "./support/world.js";

/** Contents that one rule moves or deletes, under names that it makes, get in SQL what they get one by one. */
interface Case {
  name: string;
  files: (string | Given)[];
  rules: string;
  alpha?: string;
  gamma?: string;
  facts?: Record<string, SiteFacts>;
  settings?: string;
  safety?: string;
  more?: string;
  /** How many actions of each kind are made in SQL. */
  inSql: Record<string, number>;
}

const THREE = ["alpha:p/1.jpg one 3", "alpha:p/q/2.tar.gz two 100", "alpha:3 three 400"];
const rule = (name: string, rest: string): string => `  - { name: ${name}, ${rest} }\n`;
const move = (rest: string): string => rule("move", `match: { location: alpha }, action: move, from: [alpha], ${rest}`);
const named = (key: string, rest = ""): string => move(`destination: gamma, key: "${key}"${rest}`);
const dated = (mtimes: Record<string, string>): Given[] =>
  Object.entries(mtimes).map(([key, time]) => ({
    ...given(`alpha:${key} ${key}`),
    age: (Date.parse("2026-06-01T00:00:00Z") - Date.parse(time)) / 86_400_000,
  }));

const CASES: Case[] = [
  { name: "a move", files: THREE, rules: move("destination: gamma"), inSql: { move: 3 } },
  {
    name: "a move to two locations, of which the last one takes away",
    files: THREE,
    rules: move("destination: [beta, gamma]"),
    inSql: { copy: 3, move: 3 },
  },
  {
    name: "a move to where it is",
    files: [...THREE, "gamma:p/1.jpg one", "gamma:other two"],
    rules: move("destination: gamma"),
    inSql: { move: 3 },
  },
  {
    name: "a move that also copies",
    files: THREE,
    rules: rule("also", "match: {}, action: copy, destination: beta, continue: true") + move("destination: gamma"),
    inSql: { copy: 3, move: 3 },
  },
  {
    name: "every field of a template",
    files: THREE,
    alpha: 'layout: "{project}/{kind}/**", ',
    rules: named(
      "{path}-{dir}-{filename}-{stem}-{ext}-{sha256}-{sha256:3}-{project|P}-{media_type|M}-{attr.kind|K}-{location}",
    ),
    inSql: { move: 3 },
  },
  {
    name: "fields without a value",
    files: [...THREE, { ...given("alpha:film film"), type: "video" }],
    alpha: 'layout: "{project}/**", ',
    rules: named("{project}/{media_type}/{filename}"),
    inSql: { move: 2 },
  },
  {
    name: "fields that are empty",
    files: [...THREE, "alpha:.hidden hidden", "alpha:x. dot", "alpha:a/..b dots"],
    rules: named("{dir}/n{ext}/{dir}/{stem}"),
    inSql: { move: 5 },
  },
  {
    name: "a fallback with slashes",
    files: THREE,
    rules: named("{project|/a//b/}/{filename}"),
    inSql: { move: 3 },
  },
  {
    name: "a template with letters and signs of time formats",
    files: THREE,
    rules: named("100%/{modified:%%Y-%Y %y %m %d %H.%M.%S %j %b é'}/{filename}"),
    inSql: { move: 3 },
  },
  {
    name: "times in a time zone, before and after its clocks change",
    files: dated({
      a: "2026-03-29T00:59:59Z",
      b: "2026-03-29T01:00:00Z",
      c: "2025-10-26T00:59:59Z",
      d: "2025-10-26T01:00:00Z",
      e: "1980-04-05T22:59:59Z",
      f: "1980-04-05T23:00:00Z",
      g: "1970-01-01T00:00:00Z",
      h: "2025-12-31T23:00:00Z",
    }),
    settings: "timezone: Europe/Berlin",
    rules: named("{modified:%Y/%j/%H%M%S}/{filename}"),
    inSql: { move: 8 },
  },
  {
    name: "a time before 1970",
    files: dated({ a: "1969-12-31T23:59:59Z", b: "1900-02-28T12:00:00Z", c: "2000-02-29T12:00:00Z" }),
    rules: named("{modified:%Y/%j}/{filename}"),
    inSql: { move: 1 },
  },
  {
    name: "a time that nobody knows",
    files: [{ ...given("alpha:old old"), age: 365 * 400 }, ...THREE],
    rules: named("{modified:%Y|unknown}/{filename}"),
    inSql: { move: 3 },
  },
  {
    name: "names that become no keys",
    files: [...THREE, "alpha:a/b/x dots"],
    rules: named("{stem}/../{filename}").replace("/../", "/{project|..}/"),
    inSql: {},
  },
  {
    name: "names that become stowage's own",
    files: ["alpha:stowage-x own", "alpha:other other"],
    rules: named(".{filename}"),
    inSql: { move: 1 },
  },
  {
    name: "two files of one content that get two names",
    files: [...THREE, "alpha:twin one 3"],
    rules: named("x/{filename}"),
    inSql: { move: 4 },
  },
  {
    name: "two files of one content that get one name",
    files: [...THREE, "alpha:r/1.jpg one 3"],
    rules: named("x/{filename}"),
    inSql: { move: 4 },
  },
  {
    name: "two contents that get one name",
    files: [...THREE, "alpha:r/1.jpg other 3"],
    rules: named("x/{filename}"),
    inSql: { move: 2 },
  },
  {
    name: "a file that gets the name of a folder, and one that gets one in it",
    files: ["alpha:a/x one", "alpha:a/x/y two", "alpha:b three"],
    rules: named("{dir}"),
    inSql: {},
  },
  {
    name: "names that are taken",
    files: [...THREE, "gamma:x/2.tar.gz other"],
    rules: named("x/{filename}"),
    inSql: { move: 2 },
  },
  {
    name: "a name that another file is about to leave",
    files: ["alpha:a one", "alpha:b two", "alpha:c three"],
    rules:
      rule("chain", 'match: { path: "/a" }, action: move, from: [alpha], destination: alpha, key: "b"') +
      move("destination: gamma"),
    inSql: { move: 1 },
  },
  {
    name: "renames in one location",
    files: THREE,
    rules: move('destination: alpha, key: "y/{filename}"'),
    facts: { alpha: { identity: "7:1" } },
    inSql: { move: 3 },
  },
  {
    name: "renames in one location, which is nearly full",
    files: THREE.map((each) => `${each} 1000`),
    rules: move('destination: alpha, key: "y/{filename}"'),
    facts: { alpha: { identity: "7:1", total: 10_000, free: 10 } },
    inSql: { move: 3 },
  },
  {
    name: "renames where nothing is known of a device",
    files: THREE,
    rules: move('destination: alpha, key: "y/{filename}"'),
    inSql: { move: 3 },
  },
  {
    name: "names that differ in case",
    files: ["alpha:a/Photo.JPG one", "alpha:b/photo.jpg one", "alpha:c two"],
    rules: named("{filename}"),
    facts: { gamma: { features: { foldsCase: true } } },
    inSql: { move: 1 },
  },
  {
    name: "names of other alphabets, where one location folds case",
    files: ["alpha:\u00e9t\u00e9 one", "alpha:a/\u0130x two", "alpha:b/I\u0307x two", "alpha:c three"],
    rules: move('destination: beta, key: "{filename}"'),
    facts: { gamma: { features: { foldsCase: true } } },
    inSql: { move: 2 },
  },
  {
    name: "names that differ in their Unicode form",
    files: ["alpha:a/cafe\u0301 one", "alpha:b/caf\u00e9 one", "alpha:c two"],
    rules: named("{filename}"),
    inSql: { move: 1 },
  },
  {
    name: "a rename that a rule of another location takes back",
    files: THREE,
    rules:
      named("x/{filename}") +
      rule("back", "match: { location: gamma }, action: move, from: [gamma], destination: alpha"),
    inSql: { move: 3 },
  },
  {
    name: "moves within a device",
    files: THREE.map((each) => `${each} 1000`),
    rules: move("destination: gamma"),
    facts: { alpha: { identity: "7:1", total: 10_000, free: 10 }, gamma: { identity: "7:2", total: 10_000, free: 10 } },
    inSql: { move: 3 },
  },
  {
    name: "moves for which there is no room",
    files: THREE.map((each) => `${each} 1000`),
    rules: move("destination: gamma"),
    gamma: "capacity: { max: 2500B }, ",
    inSql: {},
  },
  {
    name: "a location that is emptied and filled in turns",
    files: [...THREE, "beta:b four"],
    rules:
      move("destination: beta") +
      rule("out", "match: { location: beta }, action: move, from: [beta], destination: gamma, key: 'z/{filename}'"),
    inSql: { move: 4 },
  },
  {
    name: "copies to a location that others leave",
    files: [...THREE, "beta:b four"],
    rules: rule("in", "match: { location: beta }, action: copy, destination: alpha") + move("destination: gamma"),
    inSql: { copy: 1, move: 3 },
  },
  {
    name: "deletes of second copies",
    files: [...THREE, "beta:p/1.jpg one", "beta:other two"],
    rules: rule("tidy", "match: { location: alpha }, action: delete"),
    inSql: { delete: 2 },
  },
  {
    name: "deletes of last copies",
    files: THREE,
    rules: rule("away", "match: { path: '/p/**' }, action: delete, allow_last_copy: true"),
    inSql: { delete: 2 },
  },
  {
    name: "deletes without trash",
    files: [...THREE, "beta:p/1.jpg one"],
    safety: "trash: 0",
    rules: rule("away", "match: { path: '/p/**' }, action: delete, allow_last_copy: true"),
    inSql: { delete: 3 },
  },
  {
    name: "more deletes than are allowed",
    files: Array.from({ length: 30 }, (_, n) => `alpha:n${n} ${n}`),
    safety: "max_delete: { files: 20, percent: 50 }",
    rules: rule("away", "match: { location: alpha }, action: delete, allow_last_copy: true"),
    inSql: { delete: 30 },
  },
  {
    name: "two copies that must stay",
    files: [...THREE, "beta:p/1.jpg one", "gamma:other one"],
    safety: "min_copies: 2",
    rules: move("destination: gamma"),
    inSql: { move: 3 },
  },
  {
    name: "a requirement that keeps what would go",
    files: [...THREE, "beta:p/1.jpg one"],
    rules: rule("away", "match: { location: alpha }, action: delete"),
    more: "require:\n  - { name: two, match: { path: '/p/1.jpg' }, copies: 2 }\n",
    inSql: {},
  },
  {
    name: "files that are due and leave",
    files: [...THREE, { ...given("beta:old old"), verified: 90 }, { ...given("beta:x x"), verified: 90 }],
    rules: rule("out", "match: { path: old }, action: move, from: [beta], destination: gamma"),
    inSql: { move: 1 },
  },
  {
    name: "rules that fight",
    files: THREE,
    rules:
      named("x/{filename}") + rule("back", "match: { location: gamma }, action: copy, destination: alpha, place: key"),
    inSql: { move: 3 },
  },
];

function planned(each: Case) {
  const {
    files,
    rules,
    alpha = "",
    gamma = "",
    facts = {},
    settings = "settle: 0s",
    safety = "min_copies: 1",
    more = "",
  } = each;
  const yaml = `version: 1
settings: { ${settings} }
safety: { ${safety} }
locations:
  - { name: alpha, type: local, ${alpha}path: /tree/alpha, purpose: [inbox], priority: 9 }
  - { name: beta, type: local, path: /tree/beta, purpose: [inbox], verify: { every: 30d } }
  - { name: gamma, type: local, ${gamma}path: /tree/gamma, purpose: [backup] }
rules:
${rules}${more}`;
  return bothWaysOver(yaml, files, { facts });
}

describe("moves and deletes of contents that are alike are made in SQL as they are one by one", () => {
  it.each(CASES)("$name", async (each) => {
    const { one, inSql } = await planned(each);
    expect(inSql.said).toEqual(one.said);
    expect(inSql.kinds).toEqual(each.inSql);
  });
});
