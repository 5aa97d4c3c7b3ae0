import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Config } from "../src/config/config.js";
import { checkConfig, checkText, loadConfig } from "../src/config/load.js";
import { compileMatch } from "../src/config/match.js";
import { parseDuration, parsePercent, parseRate, parseSize } from "../src/config/units.js";

const ENV = { HOME: "/home/ada", NAS: "/mnt/nas", EMPTY: "", API_KEY: "s3cr3t-Value", PRIO: "7" };
const check = (text: string, env: Record<string, string> = ENV) => checkText(text, "/etc/media/storage.yaml", { env });

/** `line:column code` of every finding, in order. */
const found = (text: string): string[] =>
  check(text).diagnostics.map(
    ({ severity, line, column, code, message }) =>
      `${line}:${column} ${severity === "warning" ? "warning " : ""}${code} ${message}`,
  );

const hints = (text: string): (string | undefined)[] => check(text).diagnostics.map(({ hint }) => hint);

function configOf(text: string): Config {
  const { config, diagnostics } = check(text);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return config!;
}

const TWO = `locations:
  - { name: a, type: local, path: /a }
  - { name: b, type: network, mount_path: /b, purpose: backup }
`;

describe("storage.yaml, read", () => {
  it("fills in the defaults of the contract", () => {
    const config = configOf(TWO);
    expect(config.settings).toEqual({
      state: "/etc/media/.stowage",
      timezone: "UTC",
      transfer: { concurrency: 8, retries: 5 },
      settle: 120_000,
      planTtl: 86_400_000,
    });
    expect(config.safety).toEqual({
      minCopies: 1,
      verify: "content",
      trash: 30 * 86_400_000,
      maxDelete: { files: 500, percent: 10 },
      maxShrink: 0.5,
    });
    expect(config.locations[1]).toEqual({
      name: "b",
      type: "network",
      root: "/b",
      windows: [],
      allowUnconditionalDelete: false,
      priority: 0,
      purpose: ["backup"],
      capacity: {},
      exclude: [],
      domain: "b",
      readOnly: false,
      status: "active",
      line: 3,
      order: 1,
    });
  });

  it("finds paths from home and from its own folder", () => {
    const config = configOf(`settings: { state: ./run }
locations:
  - { name: home, type: local, path: "~" }
  - { name: below, type: local, path: "../x" }
  - { name: env, type: local, path: "\${NAS}/x" }
  - { name: default, type: local, path: "\${UNSET:-/srv/x}" }
  - { name: empty, type: local, path: "\${EMPTY:-~/../y}" }
`);
    expect(config.settings.state).toBe("/etc/media/run");
    expect(config.locations.map(({ root }) => root)).toEqual([
      "/home/ada",
      "/etc/x",
      "/mnt/nas/x",
      "/srv/x",
      "/home/y",
    ]);
  });

  it("keeps its own state out of a location that contains it", () => {
    const config = configOf("locations: [{ name: here, type: local, path: . }]");
    expect(config.locations[0]!.exclude).toEqual([
      { glob: "/.stowage/**", re2: "(?s)\\.stowage/.*", prefix: ".stowage/" },
    ]);
  });

  it("puts variables into texts only, once, and never parses what they hold", () => {
    const env = { ...ENV, A: "${NAS}", B: "[x, y]", C: "1", D: "# no comment" };
    const { config, diagnostics } = check(
      `locations:\n  - name: "\${A}$$x $$\${C} $y"\n    type: local\n    path: /a\n    purpose: ["\${B}", "\${D}"]\n`.replace(
        "${A}",
        "A${NOPE:-}",
      ),
      env,
    );
    expect(diagnostics).toEqual([]);
    expect(config!.locations[0]).toMatchObject({ name: "A$x $1 $y", purpose: ["[x, y]", "# no comment"] });
  });

  it("compiles rules with the defaults of their action", () => {
    const config = configOf(`${TWO}rules:
  - { match: { path: "/legal/**" }, action: keep }
  - { name: c, match: {}, action: copy, destination: b, continue: true }
  - { match: { age: ">30d" }, action: move, from: a, destination: [b], key: "{project|none}/{filename}", on_conflict: rename }
  - { match: { ext: tmp }, action: delete, allow_last_copy: true }
  - default: a
`);
    expect(
      config.rules.map(({ name, line, action, place, destination }) => [name, line, action, place, destination]),
    ).toEqual([
      ["rule-1", 5, "keep", "content", []],
      ["c", 6, "copy", "content", ["b"]],
      ["rule-3", 7, "move", "key", ["b"]],
      ["rule-4", 8, "delete", "content", []],
    ]);
    expect(config.rules[2]).toMatchObject({ from: ["a"], onConflict: "rename" });
    expect(config.rules[3]).toMatchObject({ allowLastCopy: true });
    expect(config.rules[3]).not.toHaveProperty("from");
    expect(config.default).toEqual({ location: "a", line: 9 });
  });

  it("compiles every matcher", () => {
    const leaf = (match: string): unknown => compileMatch(JSON.parse(match));
    expect(leaf("{}")).toEqual({ op: "all", of: [] });
    expect(leaf('{"ext":[".JPG","png"]}')).toMatchObject({
      op: "any",
      of: [{ op: "text", field: "ext", pattern: { re2: "(?s)jpg" }, source: ".JPG" }, { pattern: { re2: "(?s)png" } }],
    });
    expect(leaf('{"type":"Image/*"}')).toMatchObject({ field: "type", pattern: { re2: "(?s)image/.*" } });
    expect(leaf('{"attr.take":">=3"}')).toMatchObject({
      op: "range",
      field: { attr: "take" },
      range: { min: { value: 3, inclusive: true } },
    });
    expect(leaf('{"attr.take":"1..3"}')).toMatchObject({ op: "range" });
    expect(leaf('{"attr.take":3}')).toMatchObject({ op: "range", range: { min: { value: 3 }, max: { value: 3 } } });
    expect(leaf('{"attr.take":"a*"}')).toMatchObject({ op: "text", field: { attr: "take" } });
    expect(leaf(`{"sha256":"sha256:${"AB".repeat(32)}"}`)).toMatchObject({
      field: "sha256",
      pattern: { glob: "ab".repeat(32) },
    });
    expect(leaf('{"sha256":"ab*"}')).toMatchObject({ pattern: { re2: "(?s)ab.*" } });
    expect(leaf('{"not":[{"name":"a"},{"name":"b"}]}')).toMatchObject({ op: "not", of: { op: "any" } });
    expect(leaf('{"all":[{"name":"a"},{"size":">1KB"}]}')).toMatchObject({
      op: "all",
      of: [
        { op: "glob", field: "name" },
        { op: "range", field: "size" },
      ],
    });
    expect(() => leaf('{"naem":"a","size":"1K"}')).toThrow(
      /unknown key "naem"\. Did you mean "name"\?\n"1K" is ambiguous/,
    );
    expect(() => leaf('"x"')).toThrow("must be a mapping");
  });

  it("inlines sets that use each other", () => {
    const config = configOf(`${TWO}sets:
  hero: { any: [{ set: big }, { project: hero }] }
  big: { size: ">1GB" }
rules:
  - { match: { set: hero }, action: keep }
`);
    expect(config.rules[0]!.match).toMatchObject({
      op: "set",
      name: "hero",
      of: { op: "any", of: [{ op: "set", name: "big" }, {}] },
    });
    expect(config.sets.map(({ name, line }) => [name, line])).toEqual([
      ["hero", 5],
      ["big", 6],
    ]);
  });

  it("compiles the rules under locations behind those of the file, by descending priority (S8)", () => {
    const config = configOf(`settings: { placement_action: move }
locations:
  - { name: cold, type: local, path: /c, priority: 25, rules: [{ min_age_days: 180 }] }
  - name: Fast SSD
    type: local
    path: /f
    config: { priority: 100 }
    rules:
      - { max_age_days: 30, include_types: [image/jpeg, video] }
      - { min_size_bytes: 5, max_size_bytes: 10, exclude_types: audio }
rules:
  - { match: { name: x }, action: keep }
  - default: cold
`);
    expect(config.rules.map(({ name, action, destination, line }) => [name, action, destination, line])).toEqual([
      ["rule-1", "keep", [], 12],
      ["Fast SSD placement", "move", ["Fast SSD"], 8],
      ["cold placement", "move", ["cold"], 3],
    ]);
    expect(config.rules[2]!.match).toEqual({
      op: "range",
      field: "age",
      range: { min: { value: 180 * 86_400_000, inclusive: true } },
      source: ">=180d",
    });
    expect(config.rules[1]!.match).toMatchObject({
      op: "any",
      of: [
        {
          op: "all",
          of: [
            { field: "age", range: { max: { inclusive: true } } },
            { op: "any", of: [{ field: "type" }, { field: "media_type" }] },
          ],
        },
        { op: "all", of: [{ field: "size", range: { min: { value: 5 }, max: { value: 10 } } }, { op: "not" }] },
      ],
    });
  });

  it("takes storage: around everything", () => {
    expect(configOf(`storage:\n  ${TWO.trimEnd().replaceAll("\n", "\n  ")}\n`).locations).toHaveLength(2);
  });

  it("reads a byte order mark, CRLF, aliases, block scalars and YAML 1.2 words", () => {
    const config = configOf(
      '\ufeffversion: 1\r\nlocations:\r\n  - &one { name: yes, type: local, path: /a, purpose: &p [on, "0o7"] }\r\n  - name: no\r\n    type: local\r\n    path: >-\r\n      /b\r\n    purpose: *p\r\n'.replace(
        "\ufeff",
        "",
      ),
    );
    expect(config.locations.map(({ name, root, purpose }) => [name, root, purpose])).toEqual([
      ["yes", "/a", ["on", "0o7"]],
      ["no", "/b", ["on", "0o7"]],
    ]);
  });
});

