import { hash } from "node:crypto";
import { readSync } from "node:fs";
import { isSameVersion } from "../backend/local-version.js";
import type { Stat } from "../backend/looks.js";
import type { Pattern } from "../config/config.js";
import { letGo, openerForReading } from "./hash.js";
import { fstat } from "./looks.js";
import { mimeOf } from "./media.js";

// A file that nobody has read before is opened anyway: a listing that reads it there and then spares a look at its name, and its way to
// the catalog and back.

/** Which files a listing may read at once. All others are read later, if at all. */
export interface EarlyRule {
  /** What `exclude` may take out: keys that begin and end so. */
  unless: { prefix?: string; suffix?: string }[];
  /** Milliseconds: files as young as `settle` at this clock are still being written. */
  now: number;
  settle: number;
  /** How many files are listed first: a small tree is read when all of it is listed, in the best order. */
  after: number;
}

/** What a file is; with `sha256`, its content at exactly that state. */
export interface EarlyFile {
  stat: Stat;
  sha256?: string;
  mime?: string;
}

export type EarlyReader = (path: string, key: string, rule: EarlyRule) => EarlyFile | undefined;

/** Larger ones are shared out among the threads when all are known. */
const LIMIT = 128 * 1024;
/** The catalog decides to the millisecond which files are settling; what is near is left to it. */
const MARGIN_MS = 1_000;

/** The patterns as tests for what they can not match; undefined where one could match anything, and only the catalog can tell. */
export function earlyRule(
  exclude: readonly Pattern[],
  now: number,
  settle: number,
): Omit<EarlyRule, "after"> | undefined {
  const unless = exclude.map(({ prefix, suffix }) => ({
    ...(prefix !== undefined && { prefix }),
    ...(suffix !== undefined && { suffix }),
  }));
  if (unless.some(({ prefix, suffix }) => prefix === undefined && suffix === undefined)) return undefined;
  return { unless, now, settle };
}

/**
 * A function that reads one small file through one buffer, if the rule lets it. A hash is only given where the file was the same before its first
 * and after its last byte was read (I4). Undefined where nothing could be found out: to be looked at in the ordinary way, which
 * tells why.
 */
export function earlyReader(): EarlyReader {
  const buffer = Buffer.allocUnsafeSlow(LIMIT + 1);
  const open = openerForReading();
  return (path, key, rule) => {
    if (mayBeExcluded(key, rule)) return undefined;
    let fd: number | undefined;
    try {
      fd = open(path);
      return readOnce(fd, path, rule, buffer);
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) letGo(fd);
    }
  };
}

function readOnce(fd: number, path: string, rule: EarlyRule, buffer: Buffer): EarlyFile | undefined {
  const stat = fstat(fd);
  if (!stat.isFile()) return undefined;
  const size = Number(stat.size);
  if (size > LIMIT || Math.abs(rule.now - Number(stat.mtimeNs / 1_000_000n)) < rule.settle + MARGIN_MS) return { stat };
  const count = readSync(fd, buffer, 0, buffer.length, null);
  const head = buffer.subarray(0, count);
  const sha256 = hash("sha256", head, "hex");
  if (count !== size || !isSameVersion(stat, fstat(fd))) return { stat };
  return { stat, sha256, mime: mimeOf(path, head) };
}

function mayBeExcluded(key: string, { unless }: EarlyRule): boolean {
  if (unless.length === 0) return false;
  const norm = key.normalize("NFC");
  return unless.some(({ prefix = "", suffix = "" }) => norm.startsWith(prefix) && norm.endsWith(suffix));
}
