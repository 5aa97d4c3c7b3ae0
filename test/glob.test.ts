import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compileGlob, escapeGlob, type GlobKind } from "../src/config/glob.js";
import { codeOf } from "../src/lib/error.js";

/** Every pattern runs in RE2, as it does in the catalog: `regexp_full_match`. */
let duckdb: DuckDBConnection;

beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create(":memory:")).connect();
  await duckdb.run("CREATE TABLE samples (name VARCHAR)");
  const appender = await duckdb.createAppender("samples");
  for (const sample of SAMPLES) {
    appender.appendVarchar(sample);
    appender.endRow();
  }
  appender.closeSync();
});

async function fullMatch(text: string, re2: string): Promise<boolean> {
  const reader = await duckdb.runAndReadAll("SELECT regexp_full_match($1, $2)", [text, re2]);
  return reader.getRows()[0]![0] as boolean;
}

/** Samples that one expression matches and the other, which has its anchors in it, does not. */
async function differences(re2: string, anchored: string): Promise<unknown[]> {
  const query = "SELECT name FROM samples WHERE regexp_full_match(name, $1) <> regexp_matches(name, $2)";
  return (await duckdb.runAndReadAll(query, [re2, anchored])).getRows();
}

const matches = (glob: string, text: string, kind: GlobKind = "path"): Promise<boolean> =>
  fullMatch(text, compileGlob(glob, kind).re2);

/** Pattern and the expression that rclone makes of it, from rclone's fs/filter/glob_test.go, and what its newer versions do with nested braces. */
const RCLONE_PATHS: [glob: string, re2: string][] = [
  ["potato", "(^|/)potato$"],
  ["potato,sausage", "(^|/)potato,sausage$"],
  ["/potato", "^potato$"],
  ["potato?sausage", "(^|/)potato[^/]sausage$"],
  ["potat[oa]", "(^|/)potat[oa]$"],
  ["potat[a-z]or", "(^|/)potat[a-z]or$"],
  ["potat[[:alpha:]]or", "(^|/)potat[[:alpha:]]or$"],
  ["'.' '+' '(' ')' '|' '^' '$'", "(^|/)'\\.' '\\+' '\\(' '\\)' '\\|' '\\^' '\\$'$"],
  ["*.jpg", "(^|/)[^/]*\\.jpg$"],
  ["a{b,c,d}e", "(^|/)a(b|c|d)e$"],
  ["potato**", "(^|/)potato.*$"],
  ["potato**sausage", "(^|/)potato.*sausage$"],
  ["*.p[lm]", "(^|/)[^/]*\\.p[lm]$"],
  ["[\\[\\]]", "(^|/)[\\[\\]]$"],
  ["*.{jpg,png,gif}", "(^|/)[^/]*\\.(jpg|png|gif)$"],
  ["a\\*b", "(^|/)a\\*b$"],
  ["a\\\\b", "(^|/)a\\\\b$"],
  ["a{{.*}}b", "(^|/)a(.*)b$"],
  ["{{regexp}}", "(^|/)(regexp)$"],
  ["\\{{{regexp}}", "(^|/)\\{(regexp)$"],
  ["/{{regexp}}", "^(regexp)$"],
  ["/{{\\d{8}}}", "^(\\d{8})$"],
  ["/{{\\}}}", "^(\\})$"],
  ["{{(?i)regexp}}", "(^|/)((?i)regexp)$"],
  ["potato/", "(^|/)potato/.*$"],
  ["*", "(^|/)[^/]*$"],
  [".*{,/**}", "(^|/)\\.[^/]*(|/.*)$"],
  ["a/b/c/d", "(^|/)a/b/c/d$"],
  ["a{b,{c,d}x}e", "(^|/)a(b|(c|d)x)e$"],
  ["//*.jpg", "^/[^/]*\\.jpg$"],
];

const RCLONE_TEXTS: [glob: string, re2: string][] = [
  ["potato", "^potato$"],
  ["/potato", "^/potato$"],
  ["potato?sausage", "^potato.sausage$"],
  ["potat[a-z]or", "^potat[a-z]or$"],
  ["*.jpg", "^.*\\.jpg$"],
  ["a{b,c,d}e", "^a(b|c|d)e$"],
  ["[\\[\\]]", "^[\\[\\]]$"],
  ["a\\*b", "^a\\*b$"],
  ["a{{.*}}b", "^a(.*)b$"],
  ["/{{\\d{8}}}", "^/(\\d{8})$"],
];