describe("storage.yaml, refused", () => {
  it("reports everything at once, with line and column and what was meant", () => {
    const text = `versoin: 1
settings: { settle: 5m, timezone: Mars/Olympus }
locations:
  - { name: a, type: s3, bucket: b, path: x }
  - { name: b, type: lokal, path: /b }
  - { name: c, type: local, path: /c, priority: high, statsu: active }
  - { type: local, path: /d }
rules:
  - { match: { size: 1K, media_type: vido }, action: move, destination: dd }
  - { match: { nmae: x }, action: copyy }
  - { action: keep }
`;
    expect(found(text)).toEqual([
      '1:1 UNKNOWN_KEY unknown key "versoin"',
      '2:21 BAD_VALUE "5m" is ambiguous',
      '2:35 WRONG_VALUE there is no time zone "Mars/Olympus"',
      '4:34 WRONG_VALUE "b" is no name of a bucket',
      '4:37 WRONG_KEY an s3 location has its files in "bucket"',
      '5:22 WRONG_VALUE "type" must be local, network, s3, gcs, azure, supabase or plugin, not "lokal"',
      '6:49 WRONG_TYPE "priority" must be a whole number, not the text "high"',
      '6:55 UNKNOWN_KEY unknown key "statsu"',
      '7:5 MISSING_KEY the location needs "name"',
      '9:22 BAD_VALUE "1K" is ambiguous',
      '9:38 UNKNOWN_VALUE there is no media_type "vido"',
      '9:73 UNKNOWN_LOCATION there is no location "dd"',
      '10:16 UNKNOWN_KEY unknown key "nmae"',
      '10:35 WRONG_VALUE "action" must be keep, copy, move or delete, not "copyy"',
      '11:5 MISSING_KEY the rule needs "match"',
    ]);
    expect(hints(text).filter((hint) => hint?.startsWith("Did you mean"))).toEqual([
      'Did you mean "version"?',
      'Did you mean "local"?',
      'Did you mean "status"?',
      'Did you mean "video"?',
      'Did you mean "name"?',
      'Did you mean "copy"?',
    ]);
  });

  it.each([
    ["an empty file", "", ["1:1 WRONG_TYPE the file is empty"]],
    ["only comments", "# nothing\n", ["1:1 WRONG_TYPE the file is empty"]],
    ["a list", "- a\n", ["1:1 WRONG_TYPE storage.yaml must be a mapping"]],
    ["no locations", "version: 1\n", ['1:1 MISSING_KEY storage.yaml needs "locations"']],
    ["empty locations", "locations: []\n", ['1:12 WRONG_VALUE "locations" is empty']],
    ["another version", `version: 2\n${TWO}`, ["1:10 WRONG_VALUE version 2 is not known"]],
    ["two documents", `${TWO}---\na: 1\n`, ["4:1 YAML the file has more than one YAML document; only one is read"]],
    ["a key twice", `${TWO}rules: []\nrules: []\n`, ['5:1 DUPLICATE_KEY the key "rules" is there twice']],
    [
      "a merge key",
      "locations:\n  - &a { name: a, type: local, path: /a }\n  - { <<: *a, name: b, type: local, path: /b }\n",
      ["3:7 YAML merge keys (<<) are not part of YAML 1.2"],
    ],
    ["an unknown anchor", "locations: *x\n", ["1:12 YAML there is no anchor &x before this"]],
    ["YAML 1.1", `%YAML 1.1\n---\n${TWO}`, ["1:1 YAML storage.yaml is YAML 1.2"]],
    [
      "a variable that is not set",
      'locations:\n  - { name: a, type: local, path: "/x/${NOPE}" }\n',
      ["2:39 VARIABLE the variable NOPE is not set"],
    ],
    [
      "a variable with a message",
      'locations:\n  - { name: a, type: local, path: "${NOPE:?mount the NAS}" }\n',
      ["2:36 VARIABLE the variable NOPE is not set: mount the NAS"],
    ],
    [
      "an empty variable that is needed",
      "locations:\n  - name: a\n    type: local\n    path: ${EMPTY:?x}\n",
      ["4:11 VARIABLE the variable EMPTY is not set: x"],
    ],
    [
      "an unclosed variable",
      "locations:\n  - name: a\n    type: local\n    path: x${NAS\n",
      ["4:12 VARIABLE ${ has no }"],
    ],
    [
      "a variable that is no name",
      "locations:\n  - name: a\n    type: local\n    path: ${a b}\n",
      ["4:11 VARIABLE ${a b} is no variable"],
    ],
    [
      "a number from a variable",
      "locations:\n  - name: a\n    type: local\n    path: /a\n    priority: ${PRIO}\n",
      ['5:15 WRONG_TYPE "priority" must be a whole number, not the text "7"'],
    ],
    [
      "names that differ in case only",
      "locations:\n  - { name: nas, type: local, path: /a }\n  - { name: NAS, type: local, path: /b }\n",
      ['3:13 DUPLICATE_NAME there are two locations "NAS", but for upper and lower case'],
    ],
    [
      "a name with a colon",
      "locations:\n  - { name: 'a:b', type: local, path: /a }\n",
      ['2:13 BAD_NAME the name "a:b" contains ":" or "/"'],
    ],
    [
      "a name with a control character",
      'locations:\n  - { name: "a\\e[1m", type: local, path: /a }\n',
      ["2:13 BAD_NAME the name of the location contains control characters"],
    ],
    [
      "one directory twice",
      "locations:\n  - { name: a, type: local, path: /a }\n  - { name: b, type: local, path: /x/../a/ }\n",
      ['3:35 SAME_ROOT "b" and "a" are the same directory'],
    ],
    [
      "a location in a location",
      "locations:\n  - { name: a, type: local, path: /a/b }\n  - { name: b, type: local, path: /a }\n",
      ['3:35 NESTED_ROOT "a" lies inside of "b"'],
    ],
    [
      "a location in the state directory",
      "settings: { state: /s }\nlocations:\n  - { name: a, type: local, path: /s/x }\n",
      ['3:35 NESTED_ROOT "a" lies inside of the state directory'],
    ],
    [
      "path for a network location",
      "locations:\n  - { name: a, type: network, path: /a }\n",
      ['2:31 WRONG_KEY a network location has its directory in "mount_path"'],
    ],
    [
      "a bare ~, which YAML takes for nothing",
      "locations:\n  - { name: a, type: local, path: ~ }\n",
      ['2:35 WRONG_TYPE "path" must be a text, not nothing'],
    ],
    [
      "a location with errors, which is known by name all the same",
      "locations:\n  - { name: a, type: tape }\nrules: [{ default: a }]\n",
      ['2:22 WRONG_VALUE "type" must be local, network, s3, gcs, azure, supabase or plugin, not "tape"'],
    ],
    ["no directory", "locations:\n  - { name: a, type: local }\n", ['2:5 MISSING_KEY the location "a" needs "path"']],
    [
      "a cycle of sets",
      `${TWO}sets:\n  x: { set: y }\n  y: { not: { set: x } }\nrules: [{ match: { set: x }, action: keep }]\n`,
      ['6:20 SET_CYCLE the set "x" contains itself: x -> y -> x'],
    ],
    [
      "an unknown set",
      `${TWO}sets:\n  hero: { name: x }\nrules: [{ match: { set: [hero, heor] }, action: keep }]\n`,
      ['6:32 UNKNOWN_SET there is no set "heor"'],
    ],
    [
      "continue elsewhere than on copy",
      `${TWO}rules: [{ match: {}, action: move, destination: b, continue: true }]\n`,
      ['4:52 WRONG_KEY "continue" is for copy, not for move'],
    ],
    [
      "a destination for keep",
      `${TWO}rules: [{ match: {}, action: keep, destination: b }]\n`,
      ['4:36 WRONG_KEY "destination" is for copy and move, not for keep'],
    ],
    [
      "no destination for copy",
      `${TWO}rules: [{ match: {}, action: copy }]\n`,
      ['4:9 MISSING_KEY a rule with action copy needs "destination"'],
    ],
    [
      "allow_last_copy on a move",
      `${TWO}rules: [{ match: {}, action: move, destination: b, allow_last_copy: true }]\n`,
      ['4:52 WRONG_KEY "allow_last_copy" is for delete, not for move'],
    ],
    [
      "a destination twice",
      `${TWO}rules: [{ match: {}, action: copy, destination: [b, b] }]\n`,
      ['4:53 DUPLICATE_NAME "b" is there twice'],
    ],
    [
      "a rule behind the default",
      `${TWO}rules: [{ default: a }, { match: {}, action: keep }]\n`,
      ["4:9 DEFAULT_NOT_LAST `default` must be the last rule"],
    ],
    [
      "two defaults",
      `${TWO}rules: [{ default: a }, { default: b }]\n`,
      ["4:9 DEFAULT_NOT_LAST `default` must be the last rule", "4:25 TWO_DEFAULTS there are two defaults"],
    ],
    ["keys beside default", `${TWO}rules: [{ default: a, match: {} }]\n`, ['4:23 UNKNOWN_KEY unknown key "match"']],
    [
      "two rules of one name",
      `${TWO}rules: [{ name: r, match: {}, action: keep }, { name: r, match: {}, action: keep }]\n`,
      ['4:55 DUPLICATE_NAME there are two rules "r"'],
    ],
    [
      "a template with a typing error",
      `${TWO}rules: [{ match: {}, action: move, destination: b, key: "{flename}" }]\n`,
      ["4:57 BAD_TEMPLATE unknown field {flename}"],
    ],
    [
      "a glob that is none",
      `${TWO}rules: [{ match: { path: ["ok", "a[b"] }, action: keep }]\n`,
      ["4:33 BAD_GLOB mismatched [ and ]"],
    ],
    ["an empty list", `${TWO}rules: [{ match: { path: [] }, action: delete }]\n`, ['4:26 WRONG_VALUE "path" is empty']],
    [
      "a requirement of nothing",
      `${TWO}require: [{ match: {} }]\n`,
      ['4:11 MISSING_KEY the requirement needs "copies" or "domains"'],
    ],
    [
      "a text that YAML makes a number",
      `${TWO}rules: [{ match: { project: 2024 }, action: keep }]\n`,
      ['4:29 WRONG_TYPE "project" must be a text or a list, not 2024'],
    ],
    [
      "what comes later",
      `${TWO}rules: [{ match: { created: x }, action: keep }]\npolicies: []\n`,
      [
        '4:20 UNSUPPORTED "created" is not supported by this version',
        '5:1 UNSUPPORTED "policies" is not supported by this version',
      ],
    ],
    [
      "a type of file that is none",
      "locations:\n  - name: a\n    type: local\n    path: /a\n    rules: [{ include_types: [imgae] }]\n",
      ['5:30 BAD_VALUE "imgae" is no type of file'],
    ],
    [
      "a location that nothing is",
      `${TWO}rules: [{ match: { location: nass, type: video }, action: keep }]\n`,
      ['4:30 UNKNOWN_LOCATION there is no location "nass"', '4:42 UNKNOWN_VALUE "video" is no MIME type'],
    ],
  ])("%s", (_name, text, expected) => expect(found(text)).toEqual(expected));

  it.each([
    [
      "a destination that is read-only",
      "locations:\n  - { name: a, type: local, path: /a, read_only: true }\nrules: [{ default: a }]\n",
      ['3:20 warning READ_ONLY "a" is read_only: nothing can be put there'],
    ],
    [
      "a destination that is draining",
      "locations:\n  - { name: a, type: local, path: /a, status: draining }\nrules: [{ default: a }]\n",
      ['3:20 warning NOT_ACTIVE "a" is draining: nothing is put there'],
    ],
    [
      "an attribute that no layout names",
      "locations:\n  - { name: a, type: local, path: /a, layout: '{shot}/**' }\nrules: [{ match: { attr.shto: x, project: y }, action: keep }]\n",
      [
        "3:20 warning NEVER_KNOWN no location's layout names {shto}: attr.shto is never known",
        "3:34 warning NEVER_KNOWN no location's layout names {project}: project is never known",
      ],
    ],
    [
      "a key that no file can have",
      `${TWO}rules: [{ match: {}, action: move, destination: b, key: "{project}/{attr.x|none}/{filename}" }]\n`,
      ["4:57 warning NEVER_KNOWN no location's layout names {project}: project is never known"],
    ],
    [
      "a set without use",
      `${TWO}sets: { big: { size: ">1GB" } }\n`,
      ['4:9 warning UNUSED_SET no rule uses the set "big"'],
    ],
    [
      "one key for all",
      `${TWO}rules: [{ match: {}, action: move, destination: b, key: "x/{ext}" }]\n`,
      ["4:57 warning ONE_KEY this key is the same for many files: they will be in conflict"],
    ],
    [
      "an age that nothing has",
      `${TWO}rules: [{ match: { age: 30d }, action: keep }]\n`,
      ["4:25 warning NEVER_EQUAL hardly any file has age equal to 30d, to the millisecond"],
    ],
    [
      "min_copies that can not be",
      `safety: { min_copies: 3 }\n${TWO}`,
      ["1:23 warning IMPOSSIBLE_NOW min_copies is 3, but there are only 2 locations"],
    ],
    [
      "copies that can not be now",
      "locations:\n  - { name: a, type: local, path: /a }\n  - { name: b, type: local, path: /b, status: offline }\nrequire: [{ match: {}, domains: 2 }]\n",
      ["4:33 warning IMPOSSIBLE_NOW 2 domains are required, but there is 1 active domain"],
    ],
    [
      "more copies than locations",
      `${TWO}require: [{ match: {}, copies: 3 }]\n`,
      ["4:32 warning IMPOSSIBLE 3 copies are required, but there are 2 active locations"],
    ],
  ])("warns of %s, and goes on", (_name, text, expected) => {
    expect(found(text)).toEqual(expected);
    expect(check(text).config).toBeDefined();
  });

  it("says what to do about ${…} between braces", () => {
    expect(hints("locations:\n  - { name: a, type: local, path: ${NAS} }\n")[0]).toContain("needs quotes");
  });

  it("takes a secret for a path only, because all else is shown", () => {
    expect(found('locations:\n  - { name: "${API_KEY}", type: local, path: "/x/${API_KEY}" }\n')).toEqual([
      "2:13 SECRET the variable API_KEY is named like a secret, and a value here would be shown in plans",
      "2:46 warning SECRET the variable API_KEY is named like a secret, but paths are shown in plans",
    ]);
  });

  it("shows a bounded number of findings, and says when there are more", () => {
    const { diagnostics } = check(`${TWO}${Array.from({ length: 300 }, (_, index) => `x${index}: 1\n`).join("")}`);
    expect(diagnostics).toHaveLength(200);
    expect(diagnostics.at(-1)).toMatchObject({ code: "MORE", severity: "error" });
  });

  it("never shows the value of a secret", () => {
    const text = `locations:
  - name: "\${API_KEY}/x"
    type: local
    path: "/\${API_KEY}"
  - name: b
    type: "\${API_KEY}"
    path: /\${API_KEY}/b
    priority: "\${API_KEY}"
rules:
  - { match: { size: "\${API_KEY}", ext: "[\${API_KEY}", media_type: "\${API_KEY}" }, action: keep }
  - { match: {}, action: copy, destination: "\${API_KEY}", key: "{\${API_KEY}}" }
`;
    const shown = JSON.stringify(check(text).diagnostics);
    expect(check(text).diagnostics.length).toBeGreaterThan(6);
    expect(shown.toLowerCase()).not.toContain(ENV.API_KEY.toLowerCase());
    expect(shown).toContain("${API_KEY}");
  });
});

