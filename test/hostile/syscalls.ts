import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BIN, type Ended, NOW } from "../system/cli-run.js";

/** Why system calls can not be watched here; undefined when they can. */
export function unwatchable(): string | undefined {
  if (process.platform !== "linux") return "system calls are watched with strace, which is for Linux";
  const tried = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]);
  if (tried.error) return "strace is not installed";
  return tried.status === 0 ? undefined : `strace may not trace here: ${tried.stderr.toString().trim().slice(0, 80)}`;
}

/** Calls that make, change or remove something by its name. */
const CHANGES =
  "open,openat,openat2,creat,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat," +
  "truncate,chmod,fchmodat,chown,lchown,fchownat,utime,utimes,utimensat,futimesat,setxattr,lsetxattr,removexattr";

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
    const command = [
      "-f",
      "-qq",
      "-s",
      "4096",
      "-e",
      "signal=none",
      "-e",
      `trace=${CHANGES}`,
      "-o",
      log,
      process.execPath,
      BIN,
      ...args,
    ];
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn("strace", command, {
      cwd,
      env: { PATH, HOME, STOWAGE_NOW: NOW, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      ended.stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      ended.stderr += chunk.toString();
    });
    ended.code = await new Promise((done, reject) => child.on("error", reject).on("close", done));
    const lines = joined(readFileSync(log, "latin1").split("\n"));
    return { ...ended, calls: lines.length, touched: lines.flatMap((line) => touchedBy(line, cwd)) };
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

function touchedBy(line: string, cwd: string): { call: string; path: string }[] {
  const call = /^(\w+)\(/.exec(line)?.[1];
  if (call === undefined) return [];
  if (/^(open|openat|openat2)$/.test(call) && !/O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line)) return [];
  const texts = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => unescaped(text));
  // What a symbolic link says is no place that is touched.
  const names = /^symlink/.test(call)
    ? texts.slice(1)
    : /^[fl]?(set|remove)xattr/.test(call)
      ? texts.slice(0, 1)
      : texts;
  return names.map((path) => ({ call, path: real(isAbsolute(path) ? path : resolve(cwd, path)) }));
}

const unescaped = (text: string): string =>
  Buffer.from(
    text.replace(/\\([0-7]{1,3}|x[0-9a-f]{2}|.)/g, (_, sign: string) => {
      if (/^[0-7]/.test(sign)) return String.fromCharCode(Number.parseInt(sign, 8));
      return { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" }[sign] ?? sign;
    }),
    "latin1",
  ).toString("utf8");

/** Where a name leads by now, or would if it was there: links in the way are followed, one at its end is what is meant. */
function real(path: string): string {
  for (let above = dirname(path), rest = basename(path); ; ) {
    if (existsSync(above)) return join(realpathSync(above), rest);
    rest = join(basename(above), rest);
    above = dirname(above);
  }
}
