import { describe, expect, it } from "vitest";
import { LOCATIONS, planned, run } from "./support/plan-cases.js";
import type { Given } from "./support/world.js";

const COPY = `  - { name: c, match: { path: "*.jpg", location: primary }, action: copy, destination: nas }\n`;
const MOVE = `  - { name: m, match: { path: "*.jpg" }, action: move, destination: archive }\n`;

describe("S2 S3 copies and moves are states", () => {
  run([
    {
      name: "copies what the destination has not",
      rules: COPY,
      files: ["primary:a.jpg A", "primary:b.txt B"],
      plan: ["+ primary:a.jpg -> nas:a.jpg"],
    },
    {
      name: "does nothing when the content is there under another name",
      rules: COPY,
      files: ["primary:a.jpg A", "nas:x/y.bin A"],
      plan: [],
    },
    { name: "moves", rules: MOVE, files: ["primary:a.jpg A"], plan: ["> primary:a.jpg -> archive:a.jpg"] },
    {
      name: "a move whose target has the content transfers nothing",
      rules: MOVE,
      files: ["primary:a.jpg A", "archive:a.jpg A"],
      plan: ["> primary:a.jpg -> archive:a.jpg (0)"],
    },
    {
      name: "S7 a move keeps every name",
      rules: MOVE,
      files: ["primary:a.jpg A", "primary:b.jpg A", "archive:a.jpg A"],
      plan: ["> primary:a.jpg -> archive:a.jpg (0)", "> primary:b.jpg -> archive:b.jpg"],
    },
    {
      name: "a move takes nothing from backups and archives",
      rules: MOVE,
      files: ["nas:a.jpg A"],
      plan: ["+ nas:a.jpg -> archive:a.jpg"],
    },
    {
      name: "a backup's own name is no wish for that name",
      rules: MOVE,
      files: ["nas:a.jpg A", "archive:z.jpg A"],
      plan: [],
    },
    {
      name: "several destinations: copies, and the last is the move",
      rules: `  - { name: m, match: {}, action: move, from: [primary], destination: [nas, archive] }\n`,
      files: ["primary:a.jpg A"],
      plan: ["+ primary:a.jpg -> nas:a.jpg", "> primary:a.jpg -> archive:a.jpg"],
    },
    {
      name: "S3 a wanted location beats an unwanted instance",
      rules: `  - { name: k, match: { path: "/k/**" }, action: copy, destination: primary }\n${MOVE}`,
      files: ["primary:a.jpg A", "nas:k/a.jpg A"],
      plan: ["+ primary:a.jpg -> archive:a.jpg", "= primary:a.jpg wanted"],
    },
    {
      name: "a rename inside a location",
      rules: `  - { name: r, match: { path: "/in/**" }, action: move, from: [primary], destination: primary, key: "out/{filename}" }\n`,
      files: ["primary:in/a.jpg A"],
      plan: ["> primary:in/a.jpg -> primary:out/a.jpg"],
    },
    {
      name: "place: content on a move is satisfied by any name",
      rules: `  - { name: m, match: { path: "*.jpg" }, action: move, destination: archive, place: content }\n`,
      files: ["primary:a.jpg A", "archive:z.bin A"],
      plan: ["> primary:a.jpg -> archive:z.bin (0)"],
    },
    {
      name: "place: content with two names puts the smallest key",
      rules: `  - { name: c, match: {}, action: copy, destination: nas }\n`,
      files: ["primary:b.jpg A", "primary:a.jpg A"],
      plan: ["+ primary:a.jpg -> nas:a.jpg"],
    },
  ]);
});