describe("what is too much for a storage.yaml is refused before it is parsed", () => {
  const deep = (open: string, close: string, count: number): string => `a: ${open.repeat(count)}${close.repeat(count)}`;
  it.each([
    ["lists in lists", deep("[", "]", 5000)],
    ["mappings in mappings", deep("{a: ", "}", 5000)],
    ["dashes in one line", "- ".repeat(5000)],
    ["question marks in one line", "? ".repeat(5000)],
    ["indentation", Array.from({ length: 300 }, (_, level) => `${" ".repeat(level)}a:`).join("\n")],
    ["brackets that quotes seem to close", 'a: [ "]", '.repeat(100)],
    ["brackets behind a comment that seems to close them", "[ # ]]]]]\n".repeat(100)],
    ["brackets beside a quote in a word", "a: [it's, [".repeat(100)],
  ])("%s", (_name, text) =>
    expect(found(text)).toEqual([expect.stringMatching(/^\d+:\d+ TOO_DEEP this is nested more than 64 levels deep$/)]));

  it.each([
    ["brackets in a block text", `x: |\n  ${"[".repeat(200)}\n`],
    ["brackets in quotes and comments", `${'x: "[[[[[[[[[["\n# {{{{{{{{\n'.repeat(30)}`],
    ["brackets in a plain text", `x: a${"[".repeat(200)}\n`],
  ])("but not %s", (_name, text) => expect(found(text).join()).not.toContain("TOO_DEEP"));

  it.each([
    ["more than a MiB", "#".repeat(1024 * 1024 + 1), "1:1 TOO_LARGE the file is larger than 1 MiB"],
    [
      "a control character",
      "version: 1\nx: \u0007\n",
      "2:4 CONTROL_CHARACTER the file contains a control character (0x07)",
    ],
    [
      "an alias bomb",
      `a: &a [x, x, x, x, x, x, x, x]\n${[..."bcdefgh"].map((name, index) => `${name}: &${name} [${Array(8).fill(`*${"abcdefg"[index]}`).join(", ")}]`).join("\n")}\n`,
      "aliases make this too large",
    ],
    ["an alias of itself", "a: &a [*a]\n", "aliases make this too large"],
  ])("%s", (_name, text, expected) => expect(found(text).join("\n")).toContain(expected));

  it("looks at a long file of anything in bounded time, and shows a bounded number of findings", () => {
    for (const text of [
      "- x\n",
      "a: b\n",
      "[",
      "a",
      "- - -\n",
      '"',
      "? a\n",
      "&a *a ",
      "[,",
      "#x\n",
      "a:\n b\n",
      "{a: 1}, ",
      "${A} ",
    ].map((part) => part.repeat(Math.floor((1024 * 1024) / part.length / 12)))) {
      const started = performance.now();
      expect(check(text).diagnostics.length).toBeLessThanOrEqual(200);
      expect(performance.now() - started).toBeLessThan(10_000);
    }
  });
});