/** Names that tell the expressions of the tables apart, and each of them with something before or behind it. */
const SAMPLES = [
  "potato",
  "potato,sausage",
  "potatoxsausage",
  "potato/sausage",
  "potato/x/sausage",
  "potata",
  "potatxor",
  "potat0or",
  "'.' '+' '(' ')' '|' '^' '$'",
  "x.jpg",
  ".jpg",
  "file.png",
  "file.gif",
  "abe",
  "ace",
  "ade",
  "axe",
  "a.pl",
  "a.pm",
  "[",
  "]",
  "\\",
  "a*b",
  "axb",
  "a\\b",
  "ab",
  "a/x/b",
  "regexp",
  "REGEXP",
  "{regexp",
  "12345678",
  "1234567",
  "}",
  ".hidden",
  ".hidden/x",
  "a/b/c/d",
  "b/c/d",
  "acxe",
  "adxe",
  "abxe",
  "",
  "regex",
  "/x.jpg",
  "a1b",
].flatMap((name) => [name, `dir/${name}`, `dir/sub/${name}`, `x${name}`, `${name}x`, `${name}/x`]);

describe("globs are rclone's language", () => {
  it.each(RCLONE_PATHS)("%s matches what rclone's %s matches", async (glob, expected) => {
    expect(await differences(compileGlob(glob, "path").re2, expected)).toEqual([]);
  });

  it.each(RCLONE_TEXTS)("as a text, %s matches what rclone's %s matches", async (glob, expected) => {
    expect(await differences(compileGlob(glob, "text").re2, expected)).toEqual([]);
  });

  it.each([
    ["***potato", "too many stars"],
    ["***", "too many stars"],
    ["ab]c", "mismatched [ and ]"],
    ["ab[c", "mismatched [ and ]"],
    ["ab{x{cd", "mismatched { and }"],
    ["ab{{cd", "mismatched {{ and }}"],
    ["ab{}}cd", "mismatched { and }"],
    ["ab}c", "mismatched { and }"],
    ["ab{c", "mismatched { and }"],
    ["[a--b]", "bad range"],
    ["a{{.*}", "mismatched {{ and }}"],
  ])("refuses %s as rclone does: %s", (glob, message) => {
    expect(() => compileGlob(glob, "path")).toThrow(message);
  });

  // rclone's documentation (filtering) and TestFilterMatchesFromDocs.
  it.each([
    ["file.jpg", ["file.jpg", "directory/file.jpg"], ["afile.jpg", "directory/afile.jpg"]],
    ["/file.jpg", ["file.jpg"], ["afile.jpg", "directory/file.jpg"]],
    ["*.jpg", ["file.jpg", "dir/file.jpg"], ["file.png", "dir/file.png", "file.jpg/anotherfile.png"]],
    ["/*.jpg", ["file.jpg", "file2.jpg"], ["file.png", "dir/file.jpg"]],
    ["*.{jpg,png}", ["file.jpg", "dir/file.png"], ["file.gif", "dir/file.gif"]],
    [
      "dir/**",
      ["dir/anyfile", "subdir/dir/subsubdir/anyfile", "dir/dir1/dir2/file.jpg"],
      ["file.png", "subdir/file.png", "directory/file.jpg", "adir/file.jpg"],
    ],
    ["*.t?t", ["file.txt", "dir/file.tzt"], ["file.qxt", "dir/file.png"]],
    ["*.[a-z]", ["file.a", "dir/file.b"], ["file.0", "dir/file.1"]],
    ["*.\\?\\?\\?", ["file.???", "dir/file.???"], ["file.abc", "dir/file.def"]],
    ["*.\\d\\d\\d", ["file.012", "dir/file.345"], ["file.abc", "dir/file.def"]],
    ["*.{{jpe?g}}", ["file.jpeg", "dir/file.jpg"], ["file.png", "dir/file.jpeeg"]],
    ["/{{.*\\.jpe?g}}", ["file.jpeg", "file.jpg"], ["file.png"]],
    ["*.{{(?i)jpg}}", ["file.jpg", "file.JPG", "deep/path/something.JPG"], ["file.png"]],
    ["{{start[^/]*end\\.jpg}}", ["start-end.jpg", "x/start-end.jpg"], ["start/end.jpg"]],
    ["/{{file\\d+\\.png}}", ["file2.png", "file123.png"], ["sub/file2.png", "File123.png"]],
    ["l?ss", ["less", "lass"], ["floss"]],
    ["h[ae]llo", ["hello", "hallo"], ["hullo"]],
    ["{one,two}_potato", ["one_potato", "two_potato"], ["three_potato", "_potato"]],
    ["\\*.jpg", ["*.jpg"], ["a.jpg"]],
    ["\\\\.jpg", ["\\.jpg"], ["a.jpg"]],
    ["\\[one\\].jpg", ["[one].jpg"], ["o.jpg"]],
    ["*\\[{JP,KR,HK}\\]*", ["a [JP] b", "x/[HK]"], ["JP", "[US]"]],
    ["potato", ["potato"], ["POTATO"]],
    ["{dir1/**,dir2/**}", ["dir1/a", "dir2/b/c"], ["dir3/a"]],
    ["/sausage2*", ["sausage2potato"], ["sausage2/potato"]],
    ["/sausage3**", ["sausage3/potato", "sausage3"], ["x/sausage3"]],
  ])("%s matches %j and not %j", async (glob, yes, no) => {
    for (const path of yes) expect(`${path}: ${await matches(glob, path)}`).toBe(`${path}: true`);
    for (const path of no) expect(`${path}: ${await matches(glob, path)}`).toBe(`${path}: false`);
  });
});