describe("S4 the first match wins", () => {
  run([
    {
      name: "keep pins",
      rules: `  - { match: { path: "/legal/**" }, action: keep }\n${MOVE}`,
      files: ["primary:legal/a.jpg A", "primary:b.jpg B"],
      plan: ["> primary:b.jpg -> archive:b.jpg"],
    },
    {
      name: "continue adds copies and lets a later rule decide",
      rules: `  - { name: add, match: {}, action: copy, destination: nas, continue: true }\n${MOVE}`,
      files: ["primary:a.jpg A"],
      plan: ["+ primary:a.jpg -> nas:a.jpg", "> primary:a.jpg -> archive:a.jpg"],
    },
    {
      name: "continue after the deciding rule adds nothing",
      rules: `${MOVE}  - { name: add, match: {}, action: copy, destination: nas, continue: true }\n`,
      files: ["primary:a.jpg A"],
      plan: ["> primary:a.jpg -> archive:a.jpg"],
    },
  ]);
});

describe("S8 default", () => {
  run([
    {
      name: "ensures an instance where nothing else decides",
      rules: `  - default: nas\n`,
      files: ["old:a.jpg A"],
      plan: ["+ old:a.jpg -> nas:a.jpg [default]"],
    },
    {
      name: "not when the content is archived",
      rules: `  - default: old\n`,
      files: ["primary:a.jpg A", "archive:b A"],
      plan: [],
    },
    {
      name: "also after continue",
      rules: `  - { match: {}, action: copy, destination: old, continue: true }\n  - default: archive\n`,
      files: ["primary:a.jpg A"],
      plan: ["+ primary:a.jpg -> old:a.jpg", "+ primary:a.jpg -> archive:a.jpg [default]"],
    },
  ]);
});

const DELETE = `  - { name: d, match: { path: "/tmp/**" }, action: delete }\n`;
describe("S6 S10 deletes and the last copy", () => {
  run([
    { name: "keeps the last copy", rules: DELETE, files: ["primary:tmp/a A"], plan: ["= primary:tmp/a min-copies"] },
    {
      name: "deletes what is elsewhere",
      rules: DELETE,
      files: ["primary:tmp/a A", "nas:x A"],
      plan: ["- primary:tmp/a"],
    },
    {
      name: "two names in one location are one copy: the smallest key stays",
      rules: DELETE,
      files: ["primary:tmp/b A", "primary:tmp/a A"],
      plan: ["- primary:tmp/b", "= primary:tmp/a min-copies"],
    },
    {
      name: "the first location in config order stays",
      rules: DELETE,
      files: ["old:tmp/a A", "primary:tmp/b A"],
      plan: ["- old:tmp/a", "= primary:tmp/b min-copies"],
    },
    {
      name: "allow_last_copy",
      rules: `  - { name: d, match: { path: "/tmp/**" }, action: delete, allow_last_copy: true }\n`,
      files: ["primary:tmp/a A"],
      plan: ["- primary:tmp/a"],
    },
    {
      name: "min_copies 2 keeps two",
      safety: "safety: { min_copies: 2 }\n",
      rules: DELETE,
      files: ["primary:tmp/a A", "old:tmp/a A", "nas:tmp/a A"],
      plan: ["- old:tmp/a", "= primary:tmp/a min-copies"],
    },
    {
      name: "min_copies 2 with two is a floor of two for a move",
      safety: "safety: { min_copies: 2 }\n",
      rules: MOVE,
      files: ["primary:a.jpg A", "old:a.jpg A"],
      plan: ["+ primary:a.jpg -> archive:a.jpg", "> old:a.jpg -> archive:a.jpg (0)", "= primary:a.jpg min-copies"],
    },
    {
      name: "hard links across locations are one copy",
      rules: DELETE,
      safety: "safety: { min_copies: 2 }\n",
      files: [
        { location: "primary", key: "tmp/a", content: "A", physical: "1:1" },
        { location: "old", key: "a", content: "A", physical: "1:1" },
        "archive:a A",
      ],
      plan: ["= primary:tmp/a min-copies"],
    },
    {
      name: "max_delete blocks the plan",
      safety: "safety: { max_delete: { files: 1, percent: 100 } }\n",
      rules: DELETE,
      files: ["primary:tmp/a A", "nas:a A", "primary:tmp/b B", "nas:b B"],
      plan: ["- primary:tmp/a", "- primary:tmp/b"],
      applyable: false,
    },
  ]);
});

