import { readdirSync, readFileSync } from "node:fs";
import { posix, sep } from "node:path";
import { describe, expect, it } from "vitest";

/** The stages: a folder imports only itself and what stands left of it. */
const ORDER = ["lib", "config", "backend", "catalog", "scan", "plan", "apply", "report", "cli"];

/** Packages that only one folder may import. */
const SOLE_HOME: Record<string, string> = {
  yaml: "config",
  ajv: "config",
  "@duckdb": "catalog",
  listr2: "report",
  diff: "report",
  "@oclif": "cli",
};

/** Exported for authors of backends: it may use the stages, no stage may use it. */
const OUTSIDE = "testing";
const FORBIDDEN_FOLDERS = ["utils", "util", "core", "types", "helpers", "common"];
const LINES = 250;
/** Files over the limit, and why they are one noun all the same. */
const LONG_FILES: Record<string, string> = {};

/** Parts of `process` that tie code to a command line. */
const PROCESS = /\bprocess\.(argv|stdout|stderr|stdin|exit|exitCode|cwd|chdir|on|once|env)\b/;

interface Source {
  /** `src/plan/plan.ts` */
  path: string;
  text: string;
}

const SOURCES: Source[] = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((path) => path.split(sep).join("/"))
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path: `src/${path}`, text: readFileSync(`src/${path}`, "utf8") }));

const folderOf = (path: string): string => path.split("/").slice(1, -1)[0] ?? "";

/** The code without comments, so that prose about `process.exit` is no offence. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");

/** What a file imports, statically, dynamically or as a type: paths of files resolved, packages by name. */
function importsOf(source: Source): string[] {
  const specifiers = code(source.text).matchAll(
    /(?:\bfrom|\bimport|\bimport\s*\(|new\s+URL\s*\()\s*["']([^"'\n]+)["']/g,
  );
  return [...specifiers]
    .map((match) => match[1]!)
    .map((name) => (name.startsWith(".") ? posix.join(posix.dirname(source.path), name) : name));
}

/** One line per offence against the order of the folders and the sole homes of packages. */
function offences(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const folder = folderOf(source.path);
    return importsOf(source).flatMap((target) => {
      if (target.startsWith("src/")) return wrongDirection(source.path, folder, target);
      const home = Object.entries(SOLE_HOME).find(([name]) => target === name || target.startsWith(`${name}/`))?.[1];
      if (home && home !== folder) return [`${source.path} imports ${target}, whose home is ${home}/`];
      return [];
    });
  });
}

function wrongDirection(path: string, folder: string, target: string): string[] {
  const other = folderOf(target);
  if (other === folder) return [];
  if (path === "src/index.ts") {
    return other === "cli" ? [`${path} imports ${target}: the public API does not load the command line`] : [];
  }
  if (folder === OUTSIDE) return other === "cli" ? [`${path} imports ${target}`] : [];
  const from = ORDER.indexOf(folder);
  const to = ORDER.indexOf(other);
  return from < 0 || to < 0 || to > from
    ? [`${path} imports ${target}: ${folder}/ stands left of ${other || "src"}/`]
    : [];
}

describe("the house (§9)", () => {
  it("imports run to the left only, and every package has one home", () => {
    expect(offences(SOURCES)).toEqual([]);
  });

  it.each([
    { name: "a stage to its right", path: "src/plan/place.ts", text: 'import { apply } from "../apply/apply.js";' },
    {
      name: "a stage to its right, as a type",
      path: "src/lib/key.ts",
      text: 'import type { Config } from "../config/config.js";',
    },
    {
      name: "a stage to its right, lazily",
      path: "src/apply/apply.ts",
      text: 'const { plan } = await import("../report/text.js");',
    },
    {
      name: "a stage to its right, passed on",
      path: "src/config/load.ts",
      text: 'export * from "../catalog/catalog.js";',
    },
    {
      name: "a package outside its home",
      path: "src/plan/sql.ts",
      text: 'import { DuckDBInstance } from "@duckdb/node-api";',
    },
    {
      name: "a part of a package outside its home",
      path: "src/scan/scan.ts",
      text: 'import Ajv from "ajv/dist/2020.js";',
    },
    { name: "a folder that is not in the map", path: "src/plan/plan.ts", text: 'import { x } from "../shared/x.js";' },
    {
      name: "test helpers from a stage",
      path: "src/apply/apply.ts",
      text: 'import { faulty } from "../testing/faulty.js";',
    },
    {
      name: "the command line from the public API",
      path: "src/index.ts",
      text: 'export { main } from "./cli/main.js";',
    },
  ])("finds a planted import of $name", ({ path, text }) => {
    expect(offences([{ path, text }])).toHaveLength(1);
  });

  it("lets comments, own folders and folders to the left pass", () => {
    const text =
      '// import { x } from "../cli/main.js";\nimport { sql } from "../catalog/sql.js";\nimport { a } from "./a.js";';
    expect(offences([{ path: "src/plan/plan.ts", text }])).toEqual([]);
  });

  it("touches argv, streams, exit codes and the environment in cli/ only", () => {
    const found = SOURCES.filter((source) => folderOf(source.path) !== "cli").flatMap((source) => {
      const text = code(source.text);
      const global = PROCESS.exec(text)?.[0] ?? /["'](?:node:)?process["']|\bconsole\./.exec(text)?.[0];
      return global ? [`${source.path}: ${global}`] : [];
    });
    expect(found).toEqual([]);
  });

  it("keeps lib/ at five files, and has no folder for what found no place", () => {
    expect(SOURCES.filter((source) => folderOf(source.path) === "lib").length).toBeLessThanOrEqual(5);
    const folders = new Set(SOURCES.map((source) => folderOf(source.path)).filter(Boolean));
    expect([...folders].filter((folder) => FORBIDDEN_FOLDERS.includes(folder))).toEqual([]);
    expect([...folders].filter((folder) => ![...ORDER, OUTSIDE].includes(folder))).toEqual([]);
  });

  it(`keeps files at ${LINES} lines and the one class at StowageError`, () => {
    const written = SOURCES.filter((source) => !source.path.endsWith(".gen.ts"));
    const long = written.filter((source) => source.text.split("\n").length > LINES + 1 && !LONG_FILES[source.path]);
    expect(long.map((source) => `${source.path}: ${source.text.split("\n").length - 1} lines`)).toEqual([]);
    const gone = Object.keys(LONG_FILES).filter((path) => !written.some((source) => source.path === path));
    expect(gone).toEqual([]);
    // oclif knows commands as classes; nothing else needs one.
    const classes = written.filter(
      (source) =>
        folderOf(source.path) !== "cli" && /^\s*(export )?(default )?(abstract )?class /m.test(code(source.text)),
    );
    expect(classes.map((source) => source.path)).toEqual(["src/lib/error.ts"]);
  });
});
