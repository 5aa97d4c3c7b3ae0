import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { formatConfig } from "../src/config/format.js";
import { checkText } from "../src/config/load.js";

const FILE = "/etc/media/storage.yaml";
const ENV = { HOME: "/home/ada", AWS_ID: "AKIA-x", AWS_SECRET: "wJalr-x", SUPABASE_ANON_KEY: "eyJhb-x" };

const fmt = (text: string): string => {
  const { text: formatted, diagnostics } = formatConfig(text, FILE);
  expect(diagnostics).toEqual([]);
  return formatted;
};

/** What fmt promises for every text without errors. */
function expectFaithful(text: string): void {
  const before = checkText(text, FILE, { env: ENV });
  const { text: formatted, diagnostics } = formatConfig(text, FILE);
  if (diagnostics.length > 0) return;
  expect(formatConfig(formatted, FILE)).toEqual({ text: formatted, diagnostics: [] });
  const after = checkText(formatted, FILE, { env: ENV });
  expect(after.config?.digest).toBe(before.config?.digest);
}

/** The comments of a text, sorted: fmt may move, but never drop one. */
const comments = (text: string): string[] =>
  [...text.matchAll(/(?:^|\s)#\s?(.*)$/gm)].map((match) => match[1]!.trim()).sort();

const SEED = `# my storage
storage:
  # where files live
  locations:
    - name: "Fast SSD"
      type: "local"
      path: "~/Pictures/AI-Active"
      priority: 100  # Higher = preferred
      rules:
        # recent ones
        - max_age_days: 30  # one month

    # the slow one
    - name: "Archive HDD"
      type: "local"
      path: "/Volumes/Archive/AI"
      priority: 50
      rules:
        - min_age_days: 30
          max_age_days: 180
        - include_types: ["image/jpeg", video]
          exclude_types: [image/png]
    - name: Cold
      type: network
      config:
        # the mount
        mount_path: "/mnt/cold"  # here
      rules:
        - min_size_bytes: 104857600  # 100MB
  # what to do
  rules:
    # Rule 1
    - action: move
      match:
        media_type: video
        age: ">30d"
      destination: Cold

    # Rule 4: Default
    - default: "Fast SSD"
# the end
`;

const CANONICAL = `# my storage
version: 1

# where files live
locations:
  - name: "Fast SSD"
    type: "local"
    path: "~/Pictures/AI-Active"
    priority: 100 # Higher = preferred

  # the slow one
  - name: "Archive HDD"
    type: "local"
    path: "/Volumes/Archive/AI"
    priority: 50
  - name: Cold
    type: network
    # the mount
    mount_path: "/mnt/cold" # here

# what to do
rules:
  # Rule 1
  - match:
      media_type: video
      age: ">30d"
    action: move
    destination: Cold
  # recent ones
  # one month
  - name: Fast SSD placement
    match: { age: <=30d }
    action: copy
    destination: Fast SSD
  - name: Archive HDD placement
    match: { any: [{ age: 30d..180d }, { any: [{ type: image/jpeg }, { media_type: video }], not: { type: image/png } }] }
    action: copy
    destination: Archive HDD
  # 100MB
  - name: Cold placement
    match: { size: ">=104857600" }
    action: copy
    destination: Cold

  # Rule 4: Default
  - default: "Fast SSD"

# the end
`;

describe("fmt", () => {
  it("rewrites older spellings, orders keys and keeps every comment", () => {
    expect(fmt(SEED)).toBe(CANONICAL);
    expect(comments(CANONICAL)).toEqual(comments(SEED));
    expectFaithful(SEED);
  });

  it("leaves a canonical file as it is", () => expect(fmt(CANONICAL)).toBe(CANONICAL));

  it.each([
    [
      "the editor's modeline stays on top",
      "# yaml-language-server: $schema=x.json\nlocations: [{ path: /a, type: local, name: a }]\n",
      "# yaml-language-server: $schema=x.json\nversion: 1\n\nlocations: [{ name: a, type: local, path: /a }]\n",
    ],
    [
      "a comment moves with its key",
      "version: 1\nlocations:\n  - name: a\n    type: local\n    path: /a\nsafety:\n  # how long\n  trash: 7d # days\n  # how many\n  min_copies: 2\n",
      "version: 1\n\nsafety:\n  # how many\n  min_copies: 2\n  # how long\n  trash: 7d # days\n\nlocations:\n  - name: a\n    type: local\n    path: /a\n",
    ],
    [
      "the spelling of values stays",
      "version: 1\n\nsafety:\n  trash: '30d'\n  max_shrink: \"50%\"\n\nlocations:\n  - { name: a, type: local, path: /a, capacity: { max: 2 TB, keep_free: 1024 } }\n",
      undefined,
    ],
    [
      "variables stay",
      "version: 1\n\nlocations:\n  - name: a\n    type: local\n    path: ${MEDIA:-~/x}$$y\n    status: ${STATUS}\n",
      undefined,
    ],
    [
      "keys of a match stay in the order in which they are read",
      'version: 1\n\nlocations:\n  - { name: a, type: local, path: /a }\n\nrules:\n  - match: { size: ">1GB", path: "/x/**", age: ">1d" }\n    action: keep\n',
      undefined,
    ],
    [
      "aliases are written out",
      'version: 1\nlocations:\n  - { name: a, type: local, path: /a, exclude: &junk ["*.tmp", .DS_Store] }\n  - { name: b, type: local, path: /b, exclude: *junk } # same\n',
      'version: 1\n\nlocations:\n  - { name: a, type: local, path: /a, exclude: ["*.tmp", .DS_Store] }\n  - { name: b, type: local, path: /b, exclude: ["*.tmp", .DS_Store] } # same\n',
    ],
    [
      "CRLF and a byte order mark go",
      "\ufeffversion: 1\r\n\r\nlocations:\r\n  # one\r\n  - { name: a, type: local, path: /a }\r\n",
      "version: 1\n\nlocations:\n  # one\n  - { name: a, type: local, path: /a }\n",
    ],
    [
      "tabs and odd indentation go",
      "version: 1\nlocations:\n-   name: a\n    type:   local\n    path: /a\n",
      "version: 1\n\nlocations:\n  - name: a\n    type: local\n    path: /a\n",
    ],
    [
      "long lines are not folded",
      `version: 1\n\nlocations:\n  - { name: a, type: local, path: /a, exclude: [${Array.from({ length: 30 }, (_, index) => `pattern-${index}`).join(", ")}] }\n`,
      undefined,
    ],
    [
      "block texts stay",
      "version: 1\n\nlocations:\n  - name: a\n    type: local\n    path: |-\n      /a b\n    layout: >-\n      {project}/**\n",
      undefined,
    ],
    [
      "moves are written as moves",
      "version: 1\nsettings: { placement_action: move }\nlocations:\n  - { name: a, type: local, path: /a, rules: [{ max_age_days: 1.5 }] }\n",
      "version: 1\n\nsettings: { placement_action: move }\n\nlocations:\n  - { name: a, type: local, path: /a }\n\nrules:\n  - name: a placement\n    match: { age: <=1.5d }\n    action: move\n    destination: a\n",
    ],
    [
      "a taken name gets a number",
      "version: 1\nlocations:\n  - { name: a, type: local, path: /a, rules: [{ max_age_days: 1 }] }\nrules:\n  - { name: a placement, match: {}, action: keep }\n",
      "version: 1\n\nlocations:\n  - { name: a, type: local, path: /a }\n\nrules:\n  - { name: a placement, match: {}, action: keep }\n  - name: a placement-2\n    match: { age: <=1d }\n    action: copy\n    destination: a\n",
    ],
    [
      "older spellings of a bucket are rewritten, with their comments",
      `storage:
  locations:
    - name: "S3 Archive"
      type: "s3"
      # the bucket
      path: "my-bucket-name" # mine
      priority: 50
      config:
        # Optional: specify credentials
        aws_access_key_id: "\${AWS_ID}" # the id
        aws_secret_access_key: "\${AWS_SECRET}"
        region: "us-west-2"
        prefix: "alice/"  # Optional prefix
`,
      `version: 1

locations:
  - name: "S3 Archive"
    type: "s3"
    # the bucket
    bucket: "my-bucket-name" # mine
    prefix: "alice/" # Optional prefix
    region: "us-west-2"
    credentials:
      # Optional: specify credentials
      access_key_id: "\${AWS_ID}" # the id
      secret_access_key: "\${AWS_SECRET}"
    priority: 50
`,
    ],
    [
      "those on one line stay on one line",
      'version: 1\nlocations:\n  - { name: a, type: s3, config: { path: abc, secret_access_key: "${AWS_SECRET}", access_key_id: "${AWS_ID}" } }\n  - { name: b, type: gcs, path: abc, config: { credentials_path: ~/k.json } }\n',
      'version: 1\n\nlocations:\n  - { name: a, type: s3, bucket: abc, credentials: { access_key_id: "${AWS_ID}", secret_access_key: "${AWS_SECRET}" } }\n  - { name: b, type: gcs, bucket: abc, credentials_path: ~/k.json }\n',
    ],
    [
      "a bucket of every kind is canonical as it is",
      `version: 1

settings:
  transfer: { concurrency: 8, bandwidth: { "08:00": 5MiB/s, "22:00": unlimited } }

locations:
  - name: s3_archive
    type: s3
    bucket: my-ai-archive
    prefix: images/
    region: us-west-2
    storage_class: STANDARD_IA
    encryption: { kms_key: "\${KMS_KEY_ID:-k}" }
    priority: 25
    windows: ["22:00-06:00"]
  - { name: gcs_mirror, type: gcs, project: my-project, bucket: my-ai-mirror, purpose: [backup] }
  - { name: az, type: azure, account: media, container: pictures, credentials: { account_key: "\${AWS_SECRET}" } }
  - { name: sb, type: supabase, url: https://x.supabase.co, bucket: boards, key: "\${SUPABASE_ANON_KEY}" }
  - { name: own, type: plugin, use: vault, options: { z: 1, a: 2 } }
`,
      undefined,
    ],
    [
      "tags and stars of the rules under a location",
      "version: 1\nlocations:\n  - { name: a, type: local, path: /a, rules: [{ require_tags: [x], exclude_tags: y, min_quality_stars: 4 }] }\n",
      'version: 1\n\nlocations:\n  - { name: a, type: local, path: /a }\n\nrules:\n  - name: a placement\n    match: { tags: { all: [x], none: y }, stars: ">=4" }\n    action: copy\n    destination: a\n',
    ],
  ])("%s", (_name, text, expected) => {
    expect(fmt(text)).toBe(expected ?? text);
    expectFaithful(text);
  });

  it.each([
    ["broken YAML", "locations: [\n"],
    ["an unknown key", "locations:\n  - { name: a, type: local, path: /a, colour: red }\n"],
    [
      "a rule of a location that can not be written out",
      "locations:\n  - { name: a, type: local, path: /a, rules: [{ min_quality_stars: 4, max_quality_stars: 3 }] }\n",
    ],
    [
      "an unknown type of file",
      "locations:\n  - { name: a, type: local, path: /a, rules: [{ include_types: vidoe }] }\n",
    ],
    [
      "a secret in it",
      "locations:\n  - { name: a, type: s3, path: abc, config: { aws_secret_access_key: wJalrXUtnFEMI } }\n",
    ],
    ["nesting without end", "[".repeat(1000)],
    ["an alias of itself", "a: &a [*a]\n"],
    ["nothing", ""],
  ])("changes nothing in a file with %s, and says so", (_name, text) => {
    const result = formatConfig(text, FILE);
    expect(result.text).toBe(text);
    expect(result.diagnostics.length).toBeGreaterThan(0);
  });

  it("is faithful to every storage.yaml of the examples", () => {
    const files = readdirSync("examples", { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".yaml"),
    );
    for (const file of files) expectFaithful(readFileSync(join("examples", file), "utf8"));
  });
});

const name = fc.constantFrom("a", "b", "c c", "ä");
const days = fc.nat(1000);
const placement = fc.record(
  {
    min_age_days: fc.nat(10),
    max_age_days: fc.integer({ min: 10, max: 1000 }),
    include_types: fc.constantFrom<unknown>("video", ["image/png", "audio"], ["image/*"]),
    exclude_types: fc.constantFrom<unknown>("text", ["image/gif"]),
    min_size_bytes: fc.nat(100),
    require_tags: fc.constantFrom<unknown>("hero", ["a", "b*"]),
    exclude_tags: fc.constantFrom<unknown>("draft", ["x"]),
    min_quality_stars: fc.nat(5),
  },
  { requiredKeys: [] },
);
const match: fc.Arbitrary<object> = fc.letrec<{ match: object }>((tie) => ({
  match: fc.record(
    {
      path: fc.constantFrom<unknown>("/x/**", ["*.jpg", "a/{b,c}"]),
      age: days.map((count) => `>${count}d`),
      media_type: fc.constantFrom("video", "image"),
      project: fc.constantFrom("client-*", "# no comment", "yes", "null", "1"),
      not: fc.oneof({ maxDepth: 2 }, fc.constant({ name: "x" }), tie("match")),
      any: fc.array(fc.oneof({ maxDepth: 2 }, fc.constant({ ext: "x" }), tie("match")), { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: [] },
  ),
})).match;
const location = fc.record(
  {
    rules: fc.array(placement, { minLength: 1, maxLength: 2 }),
    priority: fc.integer({ min: -5, max: 5 }),
    purpose: fc.constantFrom<unknown>("backup", ["inbox"], ["archive", "x"]),
    config: fc.record({ domain: fc.constant("d"), exclude: fc.constant(["*.tmp"]) }, { requiredKeys: [] }),
    type: fc.constant("local"),
  },
  { requiredKeys: ["type"] },
);
const rule = fc.oneof(
  fc.record({ action: fc.constant("keep"), match }),
  fc.record({ match, destination: fc.constantFrom("a", ["a"]), action: fc.constantFrom("copy", "move") }),
);
const config = fc
  .record(
    {
      rules: fc.array(rule, { maxLength: 3 }),
      safety: fc.record(
        { trash: days.map((count) => `${count}d`), min_copies: fc.integer({ min: 1, max: 3 }) },
        { requiredKeys: [] },
      ),
      settings: fc.record(
        { placement_action: fc.constantFrom("copy", "move"), settle: fc.constant("5min") },
        { requiredKeys: [] },
      ),
      locations: fc.uniqueArray(fc.tuple(name, location), {
        minLength: 1,
        maxLength: 4,
        selector: ([unique]) => unique,
      }),
    },
    { requiredKeys: ["locations"] },
  )
  .map(({ locations, rules, ...rest }) => ({
    ...(rules ? { rules: [...rules, { default: locations[0]![0] }] } : {}),
    ...rest,
    locations: locations.map(([unique, of]) => ({ path: `/${unique}`, ...of, name: unique })),
  }));

describe("fmt, for whatever is in the file", () => {
  it("is idempotent and keeps the digest", () => {
    fc.assert(
      fc.property(config, fc.boolean(), fc.boolean(), (tree, wrapped, flow) => {
        const text = stringify(wrapped ? { storage: tree } : tree, flow ? { collectionStyle: "flow" } : {});
        const { config: meaning, diagnostics } = checkText(text, FILE, { env: ENV });
        // The first location may have another name than "a"; nothing else is ever wrong with these.
        expect(diagnostics.filter(({ severity, code }) => severity === "error" && code !== "UNKNOWN_LOCATION")).toEqual(
          [],
        );
        expectFaithful(text);
        expect(fmt(text)).not.toMatch(/storage:|config:|_days|_bytes|_types/);
        if (meaning)
          expect(checkText(fmt(text), FILE, { env: ENV }).config?.rules.map((each) => each.name)).toEqual(
            meaning.rules.map((each) => each.name),
          );
      }),
      { numRuns: 60 },
    );
  });

  it("keeps every comment, wherever it stands", () => {
    const lines = SEED.split("\n");
    fc.assert(
      fc.property(fc.nat(lines.length - 1), fc.boolean(), (at, blank) => {
        const indent = /^ */.exec(lines[at]!)![0];
        const text = [
          ...lines.slice(0, at),
          ...(blank ? [""] : []),
          `${indent}# planted ${at}`,
          ...lines.slice(at),
        ].join("\n");
        expect(comments(fmt(text))).toEqual(comments(text));
        expectFaithful(text);
      }),
    );
  });

  it("never throws, and never takes long, for any text (with checkConfig)", () => {
    const piece = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          ..."{}[],:-?#&*!|>'\"%@`~\n\t $",
          "\n  ",
          "\n- ",
          ": ",
          "a: ",
          "- ",
          "&a ",
          "*a",
          "<<: ",
          "${A}",
          "${",
          "---\n",
          "...\n",
          "%YAML 1.1\n",
          "\r\n",
          "!!str ",
          "? ",
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          "version: 1\n",
          "locations:\n",
          "  - name: a\n",
          "    type: local\n",
          "    path: /a\n",
          "rules:\n",
          "storage:\n",
          "  config: ",
          "  rules: ",
          "sets: ",
          "match: {}",
          "default: a",
          "__proto__: ",
          "constructor: ",
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 5 }) },
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }).map((parts) => parts.join("")),
        (text) => {
          const { config: meaning, diagnostics } = checkText(text, FILE, { env: {} });
          expect(meaning !== undefined || diagnostics.some(({ severity }) => severity === "error")).toBe(true);
          for (const { line, column } of diagnostics) expect(line >= 1 && column >= 1).toBe(true);
          expectFaithful(text);
        },
      ),
      { numRuns: 600 },
    );
  });
});