const conflict = (strategy: string) =>
  `  - { name: m, match: { location: [primary, old] }, action: move, from: [primary, old], destination: archive, on_conflict: ${strategy} }\n`;
describe("S9 conflicts", () => {
  run([
    {
      name: "manual blocks the item and nothing else",
      rules: conflict("manual"),
      files: ["primary:a A", "archive:a B", "primary:c C"],
      plan: ["> primary:c -> archive:c", "! primary:a conflict"],
    },
    {
      name: "skip keeps the source",
      rules: conflict("skip"),
      files: ["primary:a A", "archive:a B"],
      plan: ["= primary:a conflict"],
    },
    {
      name: "rename",
      rules: conflict("rename"),
      files: ["primary:d/a.jpg A", "archive:d/a.jpg B"],
      plan: ["> primary:d/a.jpg -> archive:d/a~559aead0.jpg"],
    },
    {
      name: "newest: the incoming wins, the occupant goes to trash",
      rules: conflict("newest"),
      files: ["primary:a A 1d", "archive:a B 9d"],
      plan: ["- archive:a [conflict]", "> primary:a -> archive:a"],
    },
    {
      name: "newest: the occupant wins",
      rules: conflict("newest"),
      files: ["primary:a A 9d", "archive:a B 1d"],
      plan: ["= primary:a conflict"],
    },
    {
      name: "a tie is manual",
      rules: conflict("newest"),
      files: ["primary:a A 9d", "archive:a B 9d"],
      plan: ["! primary:a conflict"],
    },
    {
      name: "largest",
      rules: conflict("largest"),
      files: ["primary:a A 1d 5", "archive:a B 9d 4"],
      plan: ["- archive:a [conflict]", "> primary:a -> archive:a"],
    },
    {
      name: "primary",
      rules: conflict("primary"),
      files: ["primary:a A", "archive:a B"],
      plan: ["- archive:a [conflict]", "> primary:a -> archive:a"],
    },
    {
      name: "two incoming, manual: both are blocked",
      rules: conflict("manual"),
      files: ["primary:a A", "old:a B"],
      plan: ["! old:a conflict", "! primary:a conflict"],
    },
    {
      name: "two incoming, rename: the higher priority keeps the name",
      rules: conflict("rename"),
      files: ["primary:a A", "old:a B"],
      plan: ["> primary:a -> archive:a", "> old:a -> archive:a~df7e70e5"],
    },
    {
      name: "two incoming, skip: the first is placed",
      rules: conflict("skip"),
      files: ["primary:a A", "old:a B"],
      plan: ["> primary:a -> archive:a", "= old:a conflict"],
    },
    {
      name: "two incoming, newest",
      rules: conflict("newest"),
      files: ["primary:a A 9d", "old:a B 1d"],
      plan: ["> old:a -> archive:a", "= primary:a conflict"],
    },
    {
      name: "no trash: a loser can not go",
      safety: "safety: { trash: 0 }\n",
      rules: conflict("newest"),
      files: ["primary:a A 1d", "archive:a B 9d"],
      plan: ["! primary:a conflict"],
    },
    {
      name: "a file where a folder is needed",
      rules: conflict("rename"),
      files: ["primary:a/b A", "archive:a B"],
      plan: ["! primary:a/b conflict"],
    },
    {
      name: "an occupant that leaves is waited for",
      rules: `  - { name: out, match: { location: archive, path: "/a" }, action: move, from: [archive], destination: old, key: "x" }\n${conflict("manual")}`,
      files: ["primary:a A", "archive:a B"],
      plan: ["> archive:a -> old:x", "> primary:a -> archive:a"],
      applyable: false,
    },
    {
      name: "a swap is blocked",
      rules: `  - { name: s, match: { path: "/a" }, action: move, from: [primary], destination: primary, key: "b", on_conflict: rename }\n  - { name: t, match: { path: "/b" }, action: move, from: [primary], destination: primary, key: "a", on_conflict: rename }\n`,
      files: ["primary:a A", "primary:b B"],
      plan: ["! primary:a swap", "! primary:b swap"],
    },
    {
      name: "S15 NFC and NFD names collide",
      rules: COPY.replace("*.jpg", "**"),
      files: ["primary:\u00e9 A", "primary:e\u0301 B"],
      plan: ["! primary:e\u0301 conflict", "! primary:\u00e9 conflict"],
    },
    {
      name: "S15 case twins collide where the destination folds",
      rules: COPY.replace("*.jpg", "**"),
      facts: { nas: { features: { foldsCase: true } } },
      files: ["primary:A A", "primary:a B"],
      plan: ["! primary:A conflict", "! primary:a conflict"],
    },
  ]);
});

