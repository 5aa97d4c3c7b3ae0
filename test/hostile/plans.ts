import { sha256Hex } from "../../src/lib/json.js";
import type { Action, Plan } from "../../src/plan/plan.js";
import { planText, seal } from "../../src/plan/seal.js";
import type { Random } from "./random.js";

const AT = "2026-03-01T12:00:00.000Z";
export const PHOTO = "a photo";
const CONTENT = `sha256:${sha256Hex(PHOTO)}`;

/** Of the world that the plan is about: two locations, the first of which has three files with one content. */
export interface Facts {
  configDigest: string;
  now: string;
  uuid: (location: string) => string;
  version: (key: string) => string;
}

const NOWHERE: Facts = {
  ...{ configDigest: `sha256:${sha256Hex("config")}`, now: AT },
  ...{ uuid: (location) => `uuid-${location}`, version: () => "7-1-1-1" },
};

/** A plan of two locations with every kind of action. */
export function goodPlan({ configDigest, now, uuid, version }: Facts = NOWHERE): Plan {
  const scan = (location: string, priority: number) => ({
    ...{ location, type: "local", root: `/${location}`, priority, uuid: uuid(location), at: now },
    ...{ status: "complete" as const, files: 3, bytes: 21 },
  });
  const footer = {
    type: "end" as const,
    summary: { copy: 1, move: 1, delete: 1, verify: 1, blocked: 1, kept: 0, bytes: 14, files: 3, locations: 2 },
    blocked: [{ address: "a:odd", rule: "r", code: "capacity", reason: "no room" }],
    ...{ kept: [], conflicts: [], drift: [] },
    checks: [{ name: "min_copies", status: "pass" as const, problems: [] }],
    capacity: [{ location: "b", before: 0, peak: 14, after: 14, limit: null }],
    proof: { min_copies: 1, floor: 1, converges: true },
  };
  const header = {
    ...{ type: "plan" as const, format_version: "1.0" as const, stowage_version: "0.1.0" },
    ...{ config: { digest: configDigest, commit: null }, created_at: now, evaluated_at: now, plan_ttl: 86_400_000 },
    ...{ applyable: true, safety: { min_copies: 1, verify: "content" as const, trash: 2_592_000_000 } },
    scans: [scan("a", 100), scan("b", 50)],
  };
  return seal(header, actions(version), footer);
}

function actions(version: Facts["version"]): Action[] {
  const base = {
    ...{ type: "action" as const, rule: { name: "r", line: 7 }, reason: "rule" as const, content: CONTENT, size: 7 },
    ...{ depends_on: [], copies: { before: 1, after: 2 }, bytes: 0 },
  };
  const from = (key: string) => ({ location: "a", key, version: version(key) });
  const to = (key: string) => ({ location: "b", key, expect: "absent" });
  const witness = (key: string) => ({ location: "b", key, version: null });
  return [
    { ...base, id: "a1", kind: "copy", from: from("x"), to: to("x"), witnesses: [], required: 0, bytes: 7 },
    {
      ...{ ...base, id: "a2", kind: "move", from: from("y"), to: to("d/y"), witnesses: [witness("d/y")] },
      ...{ required: 1, bytes: 7 },
    },
    {
      ...base,
      id: "a3",
      kind: "delete",
      from: from("z"),
      to: null,
      witnesses: [witness("x")],
      required: 1,
      depends_on: ["a1"],
    },
    { ...base, id: "a4", kind: "verify", from: from("x"), to: null, witnesses: [], required: 0 },
  ];
}

export const textOf = (plan: Plan): string => [...planText(plan)].join("");

/** A plan file that was damaged or edited: its digest does not fit any more, or it is no plan file. Always another text. */
export function damagedPlan(text: string, random: Random): { name: string; bytes: Buffer } {
  const { below, pick } = random;
  for (;;) {
    const [name, change] = pick(DAMAGES);
    const bytes = change(Buffer.from(text), { below, pick });
    if (!bytes.equals(Buffer.from(text))) return { name, bytes };
  }
}

const lined = (bytes: Buffer, change: (lines: string[]) => string[]): Buffer =>
  Buffer.from(`${change(bytes.toString().split("\n").slice(0, -1)).join("\n")}\n`);

const DAMAGES: readonly (readonly [string, (bytes: Buffer, random: Random) => Buffer])[] = [
  ["a flipped bit", (bytes, { below }) => flipped(bytes, below(bytes.length), below(8))],
  ["cut off", (bytes, { below }) => bytes.subarray(0, below(bytes.length))],
  ["a line lost", (bytes, { below }) => lined(bytes, (all) => all.toSpliced(below(all.length), 1))],
  ["a line twice", (bytes, { below }) => lined(bytes, (all) => duplicated(all, below(all.length)))],
  [
    "two lines exchanged",
    (bytes, { below }) => lined(bytes, (all) => exchanged(all, below(all.length), below(all.length))),
  ],
  [
    "a line more",
    (bytes, { pick }) => lined(bytes, (all) => all.toSpliced(1, 0, pick(["{}", "null", "", "[[", '"x"']))),
  ],
  ["another key", (bytes, { pick }) => replaced(bytes, '"key":"x"', `"key":${JSON.stringify(pick(KEYS))}`)],
  [
    "another location",
    (bytes, { pick }) => replaced(bytes, '"location":"b"', `"location":"${pick(["c", "__proto__", ""])}"`),
  ],
  ["another size", (bytes, { pick }) => replaced(bytes, '"size":7', `"size":${pick(["-7", "1e400", "8", "null"])}`)],
  ["another digest", (bytes) => replaced(bytes, /"digest":"sha256:[0-9a-f]{8}/g, '"digest":"sha256:00000000')],
  ["no digest", (bytes) => replaced(bytes, /,"digest":"sha256:[0-9a-f]{64}"}\n$/, "}\n")],
  ["another version", (bytes, { pick }) => replaced(bytes, '"1.0"', pick(['"2.0"', '"1.1"', "1", "null", '"../1"']))],
  ["other spaces", (bytes) => replaced(bytes, '":', '": ')],
  ["a mark before it", (bytes) => Buffer.concat([Buffer.from("\ufeff"), bytes])],
  ["other line ends", (bytes) => replaced(bytes, /\n/g, "\r\n")],
  ["a field twice", (bytes) => replaced(bytes, '"applyable":true', '"applyable":true,"applyable":true')],
  [
    "no plan at all",
    (_, { pick }) =>
      Buffer.from(pick(["", "\n", "\n\n\n", "{}\n{}\n", "[]", "\0\0\0", "null\nnull\n", "version: 1\n"])),
  ],
  ["UTF-16", (bytes) => Buffer.from(bytes.toString(), "utf16le")],
];

export const KEYS = [
  "../x",
  "/etc/passwd",
  "a/../../x",
  "a\0b",
  "",
  ".",
  "..",
  "a//b",
  "a/",
  "./x",
  ".stowage-trash/x",
  ".stowage-location",
];

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 1 << bit;
  return changed;
}

const duplicated = (all: string[], at: number): string[] => all.toSpliced(at, 0, all[at] ?? "");
const exchanged = (all: string[], one: number, other: number): string[] =>
  all.with(one, all[other] ?? "").with(other, all[one] ?? "");
const replaced = (bytes: Buffer, what: string | RegExp, by: string): Buffer =>
  Buffer.from(bytes.toString().replace(what, () => by));
