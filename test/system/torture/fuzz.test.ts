import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Catalog, openCatalog } from "../../../src/catalog/catalog.js";
import { sql } from "../../../src/catalog/sql.js";
import { compileGlob, type GlobKind } from "../../../src/config/glob.js";
import { checkText } from "../../../src/config/load.js";
import { parseTemplate, renderKey } from "../../../src/config/template.js";
import { codeOf } from "../../../src/lib/error.js";
import { invalidKey } from "../../../src/lib/key.js";
import { PATIENCE, stopwatch } from "../../hostile/clock.js";
import { sized } from "../../support/figures.js";

vi.setConfig({ testTimeout: sized(300_000, 4 * 3_600_000) });

const runs = (sample: number, full: number) => ({ seed: 20_260, numRuns: sized(sample, full) });

/** Texts of the signs that mean something, and any other. */
const signs = (meaning: readonly string[], maxLength: number) =>
  fc
    .array(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...meaning) }, fc.string({ unit: "binary", maxLength: 3 })),
      { maxLength },
    )
    .map((parts) => parts.join(""));

const YAML = [
  "locations:",
  "rules:",
  "\n",
  "  ",
  "- ",
  "name: ",
  "type: local",
  "path: x",
  "{",
  "}",
  "[",
  "]",
  ",",
  ": ",
  '"',
  "'",
  "&a",
  "*a",
  "<<: ",
  "!!str ",
  "|",
  ">",
  "#",
  "---",
  "${X}",
  "\t",
];
const GLOB = [
  ..."*?[]{}\\/!^,.()|+-$az",
  "**",
  "{{",
  "}}",
  "[a-z]",
  "{a,b}",
  "(?:",
  "(?i)",
  "{3,9}",
  "\\pL",
  "[[:alpha:]]",
  "\u00e9",
];
const TEMPLATE = [
  ..."{}|/:%.",
  "{path}",
  "{dir}",
  "{stem}",
  "{ext}",
  "{sha256:2}",
  "{modified:%Y}",
  "{attr.shot",
  "..",
  "|x}",
  "{project|",
  "{{",
  "}}",
  "\0",
];

let dir: string;
let catalog: Catalog;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "stowage-fuzz-"));
  catalog = await openCatalog(join(dir, "catalog.duckdb"));
});
afterAll(async () => {
  await catalog.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("any text", () => {
  it("as a storage.yaml is understood or refused with a place, at once", async () => {
    const watch = stopwatch("fuzzed storage.yaml files");
    await fc.assert(
      fc.asyncProperty(signs(YAML, 60), async (text) => {
        const { config, diagnostics } = await watch.time(text, () => checkText(text, "/x/storage.yaml", { env: {} }));
        expect(config === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
      }),
      runs(1_500, 100_000),
    );
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });

  it("as a pattern is refused, or RE2 takes it and matches the longest path in linear time", async () => {
    const watch = stopwatch("fuzzed patterns");
    const long = `${"a".repeat(2_000)}/${"ab/".repeat(700)}z`;
    const kinds = fc.constantFrom<GlobKind[]>("path", "name", "text", "layout");
    await fc.assert(
      fc.asyncProperty(signs(GLOB, 25), kinds, async (text, kind) => {
        let re2: string;
        try {
          re2 = compileGlob(text, kind).re2;
        } catch (error) {
          expect(codeOf(error), text).toBe("BAD_GLOB");
          return;
        }
        const row = await watch.time(text, () =>
          catalog.row(
            sql<{ m: boolean }>`SELECT regexp_full_match(${long}, ${re2}) AS m, regexp_full_match(${""}, ${re2}) AS n`,
          ),
        );
        expect(typeof row?.m, text).toBe("boolean");
      }),
      runs(400, 50_000),
    );
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });

  it("as a template is refused, or makes keys that stay below the root", async () => {
    const watch = stopwatch("fuzzed templates");
    const key = fc
      .string({ unit: "binary", minLength: 1, maxLength: 40 })
      .filter((text) => invalidKey(text) === undefined);
    const value = fc.oneof(
      fc.constantFrom("..", ".", "", "/", "a/../..", "\0", "{path}"),
      fc.string({ maxLength: 10 }),
    );
    await fc.assert(
      fc.asyncProperty(signs(TEMPLATE, 12), key, value, fc.double(), async (text, name, odd, modified) => {
        const problems: string[] = [];
        const template = parseTemplate(text, (message) => problems.push(message));
        if (problems.length > 0) return;
        const facts = { mediaType: null, location: "a", timezone: "UTC", sha256: "0".repeat(64) };
        const made = await watch.time(text, () =>
          renderKey(template, { key: name, project: odd, attrs: { shot: odd }, modified, ...facts }),
        );
        if ("key" in made) expect(invalidKey(made.key), text).toBeUndefined();
      }),
      runs(3_000, 200_000),
    );
    expect(watch.tell().ms).toBeLessThan(PATIENCE);
  });
});