describe("the digest is of the meaning", () => {
  const digest = (text: string, env = ENV as Record<string, string>): string => {
    const { config, diagnostics } = check(text, env);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    return config!.digest;
  };
  const rule = (match: string): string =>
    `${TWO}rules:\n  - { name: r, match: ${match}, action: copy, destination: b }\n`;

  it.each([
    ["comments and blank lines", rule('{ age: ">1d" }'), `# hello\n\n${rule('{ age: ">1d" }')}\n# bye\n`],
    [
      "the order of keys",
      rule('{ age: ">1d", name: x }'),
      `${TWO}rules:\n  - action: copy\n    destination: [b]\n    match: { name: [x], age: "> 24h" }\n    name: r\n`,
    ],
    [
      "a set's name",
      `${TWO}sets: { s: { name: x } }\nrules: [{ name: r, match: { set: s }, action: keep }]\n`,
      `${TWO}rules: [{ name: r, match: { name: x }, action: keep }]\n`,
    ],
    [
      "written defaults",
      TWO,
      `version: 1\nsafety: { trash: 30d, max_delete: { files: 500 } }\nsettings: { settle: 120s }\n${TWO}`,
    ],
    ["another unit", rule('{ size: ">1KB" }'), rule('{ size: ">1000" }')],
    ["the memory that may be used", TWO, `settings: { memory: 512MiB }\n${TWO}`],
  ])("%s do not change it", (_name, one, other) => expect(digest(one)).toBe(digest(other)));

  it.each([
    ["a bound", rule('{ age: ">1d" }'), rule('{ age: ">=1d" }')],
    ["a glob", rule('{ path: "*.jpg" }'), rule('{ path: "*.jpeg" }')],
    [
      "the order of rules",
      `${TWO}rules: [{ name: a, match: {}, action: keep }, { name: b, match: {}, action: delete }]\n`,
      `${TWO}rules: [{ name: b, match: {}, action: delete }, { name: a, match: {}, action: keep }]\n`,
    ],
    ["a root", TWO, TWO.replace("/b", "/c")],
    ["any or all", rule("{ any: [{ name: x }, { name: y }] }"), rule("{ all: [{ name: x }, { name: y }] }")],
  ])("%s changes it", (_name, one, other) => expect(digest(one)).not.toBe(digest(other)));

  it("the value of a secret does not change it, that of another variable does", () => {
    const text = 'locations:\n  - { name: a, type: local, path: "/x/${MY_TOKEN}/${OTHER}" }\n';
    const one = digest(text, { MY_TOKEN: "one", OTHER: "x" });
    expect(digest(text, { MY_TOKEN: "two", OTHER: "x" })).toBe(one);
    expect(digest(text, { MY_TOKEN: "one", OTHER: "y" })).not.toBe(one);
    expect(check(text, { MY_TOKEN: "one", OTHER: "x" }).config!.locations[0]!.root).toBe("/x/one/x");
  });
});