describe("globs of stowage", () => {
  it.each([
    { name: "dir/ is dir/**", glob: "/tmp/", yes: ["tmp/a", "tmp/a/b"], no: ["tmp", "x/tmp/a"] },
    { name: "/ alone is everything", glob: "/", yes: ["a", "a/b"], no: [] },
    { name: "[!a] and [^a] are negated classes", glob: "/[!a][^b]", yes: ["bc"], no: ["ac", "bb"] },
    { name: "a line feed is a character like others", glob: "a**b", yes: ["a\nb", "x\ny/a\n\nb"], no: [] },
    { name: "an expression keeps to its braces", glob: "/x{{a|b}}y", yes: ["xay", "xby"], no: ["xa", "by"] },
    { name: "flags end with their braces", glob: "/{{(?i)a}}b", yes: ["Ab", "ab"], no: ["AB"] },
    { name: "a minus may stand first or last", glob: "[-a][a-]", yes: ["-a", "a-"], no: ["ab"] },
    { name: "an unclosed class inside a class is a character", glob: "[[]", yes: ["["], no: ["]"] },
    { name: "beyond the basic plane ? is one character", glob: "/?.jpg", yes: ["😀.jpg"], no: ["ab.jpg"] },
    { name: "empty alternatives are fine", glob: "a{,b}", yes: ["a", "ab"], no: ["b"] },
    { name: "what RE2 would repeat or anchor is literal", glob: "/a{2}$", yes: ["a2$"], no: ["aa", "aa$"] },
  ])("$name: $glob", async ({ glob, yes, no }) => {
    for (const path of yes) expect(`${path}: ${await matches(glob, path)}`).toBe(`${path}: true`);
    for (const path of no) expect(`${path}: ${await matches(glob, path)}`).toBe(`${path}: false`);
  });

  it("matches on the NFC form (S15)", async () => {
    expect(compileGlob("cafe\u0301*", "name").glob).toBe("caf\u00e9*");
    expect(await matches("cafe\u0301*", "caf\u00e9.jpg", "name")).toBe(true);
  });

  it("lets * cross a slash in a text, and keeps to one element in a name", async () => {
    expect(await matches("image/*", "image/a/b", "text")).toBe(true);
    expect(await matches("IMG_*", "IMG_1.jpg", "name")).toBe(true);
    expect(await matches("IMG_*", "xIMG_1.jpg", "name")).toBe(false);
  });

  it.each<[string, GlobKind, string]>([
    ["", "path", "empty pattern"],
    ["a/b", "name", '"/"'],
    ["a\\", "path", "lone backslash"],
    ["\\q", "path", "\\q is no escape"],
    ["[]", "path", "empty character class"],
    ["[z-a]", "path", "bad range z-a"],
    ["[\\d-z]", "path", "bad range"],
    ["[[:alhpa:]]", "path", "no character class"],
    ["\\p{Klingon}", "path", "Unicode class"],
    ["\ud800", "path", "not valid Unicode"],
    ["x".repeat(5000), "path", "longer than 4096"],
    ["{a,".repeat(100) + "}".repeat(100), "text", "too deeply"],
    ["{{(a}}", "path", "mismatched ( and )"],
    ["{{a)|(b}}", "path", "mismatched ( and )"],
    ["{{(a)\\1}}", "path", "back reference"],
    ["{{(?=a)}}", "path", "looks ahead"],
    ["{{(?<!a)b}}", "path", "looks ahead or behind"],
    ["{{(?>a)}}", "path", "unknown kind of group"],
    ["{{*a}}", "path", "nothing before *"],
    ["{{a**}}", "path", "nothing before *"],
    ["{{a{2}{3}}}", "path", "nothing before {3}"],
    ["{{a{1001}}}", "path", "bad repetition"],
    ["{{a{3,2}}}", "path", "bad repetition"],
    ["{{(a{100}){100}}}", "path", "repetitions of repetitions"],
    ["{{\\pL{1000}}}", "path", "too complex"],
    ["{{[^a}}", "path", "mismatched [ and ]"],
    ["{{\\C}}", "path", "\\C is no escape"],
  ])("refuses what can not be a pattern: %#", (glob, kind, message) => {
    expect(() => compileGlob(glob, kind)).toThrow(message);
  });

  it("knows the literal start and end of every match", () => {
    expect(compileGlob("/tmp/**", "path")).toMatchObject({ prefix: "tmp/" });
    expect(compileGlob("*.jpg", "path")).toMatchObject({ suffix: ".jpg" });
    expect(compileGlob("*.{jpg,png}", "path")).not.toHaveProperty("suffix");
    expect(compileGlob("client-*", "text")).toMatchObject({ prefix: "client-" });
    expect(compileGlob("raw", "path")).not.toHaveProperty("prefix");
  });

  it("names the captures of a layout", async () => {
    const { re2, captures } = compileGlob("{project}/{attr.shot}_v{take}/{raw,edit}/**", "layout");
    expect(captures).toEqual(["project", "shot", "take"]);
    const reader = await duckdb.runAndReadAll(
      `SELECT regexp_extract('p/s_v3/raw/x/y', '${re2}', ['project', 'shot', 'take']) AS found`,
    );
    expect(reader.getRowObjectsJson()[0]).toEqual({ found: { project: "p", shot: "s", take: "3" } });
    expect(() => compileGlob("{a}/{a}", "layout")).toThrow("twice");
    expect(() => compileGlob("x{b,{a}}", "layout")).toThrow("inside braces");
  });

  it("escapes any text so that it matches itself only", async () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 }).map((raw) => raw.replaceAll("/", "_").normalize("NFC"));
    await fc.assert(
      fc.asyncProperty(text, async (name) => {
        expect(await matches(escapeGlob(name), name, "text")).toBe(true);
        expect(await matches(escapeGlob(name), `${name}x`, "text")).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it("never gives RE2 an expression that it refuses, and names the literal parts of each match rightly", async () => {
    const piece = fc.constantFrom(
      ..."ab/*?[]{},.\\-^!$()|+:dpLxé😀",
      "{{",
      "}}",
      "**",
      "[a-z]",
      "\\d",
      "\\pL",
      "{2,3}",
      "(?i)",
      "(?:",
      "{{a+}}",
      "[[:alpha:]]",
      "{a,b}",
    );
    const glob = fc.array(piece, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(""));
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(glob, fc.constantFrom<GlobKind>("path", "name", "text", "layout"), async (pattern, kind) => {
        let compiled: ReturnType<typeof compileGlob>;
        try {
          compiled = compileGlob(pattern, kind);
        } catch (error) {
          expect(codeOf(error)).toBe("BAD_GLOB");
          return;
        }
        accepted += 1;
        for (const text of ["ab", "a/b", "aab.dx", pattern]) {
          if (!(await fullMatch(text, compiled.re2))) continue;
          expect(text.startsWith(compiled.prefix ?? "")).toBe(true);
          expect(text.endsWith(compiled.suffix ?? "")).toBe(true);
        }
      }),
      { numRuns: 800 },
    );
    expect(accepted).toBeGreaterThan(200);
  });

  it("never gives RE2 a regular expression that it refuses", async () => {
    const piece = fc.constantFrom(
      ..."ab/*?[]{},.\\-^$()|+:",
      "(?i)",
      "(?:",
      "(?P<n>",
      "(?s-i:",
      "{2}",
      "{2,}",
      "{1000}",
      "{0}",
      "\\d",
      "\\b",
      "\\x41",
      "\\x{1F600}",
      "\\pN",
      "[^a-f]",
      "[]a]",
      "[[:digit:]]",
      "\\Q",
      "a{500}",
    );
    const source = fc.array(piece, { minLength: 1, maxLength: 10 }).map((parts) => parts.join(""));
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(source, async (expression) => {
        let re2: string;
        try {
          re2 = compileGlob(`/{{${expression}}}`, "path").re2;
        } catch (error) {
          expect(codeOf(error)).toBe("BAD_GLOB");
          return;
        }
        accepted += 1;
        await fullMatch("ab", re2);
      }),
      { numRuns: 800 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it("takes linear time for patterns that are exponential elsewhere", async () => {
    const started = performance.now();
    expect(await matches(`${"*a".repeat(300)}`, `${"a".repeat(5000)}b`)).toBe(false);
    expect(await matches("{{(a+)+}}", `${"a".repeat(5000)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