describe("S5 require", () => {
  const need = (text: string) => `require:\n  - { name: n, match: { path: "**" }, ${text} }\n`;
  run([
    {
      name: "adds copies, highest priority first",
      extra: need("copies: 2"),
      files: ["old:a A"],
      plan: ["+ old:a -> primary:a [require]"],
    },
    {
      name: "adds a copy in another domain",
      extra: need("domains: 2"),
      files: ["nas:a A"],
      plan: ["+ nas:a -> primary:a [require]"],
    },
    {
      name: "vetoes a removal",
      extra: need("copies: 2"),
      rules: DELETE,
      files: ["primary:tmp/a A", "nas:a A"],
      plan: ["= primary:tmp/a require"],
    },
    {
      name: "blocks where no location is left",
      yaml: `${LOCATIONS.replace("[overflow] }", "[overflow], read_only: true }")}${need("copies: 4")}`,
      files: ["primary:a A", "nas:a A", "archive:a A"],
      plan: ["! primary:a require"],
    },
  ]);
});

describe("S1 S14 S15 S16 what can not be planned for", () => {
  run([
    {
      name: "unknown content is blocked",
      rules: COPY,
      files: ["primary:a.jpg ?"],
      plan: ["! primary:a.jpg unidentified"],
    },
    {
      name: "a suspect destination is one blocked item",
      rules: MOVE,
      facts: { archive: { suspect: "its marker is missing" } },
      files: ["primary:a.jpg A", "primary:b.jpg B"],
      plan: ["! archive: suspect"],
    },
    {
      name: "a suspect location's copies do not count",
      rules: DELETE,
      facts: { nas: { suspect: "x" } },
      files: ["primary:tmp/a A", "nas:a A"],
      plan: ["! nas: suspect", "= primary:tmp/a min-copies"],
    },
    {
      name: "a name too long is blocked",
      rules: `  - { name: c, match: {}, action: copy, destination: nas, key: "${"x".repeat(260)}" }\n`,
      files: ["primary:a A"],
      plan: ["! primary:a unsupported-name"],
    },
    {
      name: "a template without a value",
      rules: `  - { name: c, match: {}, action: copy, destination: nas, key: "{project}/{filename}" }\n`,
      files: ["primary:a A"],
      plan: ["! primary:a unresolved"],
    },
    {
      name: "a foreign file of unknown content is never replaced",
      rules: conflict("newest"),
      files: ["primary:a A 1d", "archive:a ? 9d"],
      plan: ["! primary:a conflict"],
    },
  ]);
});

