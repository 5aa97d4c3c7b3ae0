import { describe, expect, it } from "vitest";
import { checkText } from "../src/config/load.js";

const check = (text: string) => checkText(text, "/etc/media/storage.yaml", { env: { HOME: "/home/ada" } }).diagnostics;

/** `line:column message` of every finding, in order. */
const found = (text: string): string[] =>
  check(text).map(({ line, column, message }) => `${line}:${column} ${message}`);

const LOCATIONS = `locations:
  - { name: a, type: local, path: /a }
  - { name: b, type: local, path: /b }
`;

describe("all that is wrong with a storage.yaml is told at once", () => {
  it.each([
    {
      name: "in other keys of a rule, in other rules, and in each part of a template",
      text: `${LOCATIONS}rules:
  - { name: r, match: { size: ">1G", age: "5m", set: nope }, action: mov, destination: b }
  - { name: r, match: { size: "1G" }, action: copy, destination: b }
  - { name: s, match: { path: "" }, action: delete, continue: true, key: "{foo}/{x|}" }
`,
      expected: [
        '5:31 "1G" is ambiguous',
        '5:43 "5m" is ambiguous',
        '5:54 there is no set "nope"',
        '5:70 "action" must be keep, copy, move or delete, not "mov"',
        '6:13 there are two rules "r"',
        '6:31 "1G" is ambiguous',
        '7:31 "path" is empty',
        '7:53 "continue" is for copy, not for delete',
        '7:69 "key" is for copy and move, not for delete',
        "7:74 unknown field {foo}",
        "7:74 unknown field {x}",
      ],
    },
    {
      name: "in other keys of a location without a name, without a type, or of a wrong type",
      text: `locations:
  - { type: local, path: /a, capacity: { max: 1G } }
  - { name: b, path: "~x", layout: "{a" }
  - { name: B, type: lokal, path: /a, verify: { method: x, every: 5m } }
  - { name: d, type: local, path: "", exclude: ["[", 5, "{"] }
  - { name: e, type: network, path: /a/e }
`,
      expected: [
        '2:5 the location needs "name"',
        '2:47 "1G" is ambiguous',
        '3:5 the location "b" needs "type"',
        '3:22 "~x": only ~ and ~/… are the home directory',
        "3:36 mismatched { and }",
        '4:13 there are two locations "B", but for upper and lower case',
        '4:22 "type" must be local, network, s3, gcs, azure, supabase or plugin, not "lokal"',
        '4:35 "B" and "location-1" are the same directory',
        '4:57 "method" must be content or checksum, not "x"',
        '4:67 "5m" is ambiguous',
        '5:35 "path" is empty',
        "5:49 mismatched [ and ]",
        '5:54 an item of "exclude" must be a text, not 5',
        "5:57 mismatched { and }",
        '6:31 a network location has its directory in "mount_path"',
        '6:37 "e" lies inside of "location-1"',
        '6:37 "e" lies inside of "B"',
      ],
    },
    {
      name: "in the other parts of a match, a requirement, a default and a set",
      text: `${LOCATIONS}sets: { s: { any: [{ size: {} }, { size: 1K }], not: 5 }, t: 5 }
rules:
  - { match: { all: [{ ext: 5 }, { type: x }], set: [s, 5, u] }, action: keep, destination: nope }
  - { match: { set: t }, destination: nope, key: "{x}" }
  - { action: copy, continue: 5 }
  - { default: 5 }
  - { default: nope, x: 1 }
require:
  - { name: n, match: 5, copies: 0 }
  - { name: n, match: { age: 5m }, copies: 1 }
  - { name: " o", domains: 1 }
`,
      expected: [
        '4:28 "size" must be a text, a number or a list, not a mapping',
        '4:42 "1K" is ambiguous',
        '4:54 "not" must be a mapping, not 5',
        '4:62 "t" must be a mapping, not 5',
        '6:29 "ext" must be a text or a list, not 5',
        '6:42 "x" is no MIME type',
        '6:57 an item of "set" must be a text, not 5',
        '6:60 there is no set "u"',
        '6:80 "destination" is for copy and move, not for keep',
        '6:93 there is no location "nope"',
        '7:5 the rule needs "action"',
        '7:39 there is no location "nope"',
        "7:50 unknown field {x}",
        '8:5 the rule needs "match"',
        '8:5 a rule with action copy needs "destination"',
        '8:31 "continue" must be true or false, not 5',
        "9:5 `default` must be the last rule",
        '9:16 "default" must be a text, not 5',
        "10:5 there are two defaults",
        '10:16 there is no location "nope"',
        '10:22 unknown key "x"',
        '12:23 "match" must be a mapping, not 5',
        '12:34 "copies" must be at least 1, not 0',
        '13:13 there are two requirements "n"',
        '13:30 "5m" is ambiguous',
        '14:5 the requirement " o" needs "match"',
        '14:13 the name " o" starts or ends with a space',
      ],
    },
    {
      name: "in each of the rules under a location, where it stands",
      text: `locations:
  - name: a
    type: local
    path: /a
    read_only: true
    rules:
      - { include_types: [imgae, 5, vidoe, image], exclude_types: soud }
      - { min_age_days: 5, max_age_days: 1, min_size_bytes: 9, max_size_bytes: 8 }
      - { include_types: "image/[" }
      - { include_types: "audio/[" }
`,
      expected: [
        '6:5 "a" is read_only: nothing can be put there',
        '7:26 "imgae" is no type of file',
        '7:26 "vidoe" is no type of file',
        '7:34 an item of "include_types" must be a text, not 5',
        '7:67 "soud" is no type of file',
        "8:9 no file is both at least 5d and at most 1d",
        "8:9 no file is both at least 9 and at most 8",
        "9:9 mismatched [ and ]",
        "10:9 mismatched [ and ]",
      ],
    },
    {
      name: "but nothing that only follows from another error",
      text: `locations:
  - { name: a, type: lokal }
  - { name: b, type: local, path: /b, status: retierd, layout: "{x" }
  - { name: c, type: local, path: /b }
  - 5
sets: { s: 5 }
rules:
  - { match: { set: s, project: x }, action: copy, destination: 5, key: "{project}/{filename" }
require:
  - { match: {}, copies: 7 }
`,
      expected: [
        '2:22 "type" must be local, network, s3, gcs, azure, supabase or plugin, not "lokal"',
        '3:47 "status" must be active, offline, draining or retired, not "retierd"',
        "3:64 mismatched { and }",
        "5:5 the location must be a mapping, not 5",
        '6:12 "s" must be a mapping, not 5',
        '8:65 "destination" must be a text or a list, not 5',
        "8:73 mismatched { and }",
      ],
    },
  ])("$name", ({ text, expected }) => expect(found(text)).toEqual(expected));

  /** What is put where, and what is said about it. */
  const PLANTS: [path: string, value: unknown, message: string][] = [
    ["versoin", 1, "unknown key"],
    ["settings.settle", "5m", '"5m" is ambiguous'],
    ["settings.timezone", "Mars", "no time zone"],
    ["safety.trash", [], '"trash" must be'],
    ["safety.max_shrink", "200%", "is no share"],
    ["locations.0.priority", "high", '"priority" must be'],
    ["locations.0.colour", "red", 'unknown key "colour"'],
    ["locations.0.capacity.max", "3G", '"3G" is ambiguous'],
    ["locations.1.type", "lokal", 'not "lokal"'],
    ["locations.2.name", "A", 'two locations "A"'],
    ["locations.1.exclude", ["x", "[e"], "mismatched [ and ]"],
    ["locations.2.path", "/a", "are the same directory"],
    ["locations.2.mount_path", "/x", 'has its directory in "path"'],
    ["sets.s.size", "4G", '"4G" is ambiguous'],
    ["sets.s.name", 5, '"name" must be'],
    ["settings.transfer", { bandwidth: "5M/s" }, '"5M" is ambiguous'],
    ["locations.0.windows", ["8:00-9:00"], '"8:00" is no time'],
    ["locations.0.region", "x", '"region" is for s3'],
    [
      "locations.3.credentials",
      { access_key_id: "abcdefg", secret_access_key: "${HOME}" },
      '"access_key_id" is a secret',
    ],
    ["locations.3.prefix", "//", 'the prefix "//"'],
    ["locations.3.path", "/x", 'has its files in "bucket"'],
    ["locations.3.endpoint", "x", "no http or https address"],
    ["locations.3.container", "x", 'has its files in "bucket"'],
    ["rules.0.match.tags", { any: "[t" }, "mismatched [ and ]"],
    ["sets.s.stars", "four", '"four" is no number'],
    ["rules.0.match.size", "1G", '"1G" is ambiguous'],
    ["rules.0.match.age", ["5m"], '"5m" is ambiguous'],
    ["rules.0.match.set", "nope", 'no set "nope"'],
    ["rules.0.match.path", "", '"path" is empty'],
    ["rules.0.match.nmae", "x", 'unknown key "nmae"'],
    ["rules.0.action", "mov", 'not "mov"'],
    ["rules.0.destination", "bb", 'no location "bb"'],
    ["rules.0.on_conflict", 1, '"on_conflict" must be'],
    ["rules.1.name", "r", 'two rules "r"'],
    ["rules.1.match", 7, '"match" must be'],
    ["rules.1.continue", true, '"continue" is for copy'],
    ["rules.0.key", "{path}{foo}", "unknown field {foo}"],
    ["rules.1.from", "cc", 'no location "cc"'],
    ["rules.2.default", "dd", 'no location "dd"'],
    ["require.0.copies", 0, '"copies" must be'],
    ["require.0.match.ext", "[q", "mismatched [ and ]"],
    ["require.1.name", "n", 'two requirements "n"'],
    ["require.1.match", [], '"match" must be a mapping'],
  ];

  const base = (): Tree => ({
    settings: {},
    safety: {},
    locations: [
      ...["a", "b", "c"].map((name) => ({ name, type: "local", path: `/${name}`, capacity: { keep_free: "1%" } })),
      { name: "d", type: "s3", bucket: "abc" },
    ],
    sets: { s: { ext: "x" } },
    rules: [
      { name: "r", match: { set: "s" }, action: "copy", destination: "b" },
      { name: "t", match: { ext: "y" }, action: "delete" },
      { default: "a" },
    ],
    require: [
      { name: "n", match: {}, copies: 1 },
      { name: "o", match: {}, domains: 1 },
    ],
  });

  it("any two independent errors are both told, and nothing else is", () => {
    expect(check(JSON.stringify(base(), null, 1)).map(({ message }) => message)).toEqual([]);
    for (const [index, one] of PLANTS.entries()) {
      for (const other of PLANTS.slice(index + 1)) {
        const tree = base();
        for (const [path, value] of [one, other]) plant(tree, path.split("."), value);
        const errors = check(JSON.stringify(tree, null, 1)).filter(({ severity }) => severity === "error");
        const told = errors.map(({ message }) => message).sort();
        const expected = [one, other].map(([, , message]) => expect.stringContaining(message));
        expect(told, `${one[0]} and ${other[0]}`).toHaveLength(2);
        expect(told, `${one[0]} and ${other[0]}`).toEqual(expect.arrayContaining(expected));
      }
    }
  });

  it("a wrong value anywhere is told, and never an exception", () => {
    const whole = (): Tree => {
      const tree = base();
      const everything = {
        "settings.transfer": { concurrency: 2, bandwidth: { "08:00": "5MiB/s" } },
        "locations.0.windows": ["08:00-09:00"],
        "locations.3.prefix": "x",
        "locations.3.endpoint": "https://s3.example.com",
        "locations.3.force_path_style": true,
        "locations.3.storage_class": "COLD",
        "locations.3.encryption": { kms_key: "k" },
        "locations.3.allow_unconditional_delete": true,
        "locations.3.credentials": { access_key_id: "${HOME}", secret_access_key: "${HOME}" },
        "safety.max_delete": { files: 1, percent: 2 },
        "locations.0.verify": { every: "1d", method: "content" },
        "locations.0.rules": [{ include_types: ["image"], exclude_types: "video", min_age_days: 1, max_age_days: 2 }],
        "locations.0.exclude": ["x"],
        "locations.0.layout": "{project}/**",
        "rules.0.match": {
          tags: { any: ["x"] },
          stars: 5,
          any: [{ all: [{ size: [">1GB"] }] }],
          not: [{ name: "x" }],
          "attr.x": 1,
          set: ["s"],
        },
        "rules.0.key": "{project}/{filename}",
        "rules.1.from": ["a"],
      };
      for (const [path, value] of Object.entries(everything)) plant(tree, path.split("."), value);
      return tree;
    };
    const isError = ({ severity }: { severity: string }): boolean => severity === "error";
    expect(check(JSON.stringify(whole())).filter(isError)).toEqual([]);
    for (const path of pathsOf(whole())) {
      const told = [null, true, -1, "", [], {}, [null], [[]], { x: {} }].map((value) => {
        const tree = whole();
        plant(tree, path, value);
        return check(JSON.stringify(tree)).filter(isError).length;
      });
      expect(Math.max(...told), path.join(".")).toBeGreaterThan(0);
    }
  });
});

type Tree = { [key: string]: unknown };

function plant(tree: Tree, [key, ...rest]: string[], value: unknown): void {
  if (rest.length > 0) plant(tree[key!] as Tree, rest, value);
  else tree[key!] = value;
}

function pathsOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[key], ...pathsOf(inner).map((path) => [key, ...path])]);
}
