import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { BIN, type Ended, NOW } from "../system/cli-run.js";

/** Why system calls can not be watched here; undefined when they can. */
export function unwatchable(): string | undefined {
  if (process.platform !== "linux") return "system calls are watched with strace, which is for Linux";
  const tried = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]);
  if (tried.error) return "strace is not installed";
  return tried.status === 0 ? undefined : `strace may not trace here: ${tried.stderr.toString().trim().slice(0, 80)}`;
}

/** Calls that make, change or remove something by its name, or change what else is known of an open file. */
const CHANGES =
  "open,openat,openat2,creat,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat," +
  "truncate,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,utime,utimes,utimensat,futimesat," +
  "setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr";

export interface Watched extends Ended {
  /** How many system calls were looked at. */
  calls: number;
  /** Every place that was written to, made, renamed or removed, or was tried to be: absolute, links resolved. */
  touched: { call: string; path: string }[];
}

/** Runs the command line and watches what it and all its threads do to files. */
export async function watched(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Watched> {
  const scratch = mkdtempSync(join(tmpdir(), "stowage-watch-"));
  const log = join(scratch, "calls");
  try {
    const links = linksIn(cwd);
    // -y: where a descriptor leads is written down at the time of the call.
    const options = ["-f", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-e", `trace=${CHANGES}`, "-o", log];
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn("strace", [...options, process.execPath, BIN, ...args], {
      cwd,
      env: { PATH, HOME, STOWAGE_NOW: NOW, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        ended[name] += chunk.toString();
      });
    }
    ended.code = await new Promise((done, reject) => child.on("error", reject).on("close", done));
    const lines = joined(readFileSync(log, "latin1").split("\n"));
    const touched = lines.flatMap((line) => touchedBy(line, cwd)).flatMap((each) => ways(each, links));
    return { ...ended, calls: lines.length, touched };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A call that another thread interrupted stands in two lines. */
function joined(lines: string[]): string[] {
  const open = new Map<string, string>();
  const whole: string[] = [];
  for (const line of lines) {
    const [, pid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (rest.endsWith("<unfinished ...>")) open.set(pid, rest.slice(0, -"<unfinished ...>".length));
    else if (resumed) whole.push((open.get(pid) ?? "") + resumed[1]);
    else if (rest !== "") whole.push(rest);
  }
  return whole;
}

interface Touch {
  call: string;
  path: string;
  /** As the kernel wrote it: no link is left in it. */
  real?: boolean;
}

const TEXT = String.raw`"((?:[^"\\]|\\.)*)"`;
const PLACE = String.raw`<((?:[^>\\]|\\.)*)>`;

function touchedBy(line: string, cwd: string): Touch[] {
  const call = /^(\w+)\(/.exec(line)?.[1];
  if (call === undefined) return [];
  if (/^open/.test(call)) {
    if (!/O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line)) return [];
    // Where it has led to, if it was opened.
    const [, place] = new RegExp(String.raw`= \d+${PLACE}[^"<>]*$`).exec(line) ?? [];
    if (place !== undefined) return [{ call, path: unescaped(place), real: true }];
  }
  let folder: string | undefined;
  const touched: Touch[] = [];
  for (const [, text, place] of line.matchAll(new RegExp(`${TEXT}|${PLACE}`, "g"))) {
    if (place !== undefined) folder = unescaped(place);
    else touched.push({ call, path: resolve(folder ?? cwd, unescaped(text ?? "")) });
  }
  if (touched.length === 0 && folder !== undefined) return [{ call, path: folder, real: true }];
  // What a symbolic link says is no place that is touched, and neither is what an attribute is called.
  if (/^symlink/.test(call)) return touched.slice(1);
  if (/^f(set|remove)xattr/.test(call)) return folder === undefined ? [] : [{ call, path: folder, real: true }];
  return /xattr$/.test(call) ? touched.slice(0, 1) : touched;
}

const unescaped = (text: string): string =>
  Buffer.from(
    text.replace(/\\([0-7]{1,3}|x[0-9a-f]{2}|.)/g, (_, sign: string) => {
      if (/^[0-7]/.test(sign)) return String.fromCharCode(Number.parseInt(sign, 8));
      if (/^x./.test(sign)) return String.fromCharCode(Number.parseInt(sign.slice(1), 16));
      return { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" }[sign] ?? sign;
    }),
    "latin1",
  ).toString("utf8");

/** Where a name has led with the links that were there before the run, and where it leads with those that are there after it. */
function ways({ call, path, real }: Touch, links: ReadonlyMap<string, string>): { call: string; path: string }[] {
  const led = real ? [path] : [followed(path, links), leads(path)];
  return [...new Set(led)].map((each) => ({ call, path: each }));
}

/** All symbolic links below a folder; none lies where a name is no text. */
function linksIn(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) found.set(path, readlinkSync(path));
    else if (entry.isDirectory() && existsSync(path))
      for (const [link, target] of linksIn(path)) found.set(link, target);
  }
  return found;
}

/** The name with every link in its way followed; one at its end is what is meant. */
function followed(path: string, links: ReadonlyMap<string, string>, depth = 0): string {
  const parts = path.split("/").slice(1);
  for (let at = 1; at < parts.length; at++) {
    const link = `/${parts.slice(0, at).join("/")}`;
    const target = links.get(link);
    if (target !== undefined && depth < 40)
      return followed(resolve(dirname(link), target, ...parts.slice(at)), links, depth + 1);
  }
  return path;
}

/** Where a name leads by now, or would if it was there. */
function leads(path: string): string {
  for (let above = dirname(path), rest = basename(path); ; ) {
    if (existsSync(above)) return join(realpathSync(above), rest);
    rest = join(basename(above), rest);
    above = dirname(above);
  }
}
