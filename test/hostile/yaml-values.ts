/** A storage.yaml that uses most of the language: what the broken ones are made of. */
export const GOOD = `version: 1
settings:
  state: .stowage
  timezone: Europe/Berlin
  settle: 2min
  transfer: { concurrency: 8, retries: 5, bandwidth: { "08:00": 5MiB/s, "22:00": unlimited } }
safety: { min_copies: 2, verify: content, trash: 30d, max_delete: { files: 500, percent: 10 }, max_shrink: 50% }
locations:
  - name: primary
    type: local
    path: "\${MEDIA_HOME:-./library}"
    priority: 100
    purpose: [inbox, organized]
    layout: "{project}/**"
    capacity: { max: 2TB, keep_free: 10% }
    exclude: ["*.tmp", "/.cache/**"]
  - { name: nas, type: network, mount_path: /mnt/nas, priority: 50, purpose: [backup], domain: home, windows: ["22:00-06:00"] }
  - name: cloud
    type: s3
    bucket: my-archive
    prefix: images/
    region: us-west-2
    endpoint: https://s3.example.com
    storage_class: STANDARD_IA
    credentials: { access_key_id: "\${KEY_ID}", secret_access_key: "\${SECRET}" }
    verify: { every: 90d, method: checksum }
sets:
  hero: { any: [ { tags: { any: [hero, featured] } }, { stars: ">=4" } ] }
  good: { set: hero }
rules:
  - { name: legal, match: { path: "/legal/**" }, action: keep }
  - { name: deliver, match: { project: "client-*", tags.contains: deliverable }, action: copy, destination: [nas, cloud], continue: true }
  - name: old-videos
    match: { media_type: video, age: ">30d", size: "1MB..5GB", not: { set: good } }
    action: move
    from: [primary]
    destination: nas
    key: "{project|unsorted}/{modified:%Y/%m}/{filename}"
    on_conflict: rename
  - { name: scratch, match: { name: "{a,b}*.{{[a-z]+}}", modified: "<2024-01-31" }, action: delete, allow_last_copy: true }
  - default: primary
require:
  - { name: three, match: { set: hero }, copies: 3, domains: 2 }
`;

/** Values in the place of others: no field takes all of them, and most take none. */
export const WRONG: readonly string[] = [
  ...["null", "~", "true", "-1", "0", "1e400", "-0", ".nan", ".inf", "0x7fffffffffffffff", "99999999999999999999"],
  ...[
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{ a: b }",
    "''",
    '" "',
    '"\\0"',
    '"\\u202e"',
    '"\\ud800"',
    '"a\\nb"',
    '"../.."',
    "/",
    "//",
  ],
  ...[
    "5m",
    "5M",
    "1.5",
    "10 GBB",
    "-3d",
    "1e9GB",
    "999999999PB",
    "1d..",
    "..1d",
    ">",
    ">>1",
    "!=3",
    "2024-13-45",
    "25:00-26:00",
  ],
  ...['"**/{"', '"[z-a]"', '"{{(a+)+$}}"', '"{{(?=x)}}"', '"{{a{1000}{1000}}}"', '"***"', '"\\\\"', '"{a,{b,{c"'],
  ...[
    '"{"',
    '"{nope}"',
    '"{path|{x}}"',
    '"{modified:%Q}"',
    '"../{filename}"',
    '"/"',
    '"{sha256:99}"',
    '"{attr.__proto__}/"',
  ],
  ...['"${"', '"${}"', '"${NOT_SET}"', '"${A:?${B}}"', '"${__proto__}"', '"${constructor}"', '"${1}"', '"$(id)"'],
  ...[
    "!!js/function 'return 1'",
    "!!python/object:os.system [id]",
    "!!binary aGk=",
    "!!set {a, b}",
    "!custom x",
    "!!timestamp 2024-01-01",
  ],
  ...[
    "*missing",
    "&a [*a]",
    "&x",
    "<<",
    "? a",
    "%TAG",
    "@x",
    "`x`",
    "|",
    ">-",
    "- - -",
    ": :",
    "{",
    "]",
    '"open',
    "'open",
  ],
  ...[
    "ftp://x",
    "http://169.254.169.254",
    "https://u:p@h/",
    "file:///etc/passwd",
    "javascript:1",
    "https://[::1",
    "http://0xa9fea9fe",
  ],
];

