import { messageOf, StowageError } from "../lib/error.js";
import { printable } from "../lib/key.js";
import type { Diagnostic } from "./config.js";

/** Where in the text a key and its value stand, as offsets. */
export interface Mark {
  key: number;
  value: number;
}

/** The places of what a mapping or list contains, and its own. */
export interface Marks {
  self: number;
  of: Map<string | number, Mark>;
}

/** What a finding is about: an offset, a mapping or list, or something in one. */
export type At = number | object | readonly [parent: object, key: string | number, part?: "key" | "value"];

/** Collects findings about one text. What it holds back (secrets) never gets into a message. */
export interface Findings {
  /** Kept by identity: a mapping that moves (seed spellings) keeps its places. */
  readonly marks: WeakMap<object, Marks>;
  error(code: string, at: At, message: string, hint?: string): void;
  warning(code: string, at: At, message: string, hint?: string): void;
  /** Runs `body`; a `StowageError` becomes a finding. */
  attempt<T>(at: At, body: () => T): T | undefined;
  line(at: At): number;
  /** The value at this offset is not known: nothing more is said about it. */
  mute(offset: number): void;
  readonly failed: boolean;
  /** `value` is shown as `${name}`, also in what was found before. */
  keepSecret(value: string, name: string): void;
  /** Text in which every secret is replaced. */
  redact(text: string): string;
  /** In order of position, each once, a bounded number. */
  list(): Diagnostic[];
}

const MAX_FINDINGS = 200;
const MAX_MESSAGE = 600;
/** What is shorter is no secret, and would be found in every other word. */
const MIN_SECRET = 3;

export function findings(file: string, text: string): Findings {
  const all: Diagnostic[] = [];
  const seen = new Set<string>();
  const marks: Findings["marks"] = new WeakMap();
  const muted = new Set<number>();
  const secrets = new Map<string, string>();
  const position = positions(text);
  let failed = false;

  const redact = (message: string): string => {
    const longestFirst = [...secrets].sort(([a], [b]) => b.length - a.length);
    return longestFirst.reduce((shown, [value, name]) => replaceAll(shown, value, `\${${name}}`), message);
  };
  const offsetOf = (at: At): number => {
    if (typeof at === "number") return at;
    if (!Array.isArray(at) || marks.has(at)) return marks.get(at)?.self ?? 0;
    const [parent, key, part = "value"] = at as [object, string | number, ("key" | "value")?];
    const known = marks.get(parent);
    return known?.of.get(key)?.[part] ?? known?.self ?? 0;
  };
  const add = (severity: Diagnostic["severity"], code: string, at: At, message: string, hint?: string): void => {
    if (muted.has(offsetOf(at))) return;
    failed ||= severity === "error";
    if (all.length > MAX_FINDINGS * 10) return;
    const found = { severity, code, message, file, ...position(offsetOf(at)) };
    const mark = `${found.line}:${found.column}:${message}`;
    if (seen.has(mark)) return;
    seen.add(mark);
    all.push(hint === undefined ? found : { ...found, hint });
  };
  /** Only now, because a secret may have become known after the finding that shows it. */
  const safe = (found: Diagnostic): Diagnostic => {
    const { message, hint, ...rest } = found;
    const told = { ...rest, message: shown(redact(message)) };
    return hint === undefined ? told : { ...told, hint: shown(redact(hint)) };
  };
  return {
    marks,
    redact,
    error: (code, at, message, hint) => add("error", code, at, message, hint),
    warning: (code, at, message, hint) => add("warning", code, at, message, hint),
    attempt: (at, body) => attempt(body, (error) => add("error", error.code, at, messageOf(error), error.hint)),
    line: (at) => position(offsetOf(at)).line,
    mute: (offset) => void muted.add(offset),
    get failed() {
      return failed;
    },
    keepSecret: (value, name) => {
      if (value.length >= MIN_SECRET) secrets.set(value, name);
    },
    list: () => bounded(all.map(safe).sort((a, b) => a.line - b.line || a.column - b.column)),
  };
}

function attempt<T>(body: () => T, failed: (error: StowageError) => void): T | undefined {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    failed(error);
    return undefined;
  }
}

function shown(message: string): string {
  const safe = printable(message);
  return safe.length > MAX_MESSAGE ? `${safe.slice(0, MAX_MESSAGE)}…` : safe;
}

/** Line and column of an offset, from 1. */
function positions(text: string): (offset: number) => { line: number; column: number } {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    for (let high = starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  };
}

function bounded(all: Diagnostic[]): Diagnostic[] {
  const last = all[MAX_FINDINGS - 1];
  if (!last || all.length === MAX_FINDINGS) return all;
  const { hint: _, ...place } = last;
  const rest = { ...place, severity: "error", code: "MORE", message: "there is more, which is not shown" } as const;
  return [...all.slice(0, MAX_FINDINGS - 1), rest];
}

/** Case-insensitive, because a message may show a value in lower case. */
function replaceAll(text: string, value: string, replacement: string): string {
  const haystack = text.toLowerCase();
  const needle = value.toLowerCase();
  if (haystack.length !== text.length) return text.replaceAll(value, replacement);
  let out = "";
  let from = 0;
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, from)) {
    out += text.slice(from, at) + replacement;
    from = at + needle.length;
  }
  return out + text.slice(from);
}