const STATUS = (change: string) => LOCATIONS.replace("[overflow] }", `[overflow], ${change} }`);
describe("locations that are not active", () => {
  const TO_OLD = `rules:\n  - { name: c, match: { location: primary }, action: copy, destination: [old, nas] }\n`;
  const FROM_OLD = `rules:\n  - { name: m, match: { location: old }, action: move, from: [old], destination: archive }\n`;
  run([
    {
      name: "offline: one item for all that wait, the rest goes on",
      yaml: `${STATUS("status: offline")}${TO_OLD}`,
      files: ["primary:a A", "primary:b B"],
      plan: ["+ primary:a -> nas:a", "+ primary:b -> nas:b", "! old: destination-offline"],
    },
    {
      name: "read_only: nothing is written there",
      yaml: `${STATUS("read_only: true")}${TO_OLD}`,
      files: ["primary:a A", "old:a A", "primary:b B"],
      plan: ["+ primary:a -> nas:a", "+ primary:b -> nas:b", "! old: destination-read-only"],
    },
    {
      name: "read_only: nothing is taken from there",
      yaml: `${STATUS("read_only: true")}${FROM_OLD}`,
      files: ["old:a A"],
      plan: ["+ old:a -> archive:a", "! old: source-read-only"],
    },
    {
      name: "draining: read from and, where a rule says so, emptied",
      yaml: `${STATUS("status: draining")}${FROM_OLD}`,
      files: ["old:a A"],
      plan: ["> old:a -> archive:a"],
    },
    {
      name: "draining: does not count as a copy",
      yaml: `${STATUS("status: draining")}rules:\n${DELETE}`,
      files: ["primary:tmp/a A", "old:a A"],
      plan: ["= primary:tmp/a min-copies"],
    },
    {
      name: "offline: its copies do not count",
      yaml: `${STATUS("status: offline")}rules:\n${DELETE}`,
      files: ["primary:tmp/a A", "old:a A"],
      plan: ["= primary:tmp/a min-copies"],
    },
    {
      name: "retired: as if it were not there",
      yaml: `${STATUS("status: retired")}rules:\n${DELETE}`,
      files: ["primary:tmp/a A", "old:a A"],
      plan: ["= primary:tmp/a min-copies"],
    },
  ]);
});

const THREE = `
version: 1
locations:
  - { name: A, type: local, path: /a, priority: 50 }
  - { name: B, type: local, path: /b, priority: 50 }
  - { name: C, type: local, path: /c, priority: 50 }
`;
const world = (rules: string, rest = "") => `${THREE}${rest}rules:\n${rules}`;

describe("what independent models found", () => {
  run([
    {
      name: "S6 a rename needs no second copy elsewhere than it had",
      yaml: world(
        `  - { name: m, match: { location: A, path: "/in/**" }, action: move, from: [A], destination: A, key: "out/{filename}" }\n`,
        "safety: { min_copies: 2 }\n",
      ),
      files: ["A:in/x 1", "B:x 1"],
      plan: ["> A:in/x -> A:out/x"],
    },
    {
      name: "S6 one of two names may go where the other stays",
      yaml: world(
        `  - { name: d, match: { name: dup }, action: delete }\n  - { name: m, match: { location: A }, action: move, destination: B }\n`,
        "safety: { min_copies: 2 }\n",
      ),
      files: ["A:x 1", "B:x 1", "B:dup 1"],
      plan: ["- B:dup", "= A:x min-copies"],
    },
    {
      name: "S6 witnesses are counted in locations",
      yaml: world(
        `  - { name: m, match: { location: B }, action: move, from: [B], destination: B, key: "n/{filename}" }\n  - { name: c, match: {}, action: copy, destination: A }\n`,
        "safety: { min_copies: 3 }\n",
      ),
      files: ["A:x 1", "A:y 1", "B:x 1", "C:x 1"],
      plan: ["> B:x -> B:n/x"],
    },
    {
      name: "S6 allow_last_copy with two names elsewhere",
      yaml: world(
        `  - { name: d, match: { location: A }, action: delete, allow_last_copy: true }\n`,
        "safety: { min_copies: 2 }\n",
      ),
      files: ["A:x 1", "B:p 1", "B:q 1"],
      plan: ["- A:x"],
    },
    {
      name: "S5 a requirement does not count on an arrival that loses",
      yaml: `${world(`  - { name: m, match: { location: A }, action: move, destination: B, on_conflict: newest }\n`)}require: [{ name: q, match: { location: A }, copies: 2 }]\n`,
      files: ["A:x 1 40", "B:x 2 4"],
      plan: ["+ A:x -> C:x [require]", "= A:x conflict"],
    },
    {
      name: "S9 the next name is taken when it becomes free",
      yaml: world(
        `  - { name: y, match: { location: A, name: b.txt }, action: move, destination: C }\n  - { name: z, match: { location: B }, action: copy, destination: A }\n`,
      ),
      files: ["A:a.txt X", "A:b.txt Y", "B:a.txt Z", "B:b.txt Z"],
      plan: ["> A:b.txt -> C:b.txt", "+ B:b.txt -> A:b.txt"],
    },
    {
      name: "S12 what the plan itself sets free is no fight",
      yaml: world(
        `  - { name: m, match: { location: A, path: "/d/**" }, action: move, destination: B }\n  - { name: x, match: { location: B, path: "/d" }, action: move, destination: C }\n`,
      ),
      files: ["A:d/x 1", "B:d 2"],
      plan: ["> B:d -> C:d", "! A:d/x conflict"],
    },
    {
      name: "S8 a backup is a home: the default does not hold a file back",
      yaml: world(
        `  - { name: m, match: { location: A, ext: mp4 }, action: move, destination: C }\n  - default: A\n`,
      ).replace("/b, priority: 50", "/b, priority: 50, purpose: [backup]"),
      files: ["A:v.mp4 1", "B:v.mp4 1"],
      plan: ["> A:v.mp4 -> C:v.mp4"],
    },
    {
      name: "S7 place: key asks for the key at each destination",
      yaml: world(`  - { name: c, match: { location: B }, action: copy, destination: [A, B], place: key }\n`),
      files: ["A:other 1", "B:x 1"],
      plan: ["+ B:x -> A:x"],
    },
    {
      name: "S7 exact keys come first, and a default gives way",
      yaml: world(
        `  - { name: m, match: { location: B }, action: move, destination: A, on_conflict: newest }\n  - default: A\n`,
      ),
      files: ["B:x 1", "C:x 2"],
      plan: ["> B:x -> A:x", "! C:x conflict"],
    },
  ]);
});

