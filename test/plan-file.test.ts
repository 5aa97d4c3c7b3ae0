import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPlan } from "../src/plan/file.js";
import type { Plan } from "../src/plan/plan.js";
import { plan } from "../src/plan/planner.js";
import { planText } from "../src/plan/seal.js";
import { catalogOf, configOf, NOW } from "./support/world.js";

const FILES = 5_000;
const RULES = `version: 1
locations:
  - { name: primary, type: local, path: /primary }
  - { name: nas, type: local, path: /nas }
rules:
  - { name: all, match: {}, action: copy, destination: nas, place: key }
`;

const home = mkdtempSync(join(tmpdir(), "stowage-plan-file-"));
const file = join(home, "plan.ndjson");
let made: Plan;
let lines: string[];

beforeAll(async () => {
  const config = configOf(RULES, join(home, "storage.yaml"));
  // Letters of two and three bytes, so that a piece ends within one.
  const given = Array.from({ length: FILES }, (_, index) => ({
    location: "primary",
    key: `réunion/日本-${index}.jpg`,
    content: `${index}`,
  }));
  const catalog = await catalogOf(config, given);
  made = await plan(config, catalog, { now: NOW, version: "0" });
  lines = [...planText(made)].join("").split(/(?<=\n)/);
  await catalog.close();
});
afterAll(() => rmSync(home, { recursive: true }));

describe("a plan file that is larger than what is read at once", () => {
  it("is read as it was written", async () => {
    writeFileSync(file, lines.join(""));
    expect(Buffer.byteLength(lines.join(""))).toBeGreaterThan(2 << 20);
    expect(await readPlan(file)).toEqual(made);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ["its last byte is gone", (bytes) => bytes.subarray(0, -1)],
    ["its last line is gone", (bytes) => bytes.subarray(0, bytes.lastIndexOf("\n", -2) + 1)],
    ["it ends within its second piece", (bytes) => bytes.subarray(0, (1 << 20) + 17)],
    ["a line in the middle is gone", (bytes) => without(bytes, bytes.indexOf("\n", 1 << 20) + 1)],
    ["two lines have changed places", () => Buffer.from([lines[0], lines[2], lines[1], ...lines.slice(3)].join(""))],
    ["something follows it", (bytes) => Buffer.concat([bytes, Buffer.from("{}\n")])],
    ["an empty line follows it", (bytes) => Buffer.concat([bytes, Buffer.from("\n")])],
    ["it comes twice", (bytes) => Buffer.concat([bytes, bytes])],
    ["its last line says something twice", (bytes) => inLast(bytes, '{"type":"end",', '$&"summary":{"move":999},')],
    ["its last line ends in a space", (bytes) => inLast(bytes, /}\n$/, "} \n")],
    ["its last line nests deeper than can be written", (bytes) => inLast(bytes, "{", `{"x":${DEEP},`)],
    ["there is nothing in it", () => Buffer.alloc(0)],
    ["there is no line in it", () => Buffer.alloc(3 << 20, "x")],
    ["its first line is longer than any header", () => Buffer.alloc(70 << 20)],
  ])("is refused when %s", async (_, broken) => {
    writeFileSync(file, broken(Buffer.from(lines.join(""))));
    await expect(readPlan(file)).rejects.toMatchObject({ code: "PLAN_EDITED", exit: 5 });
  });

  it.each<[string, string, string]>([
    ["something after its end", "PK\u0003\u0004", "goes on after the end of the plan"],
    ["a line after its end", "not JSON\n", "goes on after the end of the plan"],
    ["an empty line after its end", "\n", "goes on after the end of the plan"],
    ["the beginning of itself after its end", '{"type":"plan",', "goes on after the end of the plan"],
  ])("is told to have %s", async (_, more, says) => {
    writeFileSync(file, lines.join("") + more);
    await expect(readPlan(file)).rejects.toMatchObject({ exit: 5, message: expect.stringContaining(says) });
    writeFileSync(file, lines.join("").slice(0, -1));
    await expect(readPlan(file)).rejects.toThrow("it is cut short");
  });

  it.each<[string, (line: string) => string]>([
    ["a header that says something twice", (line) => line.replace(/}\n$/, ',"applyable":true}\n')],
    ["a header that nests deeper than can be written", (line) => line.replace("{", `{"x":${DEEP},`)],
  ])("is refused for %s, also when its digest is made anew", async (_, change) => {
    const before = [change(lines[0] ?? ""), ...lines.slice(1, -1)].join("");
    const digest = createHash("sha256").update(before).digest("hex");
    writeFileSync(file, before + lines.at(-1)?.replace(/"sha256:[0-9a-f]+"}\n$/, `"sha256:${digest}"}\n`));
    await expect(readPlan(file)).rejects.toMatchObject({ code: "PLAN_EDITED", exit: 5 });
  });

  it("is refused when any byte of it is another one", async () => {
    const bytes = Buffer.from(lines.join(""));
    for (let at = 0; at < bytes.length; at += Math.floor(bytes.length / 37)) {
      const changed = Buffer.from(bytes);
      changed[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(file, changed);
      await expect(readPlan(file), `byte ${at}`).rejects.toMatchObject({ exit: 5 });
    }
  });

  it("is told from a file that is not there", async () => {
    await expect(readPlan(join(home, "nowhere"))).rejects.toMatchObject({ code: "PLAN_UNREADABLE" });
    await expect(readPlan(home)).rejects.toMatchObject({ code: "PLAN_UNREADABLE" });
  });
});

const DEEP = "[".repeat(20_000) + "]".repeat(20_000);

/** With something else in its last line, which no digest covers. */
function inLast(bytes: Buffer, from: string | RegExp, to: string): Buffer {
  const at = bytes.lastIndexOf("\n", -2) + 1;
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(bytes.subarray(at).toString("utf8").replace(from, to))]);
}

/** Without the line that begins there. */
const without = (bytes: Buffer, at: number): Buffer =>
  Buffer.concat([bytes.subarray(0, at), bytes.subarray(bytes.indexOf("\n", at) + 1)]);