interface Schema {
  description?: string;
  $ref?: string;
  pattern?: string;
  properties?: Record<string, Schema>;
  $defs: Record<string, Schema>;
}

function accepts(parse: (text: string) => number, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("files", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "stowage-config-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, bytes: string | Buffer): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  it.each([
    ["a missing file", () => join(folder, "none.yaml"), "CONFIG_MISSING", 1],
    ["a directory", () => folder, "CONFIG_UNREADABLE", 1],
    ["invalid UTF-8", () => write("bad.yaml", Buffer.from("version: 1\nx: \xff\xfe\n", "latin1")), "ENCODING", 2],
    ["UTF-16", () => write("utf16.yaml", Buffer.from("\ufeffversion: 1\n", "utf16le")), "ENCODING", 1],
    ["a huge file", () => write("huge.yaml", Buffer.alloc(3 * 1024 * 1024, "#")), "TOO_LARGE", 1],
    ["a binary file", () => write("bin.yaml", Buffer.alloc(1000)), "CONTROL_CHARACTER", 1],
  ])("%s is a finding, never an exception", async (_name, file, code, line) => {
    const { config, diagnostics } = await checkConfig(file());
    expect(config).toBeUndefined();
    expect(diagnostics).toMatchObject([{ code, line, severity: "error" }]);
  });

  it("loadConfig gives the meaning, or throws every error as file:line:column", async () => {
    const good = write("good.yaml", `\ufeff${TWO}`);
    expect((await loadConfig(good)).file).toBe(good);
    const bad = write("storage.yaml", `locations:\n  - { name: a, type: local, path: a, colour: red }\nruels: []\n`);
    await expect(loadConfig(bad)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `${bad}:2:38: unknown key "colour"\n${bad}:3:1: unknown key "ruels". Did you mean "rules"?`,
    });
  });

  it("has a sound schema that describes everything", () => {
    const schema = JSON.parse(readFileSync("schema/storage.schema.json", "utf8")) as Schema;
    expect(() =>
      new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true }).compile(schema),
    ).not.toThrow();
    const silent = Object.values(schema.$defs).flatMap((definition) =>
      Object.entries(definition.properties ?? {}).flatMap(([key, property]) => {
        const description = property.description ?? schema.$defs[property.$ref?.split("/").at(-1) ?? ""]?.description;
        return description ? [] : [key];
      }),
    );
    expect(silent).toEqual([]);
  });

  it("teaches an editor no value that is refused, and refuses none that the schema allows", () => {
    const schema = JSON.parse(readFileSync("schema/storage.schema.json", "utf8")) as Schema;
    const samples = [
      "1.5GB",
      "1K",
      "7",
      "512MiB",
      "2min",
      "5m",
      "30d",
      "0",
      "10%",
      "110",
      "x",
      "",
      "1 TB",
      "1kb",
      "3mo",
      "5MiB/s",
      "0MB/s",
      "1.5 GB/s",
      "unlimited",
      "5/s",
      "${X}",
    ];
    for (const [name, parse] of [
      ["size", parseSize],
      ["duration", parseDuration],
      ["percent", parsePercent],
      ["rate", parseRate],
    ] as const) {
      const pattern = new RegExp(schema.$defs[name]!.pattern!, "u");
      for (const sample of samples.filter((each) => !each.includes("${")))
        expect(`${name} ${sample} ${pattern.test(sample)}`).toBe(`${name} ${sample} ${accepts(parse, sample)}`);
      expect(pattern.test("${X}")).toBe(true);
    }
  });

  it("keeps the types and the schema together: `npm run types`", () => {
    expect(() => execFileSync(process.execPath, ["bin/generate-types.js", "--check"], { stdio: "pipe" })).not.toThrow();
  });
});