describe("many names of one content", () => {
  it("are planned for in time that grows with their number", async () => {
    const files = Array.from(
      { length: 800 },
      (_, index): Given => ({ location: "A", key: `e/${index}`, content: "", age: 9, size: 0 }),
    );
    const rules = `  - { name: m, match: { location: A }, action: move, destination: [B, C] }\n`;
    const result = await planned({ yaml: world(rules), files });
    expect(result.footer.summary).toMatchObject({ copy: 800, move: 800, blocked: 0 });
    expect(
      Math.max(...result.actions.map((action) => action.depends_on.length + action.witnesses.length)),
    ).toBeLessThan(12);
  });
});

describe("capacity", () => {
  const yaml = LOCATIONS.replace("purpose: [archive] }", "purpose: [archive], capacity: { max: 2500 } }");
  run([
    {
      name: "what does not fit is blocked, the rest goes on",
      yaml: `${yaml}rules:\n${MOVE}`,
      files: ["primary:a.jpg A", "primary:b.jpg B", "primary:c.jpg C"],
      plan: ["> primary:a.jpg -> archive:a.jpg", "> primary:b.jpg -> archive:b.jpg", "! primary:c.jpg capacity"],
    },
  ]);
});

describe("S12 convergence", () => {
  run([
    {
      name: "rules that fight are an error",
      rules: `  - { name: up, match: { location: primary }, action: move, from: [primary], destination: old }\n  - { name: down, match: { location: old }, action: move, from: [old], destination: primary }\n`,
      files: ["primary:a A"],
      plan: ["> primary:a -> old:a"],
      applyable: false,
    },
  ]);
});

describe("verify", () => {
  run([
    {
      name: "what is due is read",
      yaml: LOCATIONS.replace("domain: home }", "verify: { every: 90d } }"),
      files: [
        { location: "nas", key: "a", content: "A", verified: 91 },
        { location: "nas", key: "b", content: "B", verified: 1 },
      ],
      plan: ["? nas:a"],
    },
  ]);
});