/** Keys beside or in the place of others. */
export const WRONG_KEYS: readonly string[] = [
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "<<", '"<<"', '""', "null", "1", "~", "y"],
  ...[
    "localtions",
    "Version",
    "pat",
    "na me",
    '"\\0"',
    '"\\u202ename"',
    "? [a]",
    "&a b",
    "*a",
    "!!str k",
    "attr.",
    "attr.__proto__",
    "attr.a.b",
  ],
];

const deep = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);
const bomb = (levels: number, width: number): string =>
  Array.from({ length: levels }, (_, level) =>
    level === 0
      ? "a0: &a0 [x]"
      : `a${level}: &a${level} [${Array(width)
          .fill(`*a${level - 1}`)
          .join(", ")}]`,
  ).join("\n");
const rule = (text: string): string => `${GOOD}`.replace("rules:\n", `rules:\n  - ${text}\n`);
const sets = (text: string): string => GOOD.replace(/sets:\n(?: {2}.*\n)+/, `sets: ${text}\n`);

/** Whole files, each wrong in a way of its own. */
export const SPECIALS: Record<string, string | Buffer> = {
  nothing: "",
  "only spaces": "   \n\n",
  "only a comment": "# hi\n",
  "a text": "hello",
  "a list": "- a\n- b\n",
  "a number": "7",
  "two documents": `${GOOD}---\n${GOOD}`,
  "an end in the middle": GOOD.replace("rules:", "...\nrules:"),
  "another version of YAML": `%YAML 1.1\n---\n${GOOD}`,
  "a directive that nobody knows": `%FOO bar\n---\n${GOOD}x: 1`,
  "UTF-16 with a mark, little endian": Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(GOOD, "utf16le")]),
  "UTF-16 without a mark": Buffer.from(GOOD, "utf16le"),
  "UTF-16, big endian": Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(GOOD, "utf16le").swap16()]),
  "UTF-32": Buffer.concat([
    Buffer.from([0xff, 0xfe, 0, 0]),
    Buffer.from([...GOOD].flatMap((c) => [c.charCodeAt(0) & 255, 0, 0, 0])),
  ]),
  "bytes that are no UTF-8": Buffer.concat([Buffer.from(GOOD), Buffer.from([0xc3, 0x28, 0xf8, 0xff])]),
  NUL: `${GOOD}\0`,
  "NUL in a name": GOOD.replace("primary", "pri\0mary"),
  "a control character": GOOD.replace("primary", "pri\x1bmary"),
  "a byte order mark in the middle": GOOD.replace("rules:", "\ufeffrules:"),
  tabs: GOOD.replaceAll("    ", "\t"),
  "a tab before a key": GOOD.replace("    type: local", "\ttype: local"),
  "old Mac line ends and more": `${GOOD.replaceAll("\n", "\r")}\rx: [`,
  "lists, 2,500 deep": `locations: ${deep("[", "]", 2500)}`,
  "mappings, 2,500 deep": `locations: ${"{a: ".repeat(2500)}1${"}".repeat(2500)}`,
  "lists, 100,000 deep": deep("[", "]", 100_000),
  "mappings never closed": "{".repeat(50_000),
  "quotes never closed": `a: "${"x".repeat(100_000)}`,
  "a block, 3,000 deep": Array.from({ length: 3000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
  "dashes, 50,000 in a line": `a: ${"- ".repeat(50_000)}x`,
  "question marks": "? ".repeat(20_000),
  "negations, 1,500 deep": rule(
    `{ name: n, match: ${"{ not: ".repeat(1500)}{ ext: a }${" }".repeat(1500)}, action: keep }`,
  ),
  "a text of 10 MB": `a: "${"x".repeat(10 << 20)}"`,
  "a line of 10 MB": "x".repeat(10 << 20),
  "a file of 64 MB": Buffer.alloc(64 << 20, "a: b\n"),
  "100,000 keys": Array.from({ length: 100_000 }, (_, index) => `k${index}: 1`).join("\n"),
  "100,000 anchors": Array.from({ length: 100_000 }, (_, index) => `k${index}: &a${index} 1`).join("\n"),
  "40,000 errors": "]\n".repeat(40_000),
  "100,000 errors": "]\n".repeat(100_000),
  "3,000 locations without a name": `locations:\n${"  - { type: local }\n".repeat(3_000)}`,
  "10,000 locations without a name": `locations:\n${"  - { type: local }\n".repeat(10_000)}`,
  "an alias bomb": `${GOOD}${bomb(12, 9)}\n`,
  "an alias bomb in a rule": GOOD.replace("sets:", `${bomb(30, 2)}\nsets:`),
  "a billion laughs": `${bomb(10, 10)}\nlocations: *a9\n`,
  "an alias of what is around it": "locations: &a [ *a ]\n",
  "an alias of what comes later": "rules: *later\nlocations: &later []\n",
  "a merge key": GOOD.replace("rules:", "base: &b { name: x }\nrules:\n  - { <<: *b, action: keep }"),
  "a set that is itself": sets("{ a: { set: a } }"),
  "two sets that are each other": sets("{ a: { set: b }, b: { not: { set: a } }, hero: { set: a }, good: { set: b } }"),
  "a circle of 500 sets": sets(
    `{ ${Array.from({ length: 500 }, (_, i) => `s${i}: { set: s${(i + 1) % 500} }`).join(", ")} }`,
  ),
  "sets that double 40 times": sets(
    `{ s0: { ext: a }, ${Array.from({ length: 40 }, (_, i) => `s${i + 1}: { any: [ { set: s${i} }, { set: s${i} } ] }`).join(", ")}, hero: { set: s40 }, good: { set: s40 }, x: 1 }`,
  ),
  "a chain of 5,000 sets": sets(
    `{ ${Array.from({ length: 5000 }, (_, i) => `s${i}: { set: s${i + 1} }`).join(", ")}, s5000: { ext: a } }`,
  ),
  "a set named __proto__ that is not there": rule("{ name: p, match: { set: __proto__ }, action: keep }"),
  "a location named constructor that is not there": rule(
    "{ name: p, match: {}, action: copy, destination: constructor }",
  ),
  "one location twice": GOOD.replace("name: nas,", "name: primary,"),
  "roots in each other": GOOD.replace("/mnt/nas", "./library/inside"),
  "a root that is the root": GOOD.replace("mount_path: /mnt/nas", "mount_path: /").replace("./library", "/library"),
  "a literal secret": GOOD.replace('"${SECRET}"', "hunter2hunter2"),
  "a pattern of 5,000 characters": rule(`{ name: g, match: { path: "${"a".repeat(5000)}" }, action: keep }`),
  "a pattern of 60 braces": rule(`{ name: g, match: { path: "${"{a,".repeat(60)}b${"}".repeat(60)}" }, action: keep }`),
  "an expression of repetitions": rule('{ name: g, match: { path: "{{((a{30}){30}){30}}}" }, action: keep }'),
  "an expression with a back reference": rule('{ name: g, match: { path: "{{(a)\\\\1}}" }, action: keep }'),
  "a template of 5,000 characters": rule(
    `{ name: t, match: {}, action: move, destination: nas, key: "${"{dir}".repeat(1000)}" }`,
  ),
  "a template that leaves the root": rule(
    '{ name: t, match: {}, action: move, destination: nas, key: "../../{filename}" }',
  ),
  "a template with a NUL": rule('{ name: t, match: {}, action: move, destination: nas, key: "a\\0{filename}" }'),
};
