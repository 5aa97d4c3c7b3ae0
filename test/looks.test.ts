import { execFileSync } from "node:child_process";
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openLooks, type Stat } from "../src/backend/looks.js";

const root = mkdtempSync(join(tmpdir(), "stowage-looks-"));
afterAll(() => rmSync(root, { recursive: true }));

const at = (name: string): string => join(root, name);
writeFileSync(at("file"), "some bytes");
writeFileSync(at("a name with ü, 漢 and 🗄"), "");
writeFileSync(at("large"), "");
truncateSync(at("large"), 5 * 2 ** 32 + 7);
writeFileSync(at("early"), "");
utimesSync(at("early"), "-86400.25", "-86400.25");
writeFileSync(at("late"), "");
utimesSync(at("late"), 5_000_000_000.125, 5_000_000_000.125);
linkSync(at("file"), at("second name"));
symlinkSync("file", at("link"));
symlinkSync("nowhere", at("broken link"));
mkdirSync(at("folder"));
const pipe = process.platform === "win32" ? [] : ["pipe"];
for (const name of pipe) execFileSync("mkfifo", [at(name)]);

/** They call the C library, where that can be reached. */
const direct = () => openLooks(0);

const facts = (stat: Stat | undefined) =>
  stat && {
    ...{ dev: stat.dev, ino: stat.ino, nlink: stat.nlink, size: stat.size },
    ...{ mtimeNs: stat.mtimeNs, ctimeNs: stat.ctimeNs },
    ...{ birthtimeNs: stat.birthtimeNs, atimeMs: stat.atimeMs },
    kind: [stat.isDirectory(), stat.isFile(), stat.isSymbolicLink()],
  };

function errorOf(call: () => unknown) {
  try {
    return call();
  } catch (error) {
    const { errno, code, syscall, path, message } = error as NodeJS.ErrnoException;
    return { errno, code, syscall, path, message };
  }
}

const names = ["file", "a name with ü, 漢 and 🗄", "large", "early", "late", "second name", "link", "broken link"];

describe("looks at files", () => {
  it.runIf(process.platform === "linux")("are made through the C library once there were as many as it takes", () => {
    const looks = openLooks(2);
    const isNodes = () => "blocks" in (looks.lstat(root) ?? {});
    expect([isNodes(), isNodes(), isNodes()]).toEqual([true, true, false]);
  });

  it.each([
    ...names,
    ...pipe,
    "folder",
    "../..",
    "/",
    "/dev/null",
    "/proc/self/stat",
    process.execPath,
  ])("say what Node says: %s", (name) => {
    const path = name.startsWith("/") ? name : at(name);
    const known = lstatSync(path, { bigint: true });
    const found = facts(direct().lstat(path));
    // The loader may run meanwhile.
    const atimeMs = path === process.execPath ? known.atimeMs : found?.atimeMs;
    expect({ ...found, atimeMs }).toEqual(facts(known));
  });

  it("say the same of an open file", () => {
    const fd = openSync(at("file"), "r");
    expect(facts(direct().fstat(fd))).toEqual(facts(lstatSync(at("file"), { bigint: true })));
    closeSync(fd);
  });

  it("find nothing where nothing is, and throw as Node does where they can not tell", () => {
    const looks = direct();
    expect(looks.lstat(at("missing"))).toBeUndefined();
    expect(looks.lstat(at("folder/missing"))).toBeUndefined();
    for (const name of ["file/below", "x".repeat(300)])
      expect(errorOf(() => looks.lstat(at(name)))).toEqual(errorOf(() => openLooks(1).lstat(at(name))));
    expect(errorOf(() => looks.fstat(9_999))).toEqual(errorOf(() => openLooks(1).fstat(9_999)));
  });

  it("keep what they said when they look at another file", () => {
    const looks = direct();
    const first = looks.lstat(at("file"));
    looks.lstat(at("large"));
    expect(first?.size).toBe(10n);
  });
});
